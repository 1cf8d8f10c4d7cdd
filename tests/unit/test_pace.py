"""How hard to ask."""

from collections import Counter
from heapq import heappop, heappush
from random import Random

import pytest

from poller.pace import FRESH_SECONDS, Gauge, Pace
from shared.comet_api import (
    Answer,
    Forbidden,
    KeyRejected,
    Misdirected,
    Report,
    Throttled,
    Unavailable,
    Unclear,
    UnknownTask,
    Unreadable,
)
from shared.task import Status

DOWN = Unavailable(reason="HTTP 502")
GOOD = Report(status=Status.SUBMITTED, word="queued")
DENIED = UnknownTask(message="")
UNREADABLE = Unreadable(reason="")
REFUSED = Forbidden(message="")
UNCLEAR = Unclear(code="c", message="")
THREADS = 64


def gauge(*answers: Answer) -> Gauge:
    found = Gauge()
    for answer in answers:
        found.note(answer)
    return found


@pytest.mark.parametrize(
    ("answers", "stops"),
    [
        ([DOWN] * 4, False),
        ([DOWN] * 5, True),
        ([*[DOWN] * 4, GOOD, *[DOWN] * 4], False),
        ([Misdirected(reason="HTTP 302")] * 5, True),
        ([*[DOWN] * 4, UNREADABLE], False),
        ([*[DOWN] * 4, UNREADABLE, *[DOWN] * 4], False),
        ([UNREADABLE] * 9 + [DENIED] * 9 + [UNCLEAR] * 9, False),  # of single tasks
        ([REFUSED] * 99, False),  # a key that works for others
        ([KeyRejected(message="")], True),
        ([Throttled(retry_after=7)], True),
    ],
)
def test_what_stops_a_round(answers: list[Answer], *, stops: bool) -> None:
    assert gauge(*answers).stopped is stops


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("seconds", [0.01, 0.5, 15.0], ids=lambda seconds: f"fail in {seconds} s")
@pytest.mark.parametrize("good", [1000, 15_000])
def test_a_few_failures_among_many_good_answers_stop_no_round(good: int, seconds: float, seed: int) -> None:
    """A row is one of answers as they arrive, whichever of the threads asked; good ones come in between."""
    random = Random(seed)  # noqa: S311 - an order, no secret
    kinds: list[Answer] = [*[DOWN] * 10, *[GOOD] * good]
    random.shuffle(kinds)
    found, in_flight, now = Gauge(), list[tuple[float, int]](), 0.0
    for number, kind in enumerate(kinds):
        if len(in_flight) == THREADS:
            now, arrived = heappop(in_flight)
            found.note(kinds[arrived])
        assert not found.stopped
        takes = seconds if kind is DOWN else 0.2
        heappush(in_flight, (now + takes * random.uniform(0.9, 1.1), number))


@pytest.mark.parametrize(
    ("answers", "probes"),
    [
        ([GOOD], False), ([DENIED], False), ([UNCLEAR], False), ([REFUSED], False), ([GOOD, DOWN], False),
        ([], True), ([DOWN], True), ([UNREADABLE], True), ([GOOD, *[DOWN] * 5], True),
        ([GOOD, KeyRejected(message="")], True), ([GOOD, Throttled(retry_after=0)], True),
    ],
)  # fmt: skip
def test_who_has_no_good_answer_of_the_last_minute_asks_one_task_first(answers: list[Answer], *, probes: bool) -> None:
    after = Pace(16).after(gauge(*answers), 16, 100.0)
    assert after.probes(100.0 + FRESH_SECONDS) is probes
    assert after.probes(100.1 + FRESH_SECONDS)


def test_an_environment_starts_with_a_probe_and_keeps_its_good_answer_through_a_mere_failure() -> None:
    assert Pace(16).probes(1000.0)
    assert not Pace(16, good_at=990.0).after(gauge(DOWN), 16, 1000.0).probes(1050.0)


def test_a_429_halves_and_waits_then_recovers_step_by_step() -> None:
    slowed = Pace(16, good_at=99).after(gauge(GOOD, Throttled(retry_after=7)), 16, 100)
    assert slowed == Pace(8, resume_at=107)
    assert slowed.is_quiet(106.9)
    assert not slowed.is_quiet(107)
    assert Pace(1).after(gauge(Throttled(retry_after=None)), 16, 100) == Pace(1, resume_at=115)
    assert Pace(1).after(gauge(Throttled(retry_after=0)), 16, 100) == Pace(1, resume_at=100)
    assert Pace(1).after(gauge(Throttled(retry_after=86400)), 16, 100) == Pace(1, resume_at=160)
    assert Pace(5).after(gauge(Throttled(retry_after=0)), 16, 100) == Pace(2, resume_at=100)
    for several in ([7, None], [None, 7], [15, 0]):
        gauged = gauge(*(Throttled(retry_after=seconds) for seconds in several))
        assert Pace(1).after(gauged, 16, 100) == Pace(1, resume_at=115), "the longest of them"
    assert Pace(1).after(gauge(GOOD), 16, 200) == Pace(2, good_at=200)
    assert Pace(4, good_at=7).after(gauge(), 16, 200) == Pace(4, good_at=7), "who asked nobody is none the wiser"
    assert Pace(16, good_at=7).after(gauge(KeyRejected(message="")), 16, 200) == Pace(16)
    assert [(slowed := slowed.after(gauge(GOOD), 16, 200)).concurrency for _ in range(5)] == [10, 12, 15, 16, 16]


def test_answers_are_counted_by_their_kind() -> None:
    assert gauge(DOWN, GOOD, DOWN, DENIED, DOWN).answers == {"Unavailable": 3, "Report": 1, "UnknownTask": 1}


def test_answers_of_many_threads_are_counted_one_at_a_time() -> None:
    class Noted(Counter[str]):
        def __setitem__(self, kind: str, count: int) -> None:
            assert found._lock.locked()  # noqa: SLF001 - threads meet too seldom to tell
            super().__setitem__(kind, count)

    found = Gauge(answers=Noted())
    found.note(GOOD)
    assert found.answers == {"Report": 1}


@pytest.mark.parametrize(
    ("answers", "doubts"),
    [([DENIED], True), ([DENIED, DOWN], True), ([DENIED, GOOD], False), ([], False), ([DOWN], False)],
)
def test_a_key_that_knows_no_task_is_doubted(answers: list[Answer], *, doubts: bool) -> None:
    assert gauge(*answers).has_only_denials is doubts
