"""Which rounds a minute has, and who is asked in them: nothing is remembered, so windows of time must do it all."""

import gc
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from poller.plan import MINUTE, due, nominal_minute, plan, rounds
from shared.queues import RoundMessage
from shared.task import Task
from tests.unit.conftest import NOW, pending

MINUTE_0 = NOW // MINUTE * MINUTE
HOUR = 3600
ANSWER_SECONDS = 14
STEADY = [5, 6, 10, 12, 15, 20, 30, 60]
"""Intervals that a minute is a multiple of."""

SCHEDULED = {"scheduled_time": "<aws.scheduler.scheduled-time>"}

intervals = st.integers(5, 60)
lateness = st.integers(0, 59)
ticks = st.lists(st.lists(lateness, min_size=1, max_size=2), min_size=2, max_size=8)
"""For each minute, how late its ticks are: one, or two where the schedule fires twice."""


def planned(minutes: list[list[int]], interval: int) -> list[RoundMessage]:
    """Return all rounds that the ticks of consecutive minutes plan, in the order of their start, doubles once."""
    found = {
        asked
        for number, ticks_of_minute in enumerate(minutes)
        for late in ticks_of_minute
        for asked in plan(SCHEDULED, NOW - HOUR, MINUTE_0 + number * MINUTE + late, interval, 1)
    }
    return sorted(found, key=lambda asked: asked.until)


def every(minutes: int, interval: int) -> list[RoundMessage]:
    """Return all rounds of consecutive minutes."""
    return [asked for n in range(minutes) for asked in rounds(MINUTE_0 + n * MINUTE, interval, 1)]


def asked_at(task: Task, plan: Iterable[RoundMessage], interval: int) -> list[float]:
    """Return when a task is asked about, if every round runs at its time."""
    return [asked.until for asked in plan if due([task], asked, asked.until, interval)]


def asked_while_young(task_id: str, plan: Iterable[RoundMessage], interval: int, delay: int) -> list[float]:
    """Return when a task is asked about that does not age, if every round runs so many seconds after its time."""
    times = [(asked, asked.until + delay) for asked in plan]
    tasks = [Task.from_item({"task_id": task_id, "pending_since": now - 2 * interval}) for _, now in times]
    return [now for (asked, now), task in zip(times, tasks, strict=True) if due([task], asked, now, interval)]


def silences(times: list[float]) -> Iterator[float]:
    return (later - earlier for earlier, later in pairwise(times))


# ------------------------------------------------------------------ windows


@given(ticks, intervals)
def test_windows_of_consecutive_minutes_join_without_gap_or_overlap(minutes: list[list[int]], interval: int) -> None:
    windows = sorted({(asked.after, asked.until) for asked in planned(minutes, interval)})
    assert all(after < until for after, until in windows)
    assert all(window[1] == following[0] for window, following in pairwise(windows))
    assert windows[-1][1] - windows[0][0] == len(minutes) * MINUTE
    assert max(until - after for after, until in windows) <= interval


@given(intervals, st.integers(1, 5))
def test_a_minute_has_a_round_each_interval_in_every_segment(interval: int, segments: int) -> None:
    found = rounds(MINUTE_0, interval, segments)
    assert [asked.until - MINUTE_0 for asked in found[::segments]] == list(range(0, MINUTE, interval))
    assert all(asked.ends_at - asked.until == interval for asked in found)
    assert Counter((asked.segment, asked.segments) for asked in found) == {
        (n, segments): len(found) // segments for n in range(segments)
    }
    assert found == sorted(found, key=lambda asked: (asked.until, asked.segment))


def test_the_rounds_of_one_time_share_the_tasks() -> None:
    assert rounds(MINUTE_0, 30, 2) == [
        RoundMessage(segment, 2, MINUTE_0 + offset - 30, MINUTE_0 + offset, MINUTE_0 + offset + 30)
        for offset in (0, 30)
        for segment in (0, 1)
    ]


def test_an_id_that_nobody_can_write_down_is_asked_about_too() -> None:
    task = Task.from_item({"task_id": "\ud800", "pending_since": MINUTE_0 - HOUR})
    assert asked_at(task, every(5, 15), 15)


@pytest.mark.parametrize("interval", [15, 20, 30, 60])
def test_slow_answers_keep_two_rounds_in_flight_at_the_most(interval: int) -> None:
    plan = every(5, interval)
    for second in range(MINUTE_0, MINUTE_0 + 6 * MINUTE):
        assert sum(asked.until <= second < asked.ends_at + ANSWER_SECONDS for asked in plan) <= 2


# ------------------------------------------------------------------ what a tick plans

NEXT = [60, 75, 90, 105]


@pytest.mark.parametrize(
    ("event", "late", "oldest", "begins"),
    [
        (SCHEDULED, 0, -HOUR, NEXT),
        (SCHEDULED, 59, -HOUR, NEXT),
        (SCHEDULED, 20, -76, NEXT),  # the tick before came at -60 at the earliest, and found it
        (SCHEDULED, 20, -75, [15, 30, 45, *NEXT]),  # or the index did not have it yet
        (SCHEDULED, 0, -30, [0, 15, 30, 45, *NEXT]),
        (SCHEDULED, 15, -30, [15, 30, 45, *NEXT]),
        (SCHEDULED, 59, -30, [45, *NEXT]),
        ({}, 20, -HOUR, [15, 30, 45, *NEXT]),  # by hand
        (None, 20, -HOUR, [15, 30, 45, *NEXT]),
        ({"scheduled_time": "2027-01-15T08:00:00Z"}, 75, -HOUR, NEXT),  # a tick that was tried again
    ],
)
def test_a_tick_plans_the_next_minute_and_of_its_own_what_nobody_has(
    event: object, late: int, oldest: int, begins: list[int]
) -> None:
    found = plan(event, MINUTE_0 + oldest, MINUTE_0 + late, 15, 2)
    assert [asked.until - MINUTE_0 for asked in found] == [at for begin in begins for at in (begin, begin)]


@given(st.lists(lateness, min_size=4, max_size=4), st.integers(0, 119), intervals)
@example([0, 59, 0, 59], 1, 15)
def test_from_the_first_tick_that_finds_a_task_no_round_is_left_out(late: list[int], since: int, interval: int) -> None:
    ticks = [number * MINUTE + seconds for number, seconds in enumerate(late)]
    found = [MINUTE_0 + at for at in ticks if at >= since]
    begins = {asked.until for at in found for asked in plan(SCHEDULED, MINUTE_0 + since, at, interval, 1)}
    assert begins >= {asked.until for asked in every(5, interval) if asked.until >= found[0]}


# ------------------------------------------------------------------ silence


@given(st.text("abcdef0123456789", min_size=8, max_size=8), st.lists(lateness, min_size=30, max_size=30), intervals)
@example("task", [0, 59] * 15, 15)
@example("task", [59, 0] * 15, 15)
@settings(max_examples=50)
def test_the_longest_silence_of_an_old_task_is_its_period_whenever_the_ticks_come(
    task_id: str, late: list[int], interval: int
) -> None:
    old = pending(age=6 * HOUR, task_id=task_id)
    times = asked_at(old, planned([[seconds] for seconds in late], interval), interval)
    period = interval * 2 ** ((240 // interval).bit_length() - 1)
    assert 120 < period <= 240
    longest = period + (0 if interval in STEADY else interval)
    assert max(silences([MINUTE_0 + MINUTE, *times, MINUTE_0 + 31 * MINUTE])) <= longest


@given(st.text(max_size=20), ticks, st.sampled_from(STEADY), st.integers(0, 4))
@example("task", [[0], [59], [0]], 15, 0)
@settings(max_examples=50)
def test_a_young_task_is_asked_every_interval_whenever_the_ticks_come(
    task_id: str, minutes: list[list[int]], interval: int, delivery: int
) -> None:
    times = asked_while_young(task_id, planned(minutes, interval), interval, delivery)
    assert set(silences(times)) <= {interval}
    assert len(times) == len(minutes) * MINUTE // interval


@given(st.text(max_size=20), intervals)
@settings(max_examples=50)
def test_an_interval_that_parts_no_minute_costs_a_young_task_one_more(task_id: str, interval: int) -> None:
    times = asked_while_young(task_id, every(4, interval), interval, 0)
    assert max(silences(times)) < 2 * interval


@given(st.text(max_size=40), st.integers(0, 200_000), st.sampled_from(STEADY))
@settings(max_examples=50)
def test_no_delay_is_longer_than_an_interval_or_a_tenth_of_the_age(task_id: str, age: int, interval: int) -> None:
    task = Task.from_item({"task_id": task_id, "pending_since": MINUTE_0 - age})
    times = asked_at(task, every(6, interval), interval)
    first = max(MINUTE_0, MINUTE_0 - age + 2 * interval)
    for earlier, later in pairwise([first, *times]):
        assert later - earlier <= max(interval, (later - MINUTE_0 + age) * 0.1)


@given(st.lists(st.text(max_size=20), unique=True, max_size=30), intervals, st.integers(0, 6 * HOUR))
def test_whoever_runs_a_round_asks_the_same_tasks(names: list[str], interval: int, age: int) -> None:
    tasks = [pending(age, task_id=name) for name in names]
    for asked in rounds(MINUTE_0, interval, 1):
        once = due(tasks, asked, asked.until, interval)
        assert due(list(reversed(tasks)), asked, asked.until, interval) == once


def test_every_environment_asks_the_same_old_tasks_in_a_round() -> None:
    """They have no memory in common, and each salts its own hashes."""
    tasks = [pending(6 * HOUR, task_id=f"task_{n}") for n in range(64)]
    asked = RoundMessage(0, 1, NOW - 8, NOW + 7, NOW + 22)
    assert {task.task_id for task in due(tasks, asked, NOW + 7, 15)} == {
        "task_8", "task_25", "task_44", "task_49", "task_63",
    }  # fmt: skip


def test_old_tasks_spread_evenly_over_rounds() -> None:
    tasks = [pending(age=HOUR, task_id=f"task_{n}") for n in range(1000)]
    per_round = [len(due(tasks, asked, asked.until, 15)) for asked in every(4, 15)]
    assert sum(per_round) == 1000
    assert max(per_round) < 2 * min(per_round)


# ------------------------------------------------------------------ who is due

EVERYBODY = RoundMessage(0, 1, NOW - 600, NOW, NOW + 15)
"""A round in whose window every task is due, however old."""


@pytest.mark.parametrize(
    ("age", "attributes", "is_due"),
    [
        (13, {}, False),  # a render of seconds has nothing to tell
        (14, {}, True),
        (300, {"lease_until": NOW + 1}, False),
        (300, {"lease_until": NOW}, True),
        (13, {"lease_until": NOW - 1}, True),
        (300, {"pending_since": None}, False),
        (300, {"pending_since": "yesterday"}, False),
        (-100, {}, False),
    ],
)
def test_who_is_due_at_all(age: int, attributes: dict[str, object], *, is_due: bool) -> None:
    task = Task.from_item({**pending(age).item, **attributes})
    assert bool(due([task], EVERYBODY, NOW, 15)) is is_due


@pytest.mark.parametrize(
    ("attributes", "asked"),
    [
        ({}, 1),
        ({"lease_until": NOW - 10}, 16),  # a Copier failed
        ({"no_url_since": NOW - 10}, 16),
        ({"lease_until": NOW - 5 * HOUR, "no_url_since": NOW - 6 * HOUR}, 1),
    ],
)
def test_what_gets_moving_again_is_young(attributes: dict[str, object], asked: int) -> None:
    task = pending(age=9 * HOUR, **attributes)
    plan = [RoundMessage(0, 1, at - 15, at, NOW + 15) for at in range(NOW, NOW + 240, 15)]
    assert sum(bool(due([task], message, NOW, 15)) for message in plan) == asked


def mixed() -> list[Task]:
    ages = (20, 200, 400, 700, 1500, 3000, 9 * HOUR)
    return [pending(age, task_id=f"task_{age}_{n}") for n in range(20) for age in ages]


def test_the_longest_period_goes_first_and_equals_in_another_order_each_time() -> None:
    first = due(mixed(), EVERYBODY, NOW, 15)
    assert len(first) == len(mixed())
    periods = [period_of(task) for task in first]
    assert periods == sorted(periods, reverse=True)
    assert set(periods) == {15, 30, 60, 120, 240}
    later = RoundMessage(0, 1, NOW - 585, NOW + 15, NOW + 15)
    second = due(mixed(), later, NOW, 15)
    assert first != second
    assert [period_of(task) for task in second] == periods


@pytest.mark.parametrize("code", ["silence_unavailable", "silence_key_rejected", "forbidden"])
def test_who_was_asked_in_vain_goes_last_since_a_few_of_them_stop_a_round(code: str) -> None:
    tasks = mixed()
    in_vain = [pending(9 * HOUR, task_id=f"vain_{n}", error={"code": code, "message": "…"}) for n in range(9)]
    others = due(tasks, EVERYBODY, NOW, 15)
    found = due([*in_vain, *tasks], EVERYBODY, NOW, 15)
    assert found[: len(others)] == others
    assert {task.task_id for task in found[len(others) :]} == {task.task_id for task in in_vain}


@pytest.mark.parametrize("code", ["task_not_exist", "url_expired", "http_400"])
def test_a_word_that_stops_no_round_keeps_nobody_back(code: str) -> None:
    told = pending(9 * HOUR, task_id="told", error={"code": code, "message": "…"})
    assert due([*(task for task in mixed() if period_of(task) < 240), told], EVERYBODY, NOW, 15)[0] == told


def period_of(task: Task) -> int:
    age = NOW - (task.pending_since or 0)
    return max(period for period in (15, 30, 60, 120, 240) if period == 15 or period <= age / 10)


@pytest.mark.parametrize("interval", [5, 7, 15, 60])
@pytest.mark.parametrize("delay", [0, 60, 300])
def test_a_late_message_asks_only_whom_the_next_minute_would_not(interval: int, delay: int) -> None:
    tasks = mixed()
    for asked in rounds(MINUTE_0, interval, 1):
        in_time = due(tasks, asked, asked.ends_at - 0.01, interval)
        late = due(tasks, asked, asked.ends_at + delay, interval)
        # Older by the delay, some have a longer period by now; none of these is due more often.
        asked_in_time = {task.task_id for task in in_time}
        assert {task.task_id for task in late} <= asked_in_time
        assert all(NOW - (task.pending_since or 0) + delay + 60 >= 610 for task in late)
    everybody = RoundMessage(0, 1, NOW - 600, NOW, NOW - 15)
    assert {period_of(task) for task in due(tasks, everybody, NOW, 15)} == {120, 240}


def test_nothing_is_kept_of_a_round_that_is_over() -> None:
    """An environment lives for hours and may see a million ids."""

    def hour(number: int) -> None:
        for minute in range(20):
            asked = RoundMessage(0, 1, NOW - 600, NOW + number * HOUR + minute, NOW + 15)
            due([pending(700, task_id=f"task_{number}_{minute}_{n}") for n in range(20)], asked, NOW, 15)

    hour(0)
    tracemalloc.start()
    try:
        hour(1)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        hour(2)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 16_384
    finally:
        tracemalloc.stop()


# ------------------------------------------------------------------ a tick that is anything


@pytest.mark.parametrize(
    "event",
    [
        None, 7, 7.5, True, "", "tick", [], [1], {}, {"Records": []}, {"Records": "x"}, {"scheduled_time": None},
        {"scheduled_time": 7}, {"scheduled_time": "<aws.scheduler.scheduled-time>"}, {"scheduled_time": ["x"]},
        {"scheduled_time": "2026-02-30T00:00:00Z"}, {"scheduled_time": "0001-01-01T00:00:00"},
        {"scheduled_time": "9999-12-31T23:59:59Z"}, {"scheduled_time": "2026-11-24"}, {"scheduled_time": "x" * 100_000},
    ],
    ids=lambda event: str(event)[:40],
)  # fmt: skip
def test_a_tick_without_a_time_is_one_of_the_clocks_minute(event: object) -> None:
    assert nominal_minute(event, MINUTE_0 + 59.9) == MINUTE_0


@pytest.mark.parametrize(
    ("scheduled", "late", "minute"),
    [
        ("2027-01-15T08:00:00Z", 0.0, 0),
        ("2027-01-15T08:00:00Z", 59.9, 0),
        ("2027-01-15T08:00:00Z", 75.0, 0),  # whose windows nobody else plans
        ("2027-01-15T08:00:00Z", 119.9, 0),
        ("2027-01-15T08:00:00Z", 120.0, 120),
        ("2027-01-15T08:00:30+00:00", 40.0, 0),
        ("2027-01-15T08:01:00Z", 59.9, 60),  # a clock that is a moment behind
    ],
)
def test_a_tick_is_for_the_minute_that_it_was_scheduled_for(scheduled: str, late: float, minute: int) -> None:
    assert nominal_minute({"scheduled_time": scheduled}, NOW + late) == NOW + minute
