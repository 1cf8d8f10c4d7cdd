"""A Poller over moto's tables and queues and, by real HTTP, the simulated CometAPI; only the time is a stand-in."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer

from infra.local.cometapi import SimulatedCometApi
from poller.round import Tools
from poller.worker import Done, Polling, Worker
from shared.api_key import ApiKey
from shared.comet_api import CometApi
from shared.errors import ConfigurationError
from shared.lifecycle import Limits
from shared.queues import CopyMessage, Queues, RoundMessage
from shared.task_table import TaskTable, read_item
from tests.integration.conftest import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE = 60
INTERVAL = 15

_serialize = TypeSerializer().serialize


class Clock:
    """Time that moves by hand alone, so that no machine is too slow."""

    def __init__(self) -> None:
        self._started = time.time()
        self.ahead = MINUTE - self._started % MINUTE + 1.0  # a test begins with a minute

    def now(self) -> float:
        return self._started + self.ahead

    def move_to(self, moment: float) -> None:
        self.ahead += max(0.0, moment - self.now())


class Stack:
    """A Poller with its table, its queues and its clock; what its environments send is noted and can be disturbed."""

    def __init__(self, dynamodb: Any, comet_api: SimulatedCometApi) -> None:
        self.comet_api = comet_api
        self.key = comet_api.api_key
        self.key_reads = 0
        self.clock = Clock()
        self.dynamodb, self.sqs = dynamodb, boto3.client("sqs")
        self.rounds, self.copies = (self.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("rounds", "copies"))
        self.sent: list[CopyMessage] = []
        self.planned: list[tuple[int, RoundMessage]] = []
        """Each with its delay in seconds."""
        self.calls: list[str] = []
        self.before: dict[str, Callable[[], None]] = {}
        """What happens before a call by name, as its disturbance."""
        self.after: dict[str, Callable[[], None]] = {}
        """What happens once a call was made, and before its answer arrives."""
        self.executor = ThreadPoolExecutor(8)
        self.most_concurrent, self.tasks_per_worker, self.most_workers = 8, 2000, 8
        self.table = TaskTable(dynamodb, TABLE)
        self.worker = self.environment()
        for client in (self.sqs, dynamodb):
            events, service = client.meta.events, client.meta.service_model.service_name
            events.register(f"before-call.{service}", self._before)
            events.register(f"after-call.{service}", self._after)
            events.register(f"provide-client-params.{service}", self._note)

    def environment(self, api: CometApi | None = None) -> Worker:
        """Return a new environment of Lambda, which has asked nothing yet."""
        polling = Polling(
            interval=INTERVAL,
            most_concurrent=self.most_concurrent,
            tasks_per_worker=self.tasks_per_worker,
            most_workers=self.most_workers,
        )
        self.keys = ApiKey(self._read_key)
        api = api or CometApi(self.comet_api.base_url, self.keys, connections=8, allow_insecure=True)
        queues = Queues(self.sqs, self.rounds, self.copies)
        limits = Limits(24 * 3600, 86400)
        tools = Tools(api, self.table, queues, self.executor, limits, now=self.clock.now)
        return Worker(tools, polling, self.keys)

    def _read_key(self) -> str:
        self.key_reads += 1
        if not self.key:
            raise ConfigurationError("There is no key.")
        return self.key

    def _note(self, params: dict[str, Any], model: Any, **_: object) -> None:
        self.calls.append(model.name)
        if model.name == "SendMessage":
            assert params["DelaySeconds"] == 2
            self.sent.append(CopyMessage.read(params["MessageBody"]))
        for entry in params.get("Entries", ()):
            self.planned.append((entry["DelaySeconds"], RoundMessage.read(entry["MessageBody"], self.clock.now())))

    def _before(self, model: Any, **_: object) -> None:
        self.before.get(model.name, lambda: None)()

    def _after(self, model: Any, **_: object) -> None:
        self.after.get(model.name, lambda: None)()

    def insert(self, task_id: str | None = None, age: int = 200, **attributes: Any) -> str:
        since = int(self.clock.now()) - age
        item: dict[str, Any] = {"pending_since": since, "updated_at": since, "status": "SUBMITTED", "progress": 0}
        name = task_id or self.comet_api.create(answers=["documented_in_progress"])
        typed = {key: _serialize(value) for key, value in {**item, "task_id": name, **attributes}.items()}
        self.dynamodb.put_item(TableName=TABLE, Item=typed)
        return name

    def done(self, **attributes: Any) -> str:
        """Insert a task whose video is ready."""
        return self.insert(self.comet_api.create(answers=["documented_success"]), **attributes)

    def items(self) -> dict[str, dict[str, Any]]:
        found = [read_item(attributes) for attributes in self.dynamodb.scan(TableName=TABLE)["Items"]]
        return {str(item["task_id"]): item for item in found}

    def item(self, task_id: str) -> dict[str, Any]:
        return self.items()[task_id]

    def delayed(self, queue: str) -> int:
        """Return how many messages of a queue wait for their time."""
        name: Any = "ApproximateNumberOfMessagesDelayed"
        return int(self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=[name])["Attributes"][name])

    def everybody(self, ends_in: int = INTERVAL) -> RoundMessage:
        """Return a round that begins now and in which every task is due, however old."""
        now = int(self.clock.now())
        return RoundMessage(0, 1, now - 600, now, now + ends_in)

    def round(self, asked: RoundMessage | None = None, worker: Worker | None = None) -> Done:
        return (worker or self.worker).round(asked or self.everybody(), self.clock.now() + 70)

    def tick(self, minutes: int = 1) -> Counter[str]:
        """Let minutes go by: a tick by hand at the beginning of each, and its rounds; return what was done."""
        counts: Counter[str] = Counter()
        for _ in range(minutes):
            started = self.clock.now()
            self.planned.clear()
            counts.update(self.worker.tick({}, started + 70))
            for _, asked in list(self.planned):
                if asked.until < started + MINUTE - 1:
                    self.clock.move_to(asked.until)
                    counts.update(self.round(asked))
            self.clock.move_to(started + MINUTE)
        return counts


def use_clock_for_key(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let CometApi note by the stack's clock when a key got its last report."""
    clock = SimpleNamespace(time=stack.clock.now, monotonic=time.monotonic)
    monkeypatch.setattr("shared.comet_api.client.time", clock)
