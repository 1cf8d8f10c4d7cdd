"""Wall time of one round: the Poller's against the loop in CometAPI's documentation."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

from infra.local.cometapi import RemoteCometApi
from poller.handler import WallClock
from poller.pace import Pace
from poller.round import Round, Tools
from shared.lifecycle import Limits
from shared.task import Change, Status, Task
from tests.benchmarks.contenders import documented, our_api
from tests.benchmarks.report import Finding, Goal, Row
from tests.benchmarks.servers import simulated_comet_api

if TYPE_CHECKING:
    from poller.lambdas import Lambdas
    from shared.task_table import TaskTable

TASKS = 1000
IN_FLIGHT = 64
LATENCY = 0.2
REPETITIONS = 3
SEQUENTIAL_POLLS = 30

_ROUND = "one round of the Poller"
_LOOP = "requests loop of the docs, one after the other"
_HOW = (
    f"Wall time to ask about {TASKS:,} pending tasks while the simulated CometAPI takes {LATENCY * 1000:.0f} ms to "
    f"answer. The Poller has {IN_FLIGHT} requests in flight and opens its connections within the measured time; its "
    f"table is in memory. Of the loop {SEQUENTIAL_POLLS} polls were measured {REPETITIONS} times and scaled to "
    f"{TASKS:,}, without its sleep."
)


class MemoryTable:
    """Stands in for the tasks table: takes every write, and keeps it."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def write(self, change: Change) -> bool:
        """Make a change; nobody is ever first."""
        self.changes.append(change)
        return True


class NoLambdas:
    """Stands in for the other Lambdas: no task of this round may reach the Copier."""

    def copy(self, task_id: str, _video_url: str) -> None:
        """Refuse."""
        raise AssertionError(f"{task_id} is not rendered yet")


def run() -> Finding:
    """Measure both, in turns."""
    rounds, loops = [], []
    with simulated_comet_api(LATENCY) as comet_api:
        task_ids = comet_api.create_many(TASKS, answers=["documented_in_progress"])
        for _ in range(REPETITIONS):
            rounds.append(round_seconds(comet_api, task_ids, IN_FLIGHT))
            loops.append(_loop_seconds(comet_api, task_ids[:SEQUENTIAL_POLLS]) * TASKS / SEQUENTIAL_POLLS)
    taken, reference = statistics.median(rounds), statistics.median(loops)
    rows = [
        Row(_ROUND, taken, min(rounds), max(rounds), 1.0),
        Row(_LOOP, reference, min(loops), max(loops), reference / taken),
    ]
    goals = [Goal("the loop's time / the round's", reference / taken, at_least=40)]
    return Finding(f"Wall time of a round over {TASKS:,} pending tasks", "s", _ROUND, _HOW, rows, goals)


def round_seconds(comet_api: RemoteCometApi, task_ids: list[str], in_flight: int) -> float:
    """Return the wall time of one round of the Poller; raises ValueError unless each task was asked about once."""
    table = MemoryTable()
    with ThreadPoolExecutor(in_flight) as executor:
        tools = Tools(
            api=our_api(comet_api.base_url, comet_api.api_key, in_flight),
            table=cast("TaskTable", table),
            lambdas=cast("Lambdas", NoLambdas()),
            executor=executor,
            clock=WallClock(),
            limits=Limits(deadline_seconds=86400, retention_seconds=86400),
        )
        asked = Round(tools, Pace(in_flight), stop_at=time.time() + 300)
        due = _pending(task_ids)
        started = time.perf_counter()
        asked.run(due, len(due))
        seconds = time.perf_counter() - started
    if asked.gauge.answers != {"Report": len(task_ids)} or len(table.changes) != len(task_ids):
        raise ValueError(f"expected {len(task_ids)} reports and as many changes, got {asked.gauge.answers}")
    return seconds


def _pending(task_ids: list[str]) -> list[Task]:
    fresh = {"pending_since": int(time.time()) - 300, "status": Status.SUBMITTED.value, "progress": 0}
    return [Task.from_item({"task_id": task_id, **fresh}) for task_id in task_ids]


def _loop_seconds(comet_api: RemoteCometApi, task_ids: list[str]) -> float:
    ask = documented(comet_api.base_url, comet_api.api_key)
    started = time.perf_counter()
    for task_id in task_ids:
        ask(task_id)
    return time.perf_counter() - started
