"""When and how hard to ask."""

from hypothesis import given
from hypothesis import strategies as st

from poller.cadence import next_poll_at
from poller.pace import Gauge, Pace, is_doubtful
from shared.comet_api import Answer, KeyRejected, Misdirected, Report, Throttled, Unavailable, UnknownTask, Unreadable
from shared.task import Status

DOWN = Unavailable(reason="HTTP 502")
GOOD = Report(status=Status.SUBMITTED, word="queued")


@given(st.text(max_size=40), st.integers(0, 200_000), st.integers(5, 60))
def test_the_delay_stays_under_a_tenth_of_the_age_plus_one_interval(task_id: str, age: int, interval: int) -> None:
    at = next_poll_at(task_id, 0, age, interval)
    assert age < at <= max(age + max(interval, age * 0.1), 2 * interval)


@given(st.integers(5, 60))
def test_a_render_of_seconds_is_not_asked_about(interval: int) -> None:
    assert next_poll_at("task", 1000, 1000, interval) >= 1000 + interval - 1


def test_old_tasks_spread_evenly_over_rounds() -> None:
    age, interval, tasks = 3600, 15, 1000
    first = [next_poll_at(f"task_{n}", 0, age, interval) for n in range(tasks)]
    per_round = [sum(1 for at in first if start < at <= start + interval) for start in range(age, age + 240, interval)]
    assert sum(per_round) == tasks
    assert max(per_round) < 2 * min(per_round)


def gauge(*answers: Answer) -> Gauge:
    found = Gauge()
    for answer in answers:
        found.note(answer)
    return found


def test_five_failures_in_a_row_stop_a_round_and_the_next_one_probes() -> None:
    assert not gauge(*[DOWN] * 4).stopped
    assert not gauge(*[DOWN] * 4, GOOD, *[DOWN] * 4).stopped
    stopped = gauge(*[DOWN] * 5)
    assert stopped.stopped
    assert Pace(16).after(stopped, 16, 0).probe
    assert not Pace(16, probe=True).after(gauge(GOOD), 16, 0).probe
    assert gauge(*[Misdirected(reason="HTTP 302")] * 5).stopped


def test_answers_of_single_tasks_do_not_stop_a_round() -> None:
    assert not gauge(*[Unreadable(reason="")] * 9, *[UnknownTask(message="")] * 9).stopped


def test_a_rejected_key_stops_at_once() -> None:
    assert gauge(KeyRejected(message="")).stopped


def test_a_429_stops_halves_and_waits_then_recovers_step_by_step() -> None:
    slowed = Pace(16).after(gauge(GOOD, Throttled(retry_after=7)), 16, 100)
    assert gauge(Throttled(retry_after=7)).stopped
    assert slowed == Pace(8, resume_at=107)
    assert Pace(1).after(gauge(Throttled(retry_after=None)), 16, 100) == Pace(1, resume_at=115)
    assert Pace(1).after(gauge(Throttled(retry_after=86400)), 16, 100) == Pace(1, resume_at=160)
    assert [(slowed := slowed.after(gauge(GOOD), 16, 200)).concurrency for _ in range(5)] == [10, 12, 15, 16, 16]


def test_a_wrong_key_is_told_from_wrong_ids() -> None:
    assert is_doubtful(unknown=5, known=0, pending=5)
    assert is_doubtful(unknown=6, known=5, pending=11)
    assert is_doubtful(unknown=1, known=0, pending=5)
    assert not is_doubtful(unknown=4, known=0, pending=4)
    assert not is_doubtful(unknown=5, known=5, pending=10)
