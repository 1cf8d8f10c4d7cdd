"""How long a copy may go on: until its deadline, until somebody stops it, and while its pace gives hope."""

import time
from contextlib import nullcontext
from threading import Timer

import pytest

from copier import watch
from copier.watch import Deadline, OutOfTime, Patience, Watch
from shared.errors import CopyInterrupted
from tests.unit.conftest import Clock

WINDOW = Patience().window_seconds
LEAST = Patience().least_bytes_per_second
TOO_SLOW = r"^At its pace the video would not arrive before the Copier's time is over\.$"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watch, "time", clock)
    return clock


def windows(clock: Clock, kept: Watch, *bytes_a_second: float) -> None:
    """Let windows pass at these paces, each of them judged at its end."""
    for pace in bytes_a_second:
        kept.count(int(pace * WINDOW))
        clock.now += WINDOW
        kept.check()


def test_a_deadline_is_over_when_no_time_is_left(clock: Clock) -> None:
    deadline = Deadline(10)
    assert deadline.left() == 10
    clock.now += 9.5
    assert deadline.left() == 0.5
    assert Watch(deadline, Patience()).check() == 0.5
    clock.now += 0.5
    for ask in (deadline.left, Watch(deadline, Patience()).check):
        with pytest.raises(OutOfTime, match=r"^The copy could not finish in one run of the Copier\.$") as raised:
            ask()
        assert raised.value.code == "out_of_time"


def test_a_copy_that_was_stopped_goes_on_nowhere() -> None:
    kept = Watch(Deadline(10), Patience())
    kept.check()
    kept.stop()
    for ask in (kept.check, lambda: kept.pause(0)):
        with pytest.raises(CopyInterrupted, match=r"^The copy was stopped\.$") as raised:
            ask()
        assert raised.value.code == "stopped"


@pytest.mark.parametrize(("seconds", "left", "stopped_after"), [(0.05, 90, 90), (90, 0.05, 90), (90, 90, 0.05)])
def test_a_pause_ends_with_the_copy(clock: Clock, seconds: float, left: float, stopped_after: float) -> None:  # noqa: ARG001
    kept = Watch(Deadline(left), Patience())
    timer = Timer(stopped_after, kept.stop)
    timer.start()
    began = time.monotonic()
    kept.pause(seconds)
    timer.cancel()
    assert 0.04 < time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("paces", "is_hopeless"),
    [
        ((LEAST, LEAST, LEAST, LEAST), False),
        ((LEAST - 1, LEAST - 1), False),
        ((LEAST - 1, LEAST - 1, LEAST - 1), True),
        ((LEAST, LEAST - 1, LEAST - 1, LEAST - 1), True),
        ((0, 0, LEAST, 0, 0), False),
        ((0, 0, LEAST, 0, 0, 0), True),
        ((100 * LEAST, 0, 0, 0), True),
    ],
)
def test_where_nobody_knows_how_much_is_left(clock: Clock, paces: tuple[float, ...], *, is_hopeless: bool) -> None:
    kept = Watch(Deadline(900), Patience())
    windows(clock, kept, *paces[:-1])
    with pytest.raises(OutOfTime, match=TOO_SLOW) if is_hopeless else nullcontext() as raised:
        windows(clock, kept, paces[-1])
    assert not raised or raised.value.code == "too_slow"


@pytest.mark.parametrize(
    ("left", "rest", "pace", "is_hopeless"),
    [
        # Half of what would be needed gives hope: 60 s before the deadline each second needs a 60th of what is left.
        (3 * WINDOW + 60, 60_000, 500, False),
        (3 * WINDOW + 60, 60_000, 499, True),
        (3 * WINDOW + 60, 100, 0, True),
        (3 * WINDOW + 60, 0, 0, False),
        (3 * WINDOW + 0.5, 60_000, 30_000, False),
        (3 * WINDOW + 0.5, 60_000, 29_999, True),
    ],
)
def test_half_the_pace_that_is_needed_gives_hope(
    clock: Clock, left: float, rest: int, pace: float, *, is_hopeless: bool
) -> None:
    """The third of three windows decides, of which the first two were slow."""
    kept = Watch(Deadline(left), Patience())
    received = int(pace * WINDOW)
    kept.total = 10**9
    windows(clock, kept, 0, 0)
    kept.total = rest + received
    with pytest.raises(OutOfTime, match=TOO_SLOW) if is_hopeless else nullcontext():
        windows(clock, kept, pace)


def test_what_arrives_once_more_is_pace_but_not_received(clock: Clock) -> None:
    """A host without ranges begins anew, and may need minutes until it is where it broke off."""
    kept = Watch(Deadline(20 * WINDOW), Patience())
    kept.total = 200_000
    kept.count(100_000)
    for _ in range(5):
        kept.skip(100_000)
        windows(clock, kept, 0)
    windows(clock, kept, 0, 0)
    with pytest.raises(OutOfTime, match=TOO_SLOW):
        windows(clock, kept, 0)


def test_a_window_is_judged_once(clock: Clock) -> None:
    """However often it is asked, and by however many receivers."""
    kept = Watch(Deadline(900), Patience())
    windows(clock, kept, 0, 0)
    for _ in range(29):
        clock.now += 1
        assert kept.check() > 0
    kept.count(int(LEAST * WINDOW))
    clock.now += 1
    kept.check()
    windows(clock, kept, 0, 0)


def test_a_window_that_was_judged_late_is_judged_by_its_length(clock: Clock) -> None:
    kept = Watch(Deadline(900), Patience())
    windows(clock, kept, 0, 0)
    kept.count(int(LEAST * WINDOW))
    clock.now += 2 * WINDOW
    with pytest.raises(OutOfTime, match=TOO_SLOW):
        kept.check()
