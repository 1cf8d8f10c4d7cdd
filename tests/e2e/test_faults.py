"""Nothing lost, nothing twice, on the deployed stack while its calls to AWS fail."""

from collections import Counter

from infra.local.stack import Say
from tests.e2e.storm import KINDS, VIDEOS
from tests.e2e.trial import Trial


def test_every_task_ends_with_its_video(storm: Trial) -> None:
    assert Counter(item["status"] for item in storm.items.values()) == {"SUCCESS": VIDEOS}
    assert not any(item.keys() & {"pending_since", "lease", "lease_until"} for item in storm.items.values())


def test_every_object_is_the_video_byte_by_byte(storm: Trial) -> None:
    assert storm.stored() == storm.expected()


def test_every_video_is_announced_once_on_each_way(storm: Trial) -> None:
    assert storm.announced() == (storm.keys(), storm.keys())


def test_every_fault_happened(storm: Trial, say: Say) -> None:
    say(f"\n{VIDEOS} videos stored in {storm.seconds:.0f} s in spite of {storm.fired.total()} faults:")
    for name in KINDS:
        say(f"{storm.fired[name]:6} x {name}")
    assert [name for name in KINDS if not storm.fired[name]] == []
