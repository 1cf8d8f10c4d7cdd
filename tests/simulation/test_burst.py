"""Many videos that finish at once in a new account are all stored, and so are those beside some that kill Copiers."""

from math import inf
from statistics import median

from shared.lifecycle import MAX_COPY_ATTEMPTS
from tests.simulation.burst import Burst, Video
from tests.template import default

DAY = 86400


def run(videos: list[Video]) -> Burst:
    burst = Burst(videos)
    burst.run()
    assert burst.world.invariants.violation is None
    return burst


def test_a_burst_takes_as_long_as_its_copiers_need() -> None:
    videos = [Video(done_at=0.0, seconds=60.0) for _ in range(100)]
    run(videos)
    assert max(video.stored_at for video in videos) <= 1.3 * 100 * 60 / default("MaxCopiers")


def test_those_that_time_every_copier_out_cost_no_other_its_video() -> None:
    poisoned = [Video(done_at=number * 60.0, seconds=inf) for number in range(20)]
    others = [Video(done_at=number * 300.0, seconds=30.0) for number in range(DAY // 300)]
    burst = run([*poisoned, *others])
    assert all(video.stored_at < inf for video in others)
    killed = sum(what == "IS KILLED" for _, _, what, _ in burst.world.trace)
    assert killed == MAX_COPY_ATTEMPTS * len(poisoned)
    # Over the day; while all twenty are tried, in its first eight hours, others wait for longer.
    assert median(video.begun_at - video.done_at for video in others) < 300
