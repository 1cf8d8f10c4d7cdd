"""Which rounds a minute has, and which tasks are due in one: windows of time that join, and nothing to remember."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zlib import crc32

from shared.endings import is_in_vain
from shared.queues import RoundMessage
from shared.task import Task

MINUTE = 60
"""The schedule's period in seconds."""

_SHARE_OF_AGE = 0.1
_LONGEST_PERIOD_SECONDS = 240
"""Within the 300 s of an alarm's period every task is asked about."""


def nominal_minute(event: Any, now: float) -> int:  # noqa: ANN401 - whatever starts a tick is one
    """Return the minute, in epoch seconds, that a tick is for: Scheduler fires anywhere within it.

    Where the event does not say so, as on a local AWS or by hand, it is the clock's.
    """
    try:
        scheduled = datetime.fromisoformat(event["scheduled_time"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        scheduled = now
    return int((scheduled if abs(now - scheduled) < 2 * MINUTE else now) // MINUTE) * MINUTE


def rounds(minute: int, interval: int, segments: int) -> list[RoundMessage]:
    """Return all rounds of a minute, those of one time after each other; times in epoch seconds.

    Their windows join each other and those of the minutes beside this one.
    """
    ends = [minute + offset for offset in range(0, MINUTE, interval)]
    begins = [ends[-1] - MINUTE, *ends[:-1]]
    return [
        RoundMessage(segment, segments, after, until, until + interval)
        for after, until in zip(begins, ends, strict=True)
        for segment in range(segments)
    ]


def plan(event: Any, oldest: float, now: float, interval: int, segments: int) -> list[RoundMessage]:  # noqa: ANN401 - see nominal_minute
    """Return the rounds that a tick plans: those of the next minute, each to begin on time, and what else is due.

    Those of its own minute were planned by the tick before, if that found anything pending. It did where the `oldest`
    task is older than that tick (epoch seconds); else, and by hand, what is left of the minute is planned, too.
    """
    minute = nominal_minute(event, now)
    following = rounds(minute + MINUTE, interval, segments)
    is_scheduled = isinstance(event, dict) and "scheduled_time" in event
    if is_scheduled and oldest < minute - MINUTE - interval:
        return following
    return [asked for asked in rounds(minute, interval, segments) if now < asked.ends_at] + following


def due(tasks: Iterable[Task], asked: RoundMessage, now: float, interval: int) -> list[Task]:
    """Return the tasks to ask about in a round that begins `now`, those first that wait longest for another chance.

    A round that begins after its end asks only those that the rounds of the next minute would not ask. Those that were
    asked in vain go last, since a few of them stop a round; among equals the order is another one each time.
    """
    least = MINUTE if now >= asked.ends_at else 0
    periods = [(_period_in(task, asked, now, interval), task) for task in tasks]
    chosen = [(period, task) for period, task in periods if period > least]
    chosen.sort(key=lambda pair: (is_in_vain(pair[1]), -pair[0], _mix(f"{asked.until} {pair[1].task_id}")))
    return [task for _, task in chosen]


def _period_in(task: Task, asked: RoundMessage, now: float, interval: int) -> int:
    """Return a task's period in seconds where it is due in the window, else 0.

    The period is the largest interval * 2**n within a tenth of the age, so that no delay is longer than one interval
    or a tenth of the age at its end. Its phase is a hash of the id, which spreads a burst of tasks over the rounds.
    """
    if task.pending_since is None or task.lease_until > now:
        return 0
    # A Copier that failed, or a success without a URL, makes a task young again.
    since = max(task.pending_since, task.lease_until, task.no_url_since or 0)
    age = now - since
    if age < interval - 1 and since == task.pending_since:
        return 0  # a render so young has nothing to tell
    period = interval
    while period * 2 <= min(age * _SHARE_OF_AGE, _LONGEST_PERIOD_SECONDS):
        period *= 2
    last = asked.until - (asked.until - _mix(task.task_id)) % period
    return period if last > asked.after else 0


def _mix(text: str) -> int:
    return crc32(text.encode(errors="replace"))
