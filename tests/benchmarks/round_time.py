"""Wall time of one round under the Poller's share, against the loop in CometAPI's documentation."""

import os
import statistics
import time
from unittest.mock import patch

from tests.benchmarks.cloud import API_KEY
from tests.benchmarks.contenders import documented
from tests.benchmarks.functions import environment, memory_of, message
from tests.benchmarks.polls_a_minute import LATENCY, round_at
from tests.benchmarks.report import Finding, Goal, Row
from tests.benchmarks.servers import cloud
from tests.benchmarks.share import how
from tests.template import default

REPETITIONS = 3
SEQUENTIAL_POLLS = 20

_ROUND = "one round of the Poller"
_LOOP = "requests loop of the docs, one after the other"
_HOW = (
    "Wall time to ask about {tasks:,} pending tasks over TLS while CometAPI takes {latency:g} ms to answer. The "
    "round runs under the share of {memory} MB ({share}), with {concurrency} requests in flight, Scan and writes "
    "included. The loop has a whole core; {polls} polls were measured {repetitions} times and scaled to {tasks:,}, "
    "without its sleep."
)


def run() -> Finding:
    """Measure both, in turns."""
    tasks, memory, interval = default("TasksPerWorker"), memory_of("Poller"), default("PollIntervalSeconds")
    rounds, loops = [], []
    with (
        cloud() as servers,
        environment("Poller", servers, memory) as worker,
        patch.dict(os.environ, servers.environment()),
    ):
        ask = documented(servers.url, API_KEY)
        for turn in range(-1, REPETITIONS):
            ids = servers.load(tasks, latency=LATENCY, steady=True)
            taken = worker.run(message(round_at(int(time.time()), interval, 200).body())).wall
            if turn >= 0:
                rounds.append(taken)
                started = time.perf_counter()
                for task_id in ids[:SEQUENTIAL_POLLS]:
                    ask(task_id)
                loops.append((time.perf_counter() - started) * tasks / SEQUENTIAL_POLLS)
    taken, reference = statistics.median(rounds), statistics.median(loops)
    rows = [
        Row(_ROUND, taken, min(rounds), max(rounds), 1.0),
        Row(_LOOP, reference, min(loops), max(loops), reference / taken),
    ]
    goals = [Goal("the loop's time / the round's", reference / taken, at_least=30)]
    told = _HOW.format(
        tasks=tasks,
        latency=LATENCY * 1000,
        memory=memory,
        share=how(),
        concurrency=default("MaxConcurrentPolls"),
        polls=SEQUENTIAL_POLLS,
        repetitions=REPETITIONS,
    )
    return Finding(f"Wall time of a round over {tasks:,} pending tasks", "s", _ROUND, told, rows, goals)
