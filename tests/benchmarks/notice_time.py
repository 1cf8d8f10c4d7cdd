"""From CometAPI's SUCCESS until the Poller has handed the video off: 200 and 1,000 tasks, ticks at any second."""

import queue
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from operator import itemgetter
from random import Random

from poller.plan import due, plan
from shared.queues import RoundMessage
from shared.task import Status, Task
from tests.benchmarks.functions import Environment, environment, memory_of, message
from tests.benchmarks.polls_a_minute import LATENCY, MINUTE, round_at
from tests.benchmarks.report import Finding, Goal, Row
from tests.benchmarks.servers import cloud
from tests.benchmarks.share import how
from tests.template import default

TASKS = (200, 1000)
TICKS: dict[str, Callable[[Random], float]] = {
    "at second 0": lambda _: 0.0,
    "at second 45": lambda _: 45.0,
    "anywhere": lambda random: random.uniform(0, 59),
}
"""The second of each minute; anywhere is another one each time, as Scheduler's precision allows."""
MINUTES = 60
RENDER_SECONDS = (60, 300)
MEASURED_TASKS, MEASURED_DONE, MEASURED_MINUTES = 1000, 250, 2
_QUEUE_LATE = 1.2
"""The most that a delayed message was seen to be late, in seconds; on the local AWS."""
_START = 1_800_000_000
_SCHEDULED = {"scheduled_time": ""}
"""A tick for the minute of the clock."""

_LIMIT = "waiting for the next round alone"
_HOW = (
    "Simulated: {minutes} minutes with always so many tasks, renders of {least} to {most} s; the rounds and what is "
    "due in them by the Poller's own code, ticks as named (anywhere: at another second each minute, as Scheduler's "
    "precision allows), messages up to {late:g} s late, each round as fast as one of so many tasks was measured "
    "under the Poller's share ({memory} MB, {share}, {latency:g} ms an answer): {rates}. Measured: the real handlers "
    "in real time, {tasks:,} tasks of which {done} become ready within {span} minutes, ticks anywhere, two "
    "environments. A copy follows within 2 s and its own time. The limit is a wait evenly spread over the interval."
)


@dataclass(frozen=True, slots=True)
class Speed:
    """How a round goes: seconds until the first answer, and between two."""

    first: float
    between: float


def run() -> Finding:
    """Measure how fast rounds are, simulate, and look at one real stretch."""
    interval = default("PollIntervalSeconds")
    speeds = {tasks: _speed(tasks) for tasks in TASKS}
    noticed = {
        f"{tasks:,} tasks, ticks {when}": simulated(tasks, speed, when, interval)
        for tasks, speed in speeds.items()
        for when in TICKS
    }
    noticed[f"measured: {MEASURED_TASKS:,} tasks, ticks anywhere"] = _measured(interval)
    rows, goals = [], []
    for name, seconds in noticed.items():
        percentiles = statistics.quantiles(seconds, n=100)
        for percentile, at_most in ((50, 10.0), (95, 20.0)):
            value, limit = percentiles[percentile - 1], percentile / 100 * interval
            rows.append(Row(f"{name}, p{percentile}", value, value, value, value / limit))
            goals.append(Goal(f"{name}: p{percentile} in seconds", value, at_most=at_most))
    rows += [Row(f"{_LIMIT}, p{p}", p / 100 * interval, p / 100 * interval, p / 100 * interval, 1.0) for p in (50, 95)]
    rates = ", ".join(f"{1 / speed.between:.0f} polls a second with {tasks:,}" for tasks, speed in speeds.items())
    told = _HOW.format(
        minutes=MINUTES,
        least=RENDER_SECONDS[0],
        most=RENDER_SECONDS[1],
        late=_QUEUE_LATE,
        memory=memory_of("Poller"),
        share=how(),
        latency=LATENCY * 1000,
        rates=rates,
        tasks=MEASURED_TASKS,
        done=MEASURED_DONE,
        span=MEASURED_MINUTES,
    )
    return Finding("From CometAPI's SUCCESS to the hand-off", "s", _LIMIT, told, rows, goals)


def _speed(tasks: int) -> Speed:
    """Measure rounds with hand-offs: a twentieth of the tasks are ready, as within 15 s of renders of minutes."""
    with cloud() as servers, environment("Poller", servers, memory_of("Poller")) as worker:
        walls = []
        for _ in range(4):
            ids = [f"task_{number:032d}" for number in range(tasks)]
            servers.load(tasks, latency=LATENCY, steady=True, done_at=dict.fromkeys(ids[::20], 0.0))
            walls.append(worker.run(message(round_at(int(time.time()), 15, 200).body())).wall)
    return Speed(LATENCY, (statistics.median(walls[1:]) - LATENCY) / tasks)


def simulated(tasks: int, speed: Speed, when: str, interval: int) -> list[float]:
    """Return how long each finished render waited until it was noticed, in seconds."""
    random = Random(f"{tasks} {when}")  # noqa: S311 - not for secrets
    pending: dict[str, tuple[Task, float]] = {}
    waits: list[float] = []
    born = 0

    def bear(at: float, age: float = 0.0) -> None:
        nonlocal born
        task_id = f"task_{born:032d}"
        born += 1
        item = {"task_id": task_id, "status": Status.IN_PROGRESS.value, "pending_since": int(at - age)}
        pending[task_id] = (
            Task.from_item(item),
            at - age + random.uniform(max(RENDER_SECONDS[0], age), RENDER_SECONDS[1]),
        )

    for _ in range(tasks):
        bear(_START, random.uniform(0, RENDER_SECONDS[0]))
    for starts_at, asked in _planned(random, when, interval):
        waiting = [task for task, _ in pending.values()]
        for number, task in enumerate(due(waiting, asked, starts_at, interval)):
            at = starts_at + speed.first + number * speed.between
            if at > asked.ends_at:
                break
            if at >= pending[task.task_id][1]:
                waits.append(at - pending.pop(task.task_id)[1])
                bear(at)
    return waits


def _planned(random: Random, when: str, interval: int) -> list[tuple[float, RoundMessage]]:
    """Return the rounds that the ticks of all minutes plan in the order in which they start, each with when."""
    ticks = [minute + TICKS[when](random) for minute in range(_START, _START + MINUTES * MINUTE, MINUTE)]
    planned = [asked for tick in ticks for asked in plan(_SCHEDULED, 0, tick, interval, 1)]
    return sorted(((asked.until + random.uniform(0, _QUEUE_LATE), asked) for asked in planned), key=itemgetter(0))


def _measured(interval: int) -> list[float]:
    random = Random(1)  # noqa: S311 - not for secrets
    with ExitStack() as stack:
        servers = stack.enter_context(cloud())
        idle: queue.SimpleQueue[Environment] = queue.SimpleQueue()
        for _ in range(2):
            idle.put(stack.enter_context(environment("Poller", servers, memory_of("Poller"))))
        first = int(time.time()) + 5
        span = MEASURED_MINUTES * MINUTE
        ids = [f"task_{number:032d}" for number in range(MEASURED_TASKS)]
        done_at = {
            task_id: first + random.uniform(30, span - 30) for task_id in ids[:: MEASURED_TASKS // MEASURED_DONE]
        }
        servers.load(MEASURED_TASKS, latency=LATENCY, steady=True, done_at=done_at)
        threads = []
        for minute in range(first - first % MINUTE - MINUTE, first + span, MINUTE):
            for asked in plan(_SCHEDULED, 0, minute + random.uniform(0, 59), interval, 1):
                if asked.until >= first:
                    threads.append(threading.Thread(target=_run_at, args=(asked, idle)))
                    threads[-1].start()
        for thread in threads:
            thread.join()
        handed_off = servers.report()["handed_off_at"]
    if missed := done_at.keys() - handed_off.keys():
        raise ValueError(f"{len(missed)} finished tasks were never handed off")
    return [handed_off[task_id] - done_at[task_id] for task_id in done_at]


def _run_at(asked: RoundMessage, idle: "queue.SimpleQueue[Environment]") -> None:
    time.sleep(max(0.0, asked.until - time.time()))
    worker = idle.get()
    worker.run(message(asked.body()))
    idle.put(worker)
