"""What one worker asks in a minute: the real handler under its share, TasksPerWorker tasks whose progress moves."""

import time

from shared.queues import RoundMessage
from tests.benchmarks.functions import Environment, Usage, environment, memory_of, message
from tests.benchmarks.report import Finding, Goal, Row
from tests.benchmarks.servers import cloud
from tests.benchmarks.share import how
from tests.template import default

LATENCY = 0.2
MINUTES = 2
MINUTE = 60

_WANTED = "each task each interval"
_HOW = (
    "The Poller's handler in one process of {memory} MB ({share}), init at full speed before it; {tasks:,} pending "
    "tasks (TasksPerWorker), {concurrency} requests in flight (MaxConcurrentPolls). A message each {interval} s; each "
    "round ends when the next is due. CometAPI answers after {latency:g} ms, each answer with further progress; it, "
    "DynamoDB and SQS are reached over TLS and are outside the share. In the first minute all tasks are new, so that "
    "each is written at once."
)


def run() -> Finding:
    """Run the rounds of some minutes in real time."""
    memory, tasks, interval = memory_of("Poller"), default("TasksPerWorker"), default("PollIntervalSeconds")
    with cloud() as servers, environment("Poller", servers, memory) as worker:
        servers.load(tasks, latency=LATENCY)
        polls, busiest = [], []
        for _ in range(MINUTES):
            before = servers.report()["polls"]
            busiest.append(max(usage.wall for usage in _minute(worker, interval)))
            polls.append(servers.report()["polls"] - before)
    wanted = tasks * MINUTE / interval
    rows = [
        *(
            Row(f"minute {n}, longest round {w:.1f} s", p, p, p, p / wanted)
            for n, (p, w) in enumerate(zip(polls, busiest, strict=True), 1)
        ),
        Row(_WANTED, wanted, wanted, wanted, 1.0),
    ]
    goals = [Goal("polls a minute / TasksPerWorker x 60 / PollIntervalSeconds", min(polls) / wanted, at_least=0.95)]
    told = _HOW.format(
        memory=memory,
        share=how(),
        tasks=tasks,
        concurrency=default("MaxConcurrentPolls"),
        interval=interval,
        latency=LATENCY * 1000,
    )
    return Finding("Polls a minute of one worker under its share", "polls", _WANTED, told, rows, goals)


def _minute(worker: Environment, interval: int) -> list[Usage]:
    """Run the rounds of a minute, each at its time or as soon as the one before is over."""
    started, usages = time.time(), []
    for offset in range(0, MINUTE, interval):
        time.sleep(max(0.0, started + offset - time.time()))
        usages.append(worker.run(message(round_at(int(started) + offset, interval).body())))
    time.sleep(max(0.0, started + MINUTE - time.time()))
    return usages


def round_at(second: int, interval: int, seconds: int = 0) -> RoundMessage:
    """Return a round of all tasks that begins at an epoch second and ends when the next is due, or after `seconds`."""
    return RoundMessage(0, 1, second - interval, second, second + (seconds or interval))
