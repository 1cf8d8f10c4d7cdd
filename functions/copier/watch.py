"""How long a copy may take: until its deadline, and only while its pace gives hope."""

import time
from dataclasses import dataclass
from threading import Event, Lock

from shared.errors import CopyInterrupted

_SLOW_WINDOWS = 3
"""So many in a row are no accident, and longer than a bucket that hangs holds up its host."""


class OutOfTime(CopyInterrupted):
    """This run of the Copier ends before the copy does, or would at its pace."""


class HostTrouble(CopyInterrupted):
    """A failure of the video host that may be over in a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """What a video host may ask of us; times in seconds."""

    connect_seconds: float = 5.0
    """For one address, and for the TLS handshake."""
    silence_seconds: float = 15.0
    """The longest pause between two bytes."""
    window_seconds: float = 30.0
    """How often the pace of the whole copy is judged."""
    least_bytes_per_second: int = 1024
    """The pace where nobody knows how much is left."""
    retry_delays: tuple[float, ...] = (0.2, 0.8, 2.0)
    """Pauses before each further try that follows one without a single new byte."""


class Deadline:
    """The moment at which a copy must be over, so that there is time to clean up and to write it down."""

    def __init__(self, seconds: float) -> None:
        """Set it `seconds` from now."""
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left; raises OutOfTime where there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise OutOfTime("out_of_time", "The copy could not finish in one run of the Copier.")
        return left


class Watch:
    """What all receivers of a copy ask before each of their waits, which are short; thread-safe."""

    def __init__(self, deadline: Deadline, patience: Patience) -> None:
        self.patience = patience
        self.total: int | None = None
        """How many bytes there are to receive; None while nobody knows."""
        self._deadline = deadline
        self._stopping = Event()
        self._lock = Lock()
        self._received = self._seen = self._slow_windows = 0
        self._judged_at = time.monotonic()

    def check(self) -> float:
        """Return the seconds left; raises OutOfTime, or CopyInterrupted where it was stopped."""
        left = self._deadline.left()
        if self._stopping.is_set():
            raise CopyInterrupted("stopped", "The copy was stopped.")
        if time.monotonic() - self._judged_at >= self.patience.window_seconds:
            self._judge(left)
        if self._slow_windows >= _SLOW_WINDOWS:
            raise OutOfTime("too_slow", "At its pace the video would not arrive before the Copier's time is over.")
        return left

    def count(self, received: int) -> None:
        """Count bytes that arrived."""
        with self._lock:
            self._received += received

    def skip(self, skipped: int) -> None:
        """Count bytes that arrived once more: they are of no use, but the host's pace."""
        with self._lock:
            self._seen -= skipped

    def pause(self, seconds: float) -> None:
        """Wait, and no longer than the copy may go on; raises as `check` does."""
        self._stopping.wait(min(seconds, self.check()))

    def stop(self) -> None:
        """End the copy."""
        self._stopping.set()

    def _judge(self, left: float) -> None:
        """Compare the pace since the last time with half of what is needed, since a pace varies."""
        with self._lock:
            now = time.monotonic()
            passed = now - self._judged_at
            if passed < self.patience.window_seconds:
                return  # another thread was faster
            needed: float = self.patience.least_bytes_per_second
            if self.total is not None:
                needed = (self.total - self._received) / max(left, 1) / 2
            is_slow = self._received - self._seen < needed * passed
            self._slow_windows = self._slow_windows + 1 if is_slow else 0
            self._seen, self._judged_at = self._received, now
