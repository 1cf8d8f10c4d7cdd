"""When to ask about a task next: often while it is young, ever less often as it ages."""

from zlib import crc32

_SHARE_OF_AGE = 0.1
_LONGEST_PERIOD_SECONDS = 900


def next_poll_at(task_id: str, pending_since: int, after: float, interval: int) -> float:
    """Return the first time later than `after` at which to ask about a task; all in epoch seconds.

    The period is the largest interval * 2**n within a tenth of the age, so that the delay stays under
    a tenth of the age plus one interval. Its phase is a hash of the id, which spreads a burst of tasks
    over the rounds without a note in the table. A render younger than one interval has nothing to tell.
    """
    after = max(after, float(pending_since + interval - 1))
    period = _period(after - pending_since, interval)
    phase = crc32(task_id.encode("utf-8", "replace")) % period
    return after - (after - phase) % period + period


def _period(age: float, interval: int) -> int:
    period = interval
    while period * 2 <= min(age * _SHARE_OF_AGE, _LONGEST_PERIOD_SECONDS):
        period *= 2
    return period
