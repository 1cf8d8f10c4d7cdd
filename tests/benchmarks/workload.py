"""Some hours of the service in simulated time: the real Poller and Intake, and what they asked of AWS on the way."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import cache
from heapq import heappop, heappush
from typing import Any

from infra.local.cometapi.json_answers import Subject, json_answer
from intake.admission import admit
from poller.lambdas import Lambdas
from poller.pace import Pace
from poller.round import Tools
from poller.tick import TICK_SECONDS, Cadence, Tick
from shared.comet_api import Answer, parse
from shared.lifecycle import Limits, close
from shared.task import Task
from shared.task_table import Segment, TaskTable, read_item
from tests.benchmarks.request_units import Meter, MeteredDynamoDB
from tests.simulation.dynamodb import Wire

_LIMITS = Limits(deadline_seconds=86400, retention_seconds=30 * 86400)
_START = 1_800_000_000.0
"""A whole minute, in epoch seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """So many tasks arrive evenly within `hours`; how long everybody takes is in seconds."""

    tasks: int
    hours: float
    render_seconds: float = 300.0
    answer_seconds: float = 0.2
    scan_seconds: float = 0.01
    copy_seconds: float = 1.5
    concurrency: int = 16
    cadence_seconds: int = 15
    tasks_per_worker: int = 2000

    def __str__(self) -> str:
        return (
            f"{self.tasks:,} tasks within {self.hours:g} h, {self.render_seconds:g} s a render, "
            f"{self.answer_seconds * 1000:g} ms an answer of CometAPI, {self.scan_seconds * 1000:g} ms a Scan, "
            f"{self.copy_seconds:g} s a copy"
        )


@dataclass(slots=True)
class Counts:
    """What was done, and what DynamoDB was asked for; `changes` are answers that say something new."""

    ticks: int = 0
    tick_seconds: float = 0.0
    polls: int = 0
    changes: int = 0
    copies: int = 0
    meter: Meter = field(default_factory=Meter)


class Now(Executor):
    """Does everything at once, in its caller's thread; the simulated time is what passes meanwhile."""

    def submit[T, **P](self, function: Callable[P, T], /, *args: P.args, **named: P.kwargs) -> Future[T]:
        """Do it."""
        done: Future[T] = Future()
        done.set_result(function(*args, **named))
        return done


class TimedTable(TaskTable):
    """The tasks table, which takes its time."""

    def __init__(self, hours: "Hours") -> None:
        super().__init__(hours.dynamodb, "tasks")  # type: ignore[arg-type]  # it is in memory
        self._hours = hours

    def pending(self, share: Segment) -> Iterator[Task]:
        """Read one share, some time later."""
        self._hours.sleep(self._hours.load.scan_seconds)
        return super().pending(share)


class Hours:
    """A stretch of simulated time; it is the Poller's clock, its CometAPI, and Lambda."""

    def __init__(self, load: Load, finished: int = 0) -> None:
        """Begin with nothing but so many tasks that ended before."""
        self.load = load
        self.counts = Counts()
        self.dynamodb = MeteredDynamoDB()
        self.table = TimedTable(self)
        self._now = _START
        self._pace = Pace(load.concurrency)
        self._created: dict[str, float] = {}
        self._last_said: dict[str, bytes] = {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        for number in range(finished):
            self.dynamodb.store.put(f"old_{number}", finished_item(f"old_{number:032d}"))
        self.dynamodb.meter = Meter()

    def run(self) -> Counts:
        """Let all tasks arrive, and tick each minute until the last one has ended."""
        for number in range(self.load.tasks):
            task_id = f"task_{number:032d}"
            self.after(number * self.load.hours * 3600 / self.load.tasks, lambda task_id=task_id: self.put(task_id))  # type: ignore[misc]
        while self.counts.copies < self.load.tasks:
            self.sleep(_START + self.counts.ticks * TICK_SECONDS - self._now)
            self.tick(Segment())
        self.counts.meter = self.dynamodb.meter
        return self.counts

    def tick(self, share: Segment) -> Counter[str]:
        """Run one tick of one Poller and return what it counted."""
        cadence = Cadence(
            interval=self.load.cadence_seconds,
            most_concurrent=self.load.concurrency,
            tasks_per_worker=self.load.tasks_per_worker,
        )
        lambdas = Lambdas(self, "copier", "poller")  # type: ignore[arg-type]  # it is simulated
        tools = Tools(self, self.table, lambdas, Now(), self, _LIMITS)  # type: ignore[arg-type]  # see above
        tick, started = Tick(tools, cadence, self._pace, Counter()), self._now
        tick.run(share, TICK_SECONDS)
        self._pace = tick.pace
        self.counts.ticks += 1
        self.counts.tick_seconds += self._now - started
        self.counts.polls += tick.counts["Polls"]
        return tick.counts

    def put(self, task_id: str) -> None:
        """Insert a task, as its owner does, and admit it, as Intake does."""
        self._created[task_id] = self._now
        self.dynamodb.put_item(TableName="tasks", Item={"task_id": {"S": task_id}})
        change = admit(read_item(self.dynamodb.store.items[task_id]), int(self._now), _LIMITS)
        assert change is not None
        self.table.write(change)

    def now(self) -> float:
        """Return the simulated time."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let time pass, and happen what was to happen in it."""
        until = self._now + seconds
        while self._events and self._events[0][0] <= until:
            self._now, _, event = heappop(self._events)
            event()
        self._now = max(self._now, until)

    def turn_back(self, to: float) -> None:
        """Set the simulated time back, for a worker that works at the same time as the one before."""
        self._now = to

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        """Have something happen later."""
        heappush(self._events, (self._now + seconds, len(self._events) + self.counts.polls, event))

    def ask(self, task_id: str) -> Answer:
        """Answer as CometAPI does; others are asked at the same time."""
        self.sleep(self.load.answer_seconds / self.load.concurrency)
        share = (self._now - self._created[task_id]) / self.load.render_seconds
        progress = {"progress": int(share * 100)}
        subject = Subject(task_id=task_id, video_url="https://host.example/video.mp4?X-Tos-Expires=86400")
        reply = (
            json_answer("documented_success", subject)
            if share >= 1
            else json_answer("documented_in_progress" if share > 0.1 else "documented_submitted", subject, progress)
        )
        body = b"".join(reply.chunks)
        self.counts.changes += self._last_said.get(task_id) != body
        self._last_said[task_id] = body
        return parse(task_id, 200, {}, body, self._now)

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> None:  # noqa: N803 - boto3's names
        """Copy a video, which takes a while, or leave a further Poller to its caller."""
        assert InvocationType == "Event"
        event: dict[str, Any] = json.loads(Payload)
        if FunctionName == "copier":
            self.after(self.load.copy_seconds, lambda: self._close(event["task_id"]))

    def _close(self, task_id: str) -> None:
        task = self.table.get(task_id)
        assert task is not None
        uri = f"s3://seedance-poller-videosbucket-0123456789ab/{task.s3_key}"
        self.table.write(close(task, uri, 20_000_000, "0" * 34, int(self._now), _LIMITS))
        self.counts.copies += 1


@cache
def _one_finished() -> Wire:
    hours = Hours(Load(tasks=1, hours=0))
    hours.run()
    return next(iter(hours.dynamodb.store.items.values()))


def finished_item(task_id: str) -> Wire:
    """Return the item of a task whose video was stored."""
    return _one_finished() | {"task_id": {"S": task_id}}
