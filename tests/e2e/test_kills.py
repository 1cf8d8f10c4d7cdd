"""Killing any worker at any moment, then letting the stack run on, ends every task."""

from collections import Counter

from infra.local.stack import Say
from tests.e2e.hunt import RECEIVING, Hunt, traps
from tests.e2e.proxy import FUNCTIONS


def test_every_task_ends_with_its_video(hunt: Hunt) -> None:
    trial = hunt.trial
    assert Counter(item["status"] for item in trial.items.values()) == {"SUCCESS": len(trial.items)}
    assert trial.stored() == trial.expected()


def test_every_video_is_announced_once_on_each_way(hunt: Hunt) -> None:
    assert hunt.trial.announced() == (hunt.trial.keys(), hunt.trial.keys())


def test_every_function_was_killed_in_every_call(hunt: Hunt, say: Say) -> None:
    say(f"\n{len(hunt.trial.items)} videos stored in {hunt.trial.seconds:.0f} s in spite of these kills:")
    for function in FUNCTIONS:
        say(f"{hunt.kills[function]:6} x {function.removesuffix('FunctionName')}")
    moments = [*traps(), RECEIVING]
    say(f"{len(moments):6} moments: {'; '.join(moments)}")
    assert [moment for moment in moments if not hunt.trial.fired[moment]] == []
    assert all(hunt.kills[function] for function in FUNCTIONS)
