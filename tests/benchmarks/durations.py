"""How long the Poller works for so many questions, and how much it logs: what prices are made of."""

import statistics
import time
from bisect import bisect_left
from dataclasses import dataclass

from tests.benchmarks.functions import environment, memory_of, message, tick
from tests.benchmarks.polls_a_minute import round_at
from tests.benchmarks.servers import cloud
from tests.template import default

LATENCY = 0.2
COUNTS = (0, 1, 4, 20, 80, 320)
REPETITIONS = 3


@dataclass(frozen=True, slots=True)
class Durations:
    """Of one warm environment under its share; seconds by the number of questions, and bytes."""

    seconds: dict[int, float]
    planning: float
    """What a tick takes beyond a round, to send its further rounds."""
    log_bytes: float
    """Of an invocation."""

    def of(self, polls: int) -> float:
        """Return the seconds of an invocation that asks so many times, between what was measured and in proportion."""
        known = list(self.seconds)
        at = min(max(1, bisect_left(known, polls)), len(known) - 1)
        low, high = known[at - 1], known[at]
        share = (polls - low) / (high - low)
        return self.seconds[low] + share * (self.seconds[high] - self.seconds[low])


def measured() -> Durations:
    """Run rounds of various sizes, each in the middle of the tasks' lives."""
    interval = default("PollIntervalSeconds")
    with cloud() as servers, environment("Poller", servers, memory_of("Poller")) as worker:

        def once(count: int, *, is_tick: bool = False) -> float:
            servers.load(count, latency=LATENCY, steady=True)
            event = tick() if is_tick else message(round_at(int(time.time()), interval, 200).body())
            return worker.run(event).wall

        once(COUNTS[-1])
        before = worker.run(tick()).logged
        seconds = {count: statistics.median(once(count) for _ in range(REPETITIONS)) for count in COUNTS}
        ticks = statistics.median(once(4, is_tick=True) for _ in range(REPETITIONS))
        log_bytes = (worker.run(tick()).logged - before) / (REPETITIONS * (len(COUNTS) + 1) + 1)
    return Durations(seconds, max(0.0, ticks - seconds[4]), log_bytes)
