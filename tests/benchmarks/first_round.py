"""How soon a cold Poller has an answer written: from the end of its init, one pending task, under its share."""

import statistics

from tests.benchmarks.functions import environment, memory_of, tick
from tests.benchmarks.report import Finding, Goal, Row
from tests.benchmarks.servers import cloud
from tests.benchmarks.share import how

LATENCY = 0.2
REPETITIONS = 7
SIZES = (128, 192, 256, 512)

_LIMIT = "CometAPI's answer alone"
_HOW = (
    "A fresh process of the Poller each time: its init runs at full speed, then one tick under the share of its memory "
    "({share}): it scans the index, plans the minute's rounds, asks about the one pending task and writes the answer. "
    "All connections are new, all over TLS; CometAPI answers after {latency:g} ms, AWS after 5. {repetitions} "
    "repetitions; other sizes 3."
)


def run() -> Finding:
    """Start environment after environment."""
    chosen = memory_of("Poller")
    seconds: dict[int, list[float]] = {}
    with cloud() as servers:
        for memory in sorted({*SIZES, chosen}):
            for _ in range(REPETITIONS if memory == chosen else 3):
                servers.load(1, latency=LATENCY)
                with environment("Poller", servers, memory) as worker:
                    seconds.setdefault(memory, []).append(worker.run(tick()).wall)
                if servers.report()["writes"] != 1:
                    raise ValueError("the answer was not written")
    rows = [
        Row(
            f"{memory} MB{' (chosen)' if memory == chosen else ''}",
            statistics.median(values),
            min(values),
            max(values),
            statistics.median(values) / LATENCY,
        )
        for memory, values in seconds.items()
    ]
    rows.append(Row(_LIMIT, LATENCY, LATENCY, LATENCY, 1.0))
    goals = [Goal("seconds until the answer is written", statistics.median(seconds[chosen]), at_most=1.2)]
    told = _HOW.format(share=how(), latency=LATENCY * 1000, repetitions=REPETITIONS)
    return Finding("First round of a cold Poller, one task pending", "s", _LIMIT, told, rows, goals)
