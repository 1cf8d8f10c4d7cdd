"""How long a copy waits for a video host, and when it must be over."""

import time
from dataclasses import dataclass

from shared.errors import CopyInterrupted


class OutOfTime(CopyInterrupted):
    """This run of the Copier ends before the copy does."""


class HostTrouble(CopyInterrupted):
    """A failure of the video host that may be over in a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """What a video host may ask of us, per connection; times in seconds."""

    connect_seconds: float = 5.0
    silence_seconds: float = 15.0
    """The longest pause between two bytes."""
    window_seconds: float = 30.0
    least_bytes_per_second: int = 64 * 1024
    """Measured over each window: a drip never pauses, but it would never end either."""
    retry_delays: tuple[float, ...] = (0.2, 0.8, 2.0)
    """Pauses before the second and every further try of one request."""


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
