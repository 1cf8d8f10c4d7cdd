"""How hard to press: what one round's answers say about CometAPI as a whole, and about the next round."""

from collections import Counter
from dataclasses import dataclass, field, replace
from threading import Lock

from shared.comet_api import Answer, KeyRejected, Misdirected, Throttled, Unavailable

FAILURES_IN_A_ROW = 5
"""So many transport failures or 5xx in a row, across tasks, are the gateway's and not a task's."""

SUSPICIOUS_TASKS = 5
"""Fewer unknown tasks can be mistakes; so many, and most of a round, mean that the key is of another account."""

_DEFAULT_RETRY_AFTER = 15.0
_LONGEST_PAUSE = 60.0
"""A tick: a date in the wrong year must not silence a Lambda that is kept warm. After it, one 429 asks for the next."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How the next round may ask; kept between rounds and, in a warm Lambda, between ticks."""

    concurrency: int
    resume_at: float = 0.0
    """Not before this time, in epoch seconds: CometAPI asked for quiet."""
    probe: bool = False
    """Ask about a single task first: the last round was stopped."""

    def after(self, gauge: "Gauge", most: int, now: float) -> "Pace":
        """Return the pace after a round: halved by a 429, else a quarter faster, up to `most` at once."""
        if gauge.throttled:
            pause = gauge.throttled.retry_after
            resume_at = now + (_DEFAULT_RETRY_AFTER if pause is None else min(pause, _LONGEST_PAUSE))
            return Pace(max(1, self.concurrency // 2), resume_at)
        faster = min(most, self.concurrency + max(1, self.concurrency // 4)) if gauge.answers else self.concurrency
        return replace(self, concurrency=faster, probe=gauge.stopped)


@dataclass(slots=True)
class Gauge:
    """Counts the answers of one round as they come in, and says when to stop asking; thread-safe."""

    answers: Counter[str] = field(default_factory=Counter)
    stopped: bool = False
    throttled: Throttled | None = None
    failures_in_a_row: int = 0
    tolerance: int = FAILURES_IN_A_ROW
    _lock: Lock = field(default_factory=Lock, repr=False)

    def note(self, answer: Answer) -> None:
        """Take one answer into account."""
        with self._lock:
            self.answers[type(answer).__name__] += 1
            is_failure = isinstance(answer, Unavailable | Misdirected)
            self.failures_in_a_row = self.failures_in_a_row + 1 if is_failure else 0
            if isinstance(answer, Throttled):
                self.throttled = answer
            if isinstance(answer, Throttled | KeyRejected) or self.failures_in_a_row >= self.tolerance:
                self.stopped = True


def is_doubtful(unknown: int, known: int, pending: int) -> bool:
    """Tell whether a round's unknown tasks may be the key's fault: they outnumber the known ones, and others wait.

    It looks at all that is pending, since old tasks are asked about a few at a time.
    """
    return pending >= SUSPICIOUS_TASKS and unknown > known
