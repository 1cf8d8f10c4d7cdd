"""How many questions are under way at once."""

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.invariants import Invariants
    from tests.simulation.scheduler import Process
    from tests.simulation.world import World


class Pressure:
    """Watches the requests in flight of each segment."""

    def __init__(self, world: "World", invariants: "Invariants") -> None:
        weather = world.weather
        self._invariants = invariants
        self._most = 2 * weather.concurrency
        # What comes twice costs questions, and what comes late does so beside what comes in time.
        is_steady = not weather.tick_twice and not weather.message_twice
        self._is_bounded = is_steady and weather.message_late <= weather.interval and not weather.slow
        self._asking: Counter[int] = Counter()

    def on_ask(self, process: "Process") -> None:
        """Check that no more than two rounds of a segment ask at a time: one that ends, and the next."""
        self._asking[process.segment] += 1
        if self._is_bounded and self._asking[process.segment] > self._most:
            self._invariants.fail("rounds do not pile up", f"{self._asking[process.segment]} questions at once")

    def on_answered(self, process: "Process") -> None:
        self._asking[process.segment] -= 1
