"""How hard to press: what the answers so far say about CometAPI as a whole, and about the next round."""

from collections import Counter
from dataclasses import dataclass, field, replace
from threading import Lock

from shared.comet_api import Answer, Forbidden, KeyRejected, Misdirected, Report, Throttled, Unavailable, Unclear
from shared.comet_api import UnknownTask as Denial

FAILURES_IN_A_ROW = 5
"""So many transport failures or 5xx in a row, across tasks, are the gateway's and not a task's."""

FRESH_SECONDS = 60
"""How long a good answer says that the gateway works; an environment without one asks one task first, so that a
gateway that asked for quiet hears of each environment once a round."""

_DEFAULT_RETRY_AFTER = 15.0
_LONGEST_PAUSE = 60.0
"""A date in the wrong year must not silence an environment that is kept warm; after it, one 429 asks for the next."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How the next round may ask; kept in a warm environment, times in epoch seconds."""

    concurrency: int
    resume_at: float = 0.0
    """Not before this time: CometAPI asked for quiet."""
    good_at: float = 0.0
    """When the last round with a good answer was over."""

    def is_quiet(self, now: float) -> bool:
        """Tell whether CometAPI is to be left alone."""
        return now < self.resume_at

    def probes(self, now: float) -> bool:
        """Tell whether to ask about a single task first."""
        return now - self.good_at > FRESH_SECONDS

    def after(self, gauge: "Gauge", most: int, now: float) -> "Pace":
        """Return the pace after a round: halved by a 429, else a quarter faster, up to `most` at once."""
        if gauge.pause is not None:
            return Pace(max(1, self.concurrency // 2), now + gauge.pause)
        faster = min(most, self.concurrency + max(1, self.concurrency // 4)) if gauge.answers else self.concurrency
        good_at = 0.0 if gauge.stopped else now if gauge.is_good else self.good_at
        return replace(self, concurrency=faster, good_at=good_at)


@dataclass(slots=True)
class Gauge:
    """Counts the answers of one round as they come in, and says when to stop asking; thread-safe."""

    answers: Counter[str] = field(default_factory=Counter)
    stopped: bool = False
    is_good: bool = False
    """The gateway did its work at least once, whatever it said."""
    pause: float | None = None
    """The longest quiet that CometAPI asked for, in seconds."""
    failures_in_a_row: int = 0
    tolerance: int = FAILURES_IN_A_ROW
    _lock: Lock = field(default_factory=Lock, repr=False)

    def note(self, answer: Answer) -> None:
        """Take one answer into account."""
        with self._lock:
            self.answers[type(answer).__name__] += 1
            self.is_good |= isinstance(answer, Report | Denial | Unclear | Forbidden)
            is_failure = isinstance(answer, Unavailable | Misdirected)
            self.failures_in_a_row = self.failures_in_a_row + 1 if is_failure else 0
            if isinstance(answer, Throttled):
                wanted = _DEFAULT_RETRY_AFTER if answer.retry_after is None else answer.retry_after
                self.pause = max(self.pause or 0.0, min(wanted, _LONGEST_PAUSE))
            if isinstance(answer, Throttled | KeyRejected) or self.failures_in_a_row >= self.tolerance:
                self.stopped = True

    @property
    def has_only_denials(self) -> bool:
        """Tell whether CometAPI knew none of the tasks: the key may be of another account."""
        return bool(self.answers[Denial.__name__]) and not self.answers[Report.__name__]
