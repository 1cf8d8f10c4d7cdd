"""Some hours of the service in simulated time: the real Intake, Poller and lifecycle, and what they asked of AWS."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import cache
from heapq import heappop, heappush
from typing import Any

from infra.local.cometapi.json_answers import Subject, json_answer
from intake.admission import admit
from poller.round import Tools
from poller.worker import Polling, Worker
from shared.api_key import ApiKey
from shared.comet_api import Answer, parse
from shared.lifecycle import Limits, begin_copy, close
from shared.queues import CopyMessage, Queues, RoundMessage
from shared.task import Task
from shared.task_table import TaskTable, read_item
from tests.benchmarks.request_units import Meter, MeteredDynamoDB
from tests.simulation.dynamodb import Wire
from tests.template import default

MINUTE = 60
_LIMITS = Limits(deadline_seconds=86400, retention_seconds=30 * 86400)
_START = 1_800_000_000.0
"""A whole minute, in epoch seconds."""
_ROUNDS, _COPIES = "rounds", "copies"
_COPIER_SECONDS = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """So many tasks arrive evenly within `hours`; how long everybody takes is in seconds."""

    tasks: int
    hours: float
    render_seconds: float = 300.0
    copy_seconds: float = 1.5

    def __str__(self) -> str:
        return f"{self.tasks:,} tasks within {self.hours:g} h, {self.render_seconds:g} s a render"


@dataclass(slots=True)
class Counts:
    """What was done, and what AWS was asked for; `changes` are answers that say something new."""

    ticks: int = 0
    rounds: int = 0
    polls: int = 0
    polls_by_invocation: Counter[int] = field(default_factory=Counter)
    """How many invocations of the Poller asked so many times."""
    changes: int = 0
    copies: int = 0
    sends: int = 0
    """Requests to SQS that send, each with up to ten messages."""
    messages: int = 0
    planned: int = 0
    """Ticks that sent further rounds."""
    meter: Meter = field(default_factory=Meter)


class Now(Executor):
    """Does everything at once, in its caller's thread."""

    def submit[T, **P](self, function: Callable[P, T], /, *args: P.args, **named: P.kwargs) -> Future[T]:
        """Do it."""
        done: Future[T] = Future()
        done.set_result(function(*args, **named))
        return done


class Hours:
    """A stretch of simulated time; it is the Poller's clock, its CometAPI, and SQS."""

    def __init__(self, load: Load, finished: int = 0) -> None:
        """Begin with nothing but so many tasks that ended before."""
        self.load = load
        self.counts = Counts()
        self.dynamodb = MeteredDynamoDB()
        self.table = TaskTable(self.dynamodb, "tasks")  # type: ignore[arg-type]  # it is in memory
        self._now = _START
        self._created: dict[str, float] = {}
        self._last_said: dict[str, bytes] = {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._event_number = 0
        queues = Queues(self, _ROUNDS, _COPIES)  # type: ignore[arg-type]  # it is simulated
        tools = Tools(self, self.table, queues, Now(), _LIMITS, self.now)  # type: ignore[arg-type]  # see above
        polling = Polling(
            interval=default("PollIntervalSeconds"),
            most_concurrent=default("MaxConcurrentPolls"),
            tasks_per_worker=default("TasksPerWorker"),
            most_workers=default("MaxWorkers"),
        )
        self._worker = Worker(tools, polling, ApiKey(lambda: "key"))
        for number in range(finished):
            self.dynamodb.store.put(f"old_{number}", finished_item(f"old_{number:032d}"))
        self.dynamodb.meter = Meter()

    def run(self) -> Counts:
        """Let all tasks arrive, and tick each minute until the last one has ended."""
        for number in range(self.load.tasks):
            task_id = f"task_{number:032d}"
            self.after(number * self.load.hours * 3600 / self.load.tasks, lambda task_id=task_id: self.put(task_id))  # type: ignore[misc]
        while self.counts.copies < self.load.tasks:
            self.sleep(_START + self.counts.ticks * MINUTE - self._now)
            self.tick()
        self.counts.meter = self.dynamodb.meter
        return self.counts

    def tick(self) -> None:
        """Run one tick of the Poller; the rounds that it plans follow as messages."""
        self.counts.ticks += 1
        self._count(self._worker.tick({"scheduled_time": ""}, self._now + MINUTE))

    def _round(self, asked: RoundMessage) -> None:
        self.counts.rounds += 1
        self._count(self._worker.round(asked, self._now + MINUTE))

    def _count(self, done: dict[str, float]) -> None:
        polls = int(done.get("Polls", 0))
        self.counts.polls += polls
        self.counts.polls_by_invocation[polls] += 1

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
            at, _, event = heappop(self._events)
            self._now = max(self._now, at)
            event()
        self._now = max(self._now, until)

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        """Have something happen later."""
        self._event_number += 1
        heappush(self._events, (self._now + seconds, self._event_number, event))

    def ask(self, task_id: str) -> Answer:
        """Answer as CometAPI does."""
        share = (self._now - self._created[task_id]) / self.load.render_seconds
        progress = {"progress": int(share * 100)}
        url = "https://host.example/video.mp4?X-Tos-Expires=86400"
        subject = Subject(task_id=task_id, video_url=url, content_url=url, last_frame_url="")
        reply = (
            json_answer("documented_success", subject)
            if share >= 1
            else json_answer("documented_in_progress" if share > 0.1 else "documented_submitted", subject, progress)
        )
        body = b"".join(reply.chunks)
        self.counts.changes += self._last_said.get(task_id) != body
        self._last_said[task_id] = body
        return parse(task_id, 200, {}, body, self._now)

    def send_message(self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int) -> None:  # noqa: N803 - boto3's names
        """Take a message for a Copier, which copies a while."""
        assert QueueUrl == _COPIES
        self.counts.sends += 1
        self.counts.messages += 1
        copy = CopyMessage.read(MessageBody)
        self.after(DelaySeconds, lambda: self._begin(copy))

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - see above
        """Take the rounds of a minute."""
        assert QueueUrl == _ROUNDS
        self.counts.sends += 1
        self.counts.planned += 1
        self.counts.messages += len(Entries)
        for entry in Entries:
            asked = RoundMessage.read(entry["MessageBody"], self._now)
            self.after(entry["DelaySeconds"], lambda asked=asked: self._round(asked))  # type: ignore[misc]
        return {}

    def _begin(self, message: CopyMessage) -> None:
        task = self.table.get(message.task_id)
        assert task is not None
        begun = begin_copy(task, message.lease, "own", int(self._now), _COPIER_SECONDS)
        assert self.table.write(begun)
        self.after(self.load.copy_seconds, lambda: self._close(task.after(begun)))

    def _close(self, task: Task) -> None:
        uri = f"s3://seedance-poller-videosbucket-0123456789ab/{task.s3_key}"
        stored = {"s3_uri": uri, "size": 20_000_000, "etag": "0" * 34}
        assert self.table.write(close(task, stored, int(self._now), _LIMITS))
        self.counts.copies += 1


@cache
def _one_finished() -> Wire:
    hours = Hours(Load(tasks=1, hours=0))
    hours.run()
    return next(iter(hours.dynamodb.store.items.values()))


def finished_item(task_id: str) -> Wire:
    """Return the item of a task whose video was stored."""
    return _one_finished() | {"task_id": {"S": task_id}}
