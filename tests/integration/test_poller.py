"""Ticks of the Poller over a real table schema and real HTTP; only the time and the Copier are stand-ins."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from threading import Lock
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from copier.handler import Tools as CopierTools
from copier.handler import settle
from infra.local.cometapi import SimulatedCometApi
from poller import handler as poller
from poller.pace import Pace
from poller.round import Tools
from poller.tick import Cadence, Tick
from shared.comet_api import ApiKey, CometApi
from shared.lifecycle import Limits
from shared.task import Change, Status, Task
from shared.task_table import Segment, TaskTable
from tests.integration.conftest import TABLE
from tests.integration.copying import CopyShop


class FastClock:
    """Hours in milliseconds: sleeping only moves the hands."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def sleep(self, seconds: float) -> None:
        self.ahead += seconds


class Lambdas:
    """Notes who was asked to work."""

    def __init__(self) -> None:
        self.copies: list[tuple[str, str]] = []
        self.polls: list[Segment] = []

    def copy(self, task_id: str, video_url: str) -> None:
        self.copies.append((task_id, video_url))

    def poll(self, share: Segment) -> None:
        self.polls.append(share)


class Stack:
    """A Poller with its table, its Copier's inbox and its clock."""

    def __init__(self, table: TaskTable, dynamodb: Any, comet_api: SimulatedCometApi) -> None:
        self.table, self.dynamodb, self.comet_api = table, dynamodb, comet_api
        self.key = comet_api.api_key
        self.clock, self.lambdas = FastClock(), Lambdas()
        self.pace = Pace(8)
        self.tasks_per_worker = 2000
        self.executor = ThreadPoolExecutor(8)
        self.reads: list[bool] = []
        self.api = CometApi(comet_api.base_url, ApiKey(self._read_key), connections=8)

    def _read_key(self, force: bool) -> str:  # noqa: FBT001
        self.reads.append(force)
        return self.key

    def insert(self, task_id: str, age: int = 300, **attributes: Any) -> str:
        item: dict[str, Any] = {
            "task_id": task_id,
            "pending_since": int(self.clock.now()) - age,
            "status": "SUBMITTED",
            "progress": 0,
        }
        boto3.resource("dynamodb").Table(TABLE).put_item(Item={**item, **attributes})
        return task_id

    def items(self) -> dict[str, dict[str, Any]]:
        return {str(i["task_id"]): dict(i) for i in boto3.resource("dynamodb").Table(TABLE).scan()["Items"]}

    def tick(self, share: Segment = Segment()) -> Counter[str]:  # noqa: B008
        limits = Limits(24 * 3600, 86400)
        tools: Any = (self.api, self.table, self.lambdas, self.executor, self.clock, limits)
        cadence = Cadence(interval=15, most_concurrent=8, tasks_per_worker=self.tasks_per_worker)
        tick = Tick(Tools(*tools), cadence, self.pace, Counter())
        started = self.clock.now()
        tick.run(share, 70)
        self.pace = tick.pace
        self.clock.ahead += max(0.0, started + 60 - self.clock.now())
        return tick.counts


@pytest.fixture
def stack(table: TaskTable, dynamodb: Any, comet_api: SimulatedCometApi) -> Iterator[Stack]:
    made = Stack(table, dynamodb, comet_api)
    yield made
    made.executor.shutdown()


def test_one_tick_follows_every_task(stack: Stack) -> None:
    rendering = stack.insert(stack.comet_api.create(answers=["documented_in_progress"]))
    done = stack.insert(stack.comet_api.create(answers=["documented_success"]), color="blue")
    failed = stack.insert(stack.comet_api.create(answers=["failed_object_error"]))
    stack.tick()
    items = stack.items()
    assert items[rendering]["status"] == "IN_PROGRESS"
    assert items[done]["status"] == "SUCCESS"
    assert items[done]["handoffs"] == 1
    assert items[done]["color"] == "blue"
    assert [task_id for task_id, _ in stack.lambdas.copies] == [done]
    assert items[failed]["status"] == "FAILED"
    assert items[failed]["error"]["message"]
    assert "pending_since" not in items[failed]


def test_an_idle_tick_ends_after_one_scan_and_asks_nothing(stack: Stack) -> None:
    started = stack.clock.ahead
    assert stack.tick()["Polls"] == 0
    assert stack.clock.ahead - started <= 60
    assert stack.comet_api.requests == []


def test_unchanged_answers_write_nothing(stack: Stack) -> None:
    task_id = stack.insert(stack.comet_api.create(answers=["documented_in_progress"]))
    stack.tick()
    before = stack.items()[task_id]
    assert stack.tick()["Polls"] >= 2
    assert stack.items()[task_id] == before


def test_two_pollers_at_once_hand_off_once(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    one_at_a_time, write = Lock(), stack.table.write  # moto's conditional writes are not atomic between threads

    def write_alone(change: Change) -> bool:
        with one_at_a_time:
            return write(change)

    monkeypatch.setattr(stack.table, "write", write_alone)
    for _ in range(20):
        stack.insert(stack.comet_api.create(answers=["documented_success"]))
    with ThreadPoolExecutor(2) as pollers:
        list(pollers.map(lambda _: stack.tick(), range(2)))
    assert Counter(Counter(task_id for task_id, _ in stack.lambdas.copies).values()) == {1: 20}


def test_a_lost_hand_off_is_repeated_after_the_lease(stack: Stack) -> None:
    task_id = stack.insert(stack.comet_api.create(answers=["documented_success"]))
    stack.tick()
    stack.tick()
    assert len(stack.lambdas.copies) == 1
    stack.clock.ahead += 1300
    stack.tick()
    assert len(stack.lambdas.copies) == 2
    assert stack.items()[task_id]["handoffs"] == 2


def test_above_the_limit_a_tick_starts_workers_whose_shares_do_not_overlap(stack: Stack) -> None:
    stack.tasks_per_worker = 5
    tasks = {stack.insert(stack.comet_api.create(answers=["documented_success"])) for _ in range(12)}
    assert stack.tick()["WorkersStarted"] == 2
    assert stack.lambdas.polls == [Segment(1, 3), Segment(2, 3)]
    for share in stack.lambdas.polls:
        stack.tick(share)
    assert Counter(task_id for task_id, _ in stack.lambdas.copies) == Counter(tasks)


def test_a_worker_that_does_not_start_keeps_no_other_from_it(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.tasks_per_worker = 5
    for _ in range(14):
        stack.insert(stack.comet_api.create(answers=["documented_in_progress"]))
    start = stack.lambdas.poll

    def poll(share: Segment) -> None:
        if share.segment == 1:
            raise ClientError({"Error": {"Code": "TooManyRequestsException", "Message": ""}}, "Invoke")
        start(share)

    monkeypatch.setattr(stack.lambdas, "poll", poll)
    counts = stack.tick()
    assert stack.lambdas.polls == [Segment(2, 3)]
    assert counts["WorkersStarted"] == 1
    assert counts["Polls"]


def test_the_first_worker_never_holds_all_tasks(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.tasks_per_worker = 5
    for _ in range(12):
        stack.insert(stack.comet_api.create(answers=["documented_in_progress"]))
    read: Counter[int] = Counter()
    pending = stack.table.pending

    def noted(share: Segment) -> Iterator[Task]:
        for task in pending(share):
            read[share.segments] += 1
            yield task

    monkeypatch.setattr(stack.table, "pending", noted)
    stack.tick()
    assert read[1] == stack.tasks_per_worker + 1


@pytest.mark.parametrize(
    "fault", ["unauthorized", "html", "http_502", "throttled_retry_after_seconds", "task_not_exist_flat"]
)
def test_an_hour_of_trouble_changes_no_task_and_all_are_stored_afterwards(stack: Stack, fault: str) -> None:
    tasks = {stack.insert(stack.comet_api.create(answers=["documented_success"])) for _ in range(12)}
    before = stack.items()
    stack.comet_api.fault(fault)
    for _ in range(60):
        stack.tick()
    assert stack.items() == before
    assert stack.lambdas.copies == []
    stack.comet_api.clear()
    for _ in range(16):  # old tasks are asked about less often
        stack.tick()
    assert Counter(task_id for task_id, _ in stack.lambdas.copies) == Counter(tasks)
    with CopyShop(stack.comet_api) as shop:
        for task_id, video_url in stack.lambdas.copies:
            settle(CopierTools(stack.table, shop.copier(), Limits(0, 86400)), task_id, video_url, seconds=60)
            assert shop.has_stored(task_id)
    assert all(item["status"] == "SUCCESS" and item["s3_uri"] for item in stack.items().values())


def test_a_rejected_key_is_read_again_once_a_round_and_a_new_one_works_at_once(stack: Stack) -> None:
    stack.key = "sk-of-yesterday"
    for _ in range(10):
        stack.insert(stack.comet_api.create(answers=["documented_success"]))
    assert stack.tick()["AnswersKeyRejected"]
    asked = len(stack.comet_api.requests)
    assert asked <= 4 * 2 * 8
    stack.key = stack.comet_api.api_key
    stack.tick()
    assert len(stack.lambdas.copies) == 10


def test_a_gateway_that_is_down_is_probed_with_one_task(stack: Stack) -> None:
    for _ in range(30):
        stack.insert(stack.comet_api.create(answers=["documented_in_progress"]))
    stack.comet_api.fault("http_502")
    stack.tick()
    assert stack.pace.probe
    stack.comet_api.forget_requests()
    stack.tick()
    assert 1 <= len(stack.comet_api.requests) <= 4


def test_a_redirect_is_never_followed_with_the_key(stack: Stack) -> None:
    stack.comet_api.fault("redirect_302")
    task_id = stack.insert(stack.comet_api.create())
    assert stack.tick()["AnswersMisdirected"]
    assert {request.path for request in stack.comet_api.requests} == {f"/v1/videos/{task_id}"}


def environment(comet_api: SimulatedCometApi) -> dict[str, str]:
    return {
        "TASKS_TABLE": TABLE,
        "RETENTION_DAYS": "30",
        "COPIER_FUNCTION": "copier",
        "COMETAPI_BASE_URL": comet_api.base_url,
        "COMETAPI_KEY_PARAMETER": "/cometapi/api-key",
        "POLL_INTERVAL_SECONDS": "60",
        "MAX_CONCURRENT_POLLS": "4",
        "TASKS_PER_WORKER": "2000",
        "TASK_DEADLINE_HOURS": "24",
        "AWS_LAMBDA_FUNCTION_NAME": "poller",
        "POWERTOOLS_SERVICE_NAME": "stack",
        "POWERTOOLS_METRICS_NAMESPACE": "SeedancePoller",
    }


@pytest.fixture
def handle(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
    for name, value in environment(stack.comet_api).items():
        monkeypatch.setenv(name, value)
    context: Any = SimpleNamespace(
        function_name="poller", memory_limit_in_mb=512, invoked_function_arn="arn", aws_request_id="id",
        get_remaining_time_in_millis=lambda: 90_000,
    )  # fmt: skip
    poller._worker.cache_clear()  # noqa: SLF001
    yield lambda event: poller.handler(event, context)
    poller._worker.cache_clear()  # noqa: SLF001


@pytest.fixture
def log() -> Iterator[StringIO]:
    written = StringIO()
    handler: Any = poller.logger.registered_handler
    before = handler.setStream(written)
    yield written
    handler.setStream(before)


def test_without_the_key_the_first_tick_says_what_is_missing(
    stack: Stack,
    handle: Callable[[dict[str, Any]], dict[str, Any]],
    log: StringIO,
    capsys: pytest.CaptureFixture[str],
) -> None:
    task_id = stack.insert(stack.comet_api.create())
    before = stack.items()[task_id]
    answer = handle({})
    assert "aws ssm put-parameter --type SecureString --name /cometapi/api-key" in answer["error"]
    assert "put-parameter" in log.getvalue()
    assert "ConfigurationErrors" in capsys.readouterr().out
    assert stack.items()[task_id] == before
    boto3.client("ssm").put_parameter(Name="/cometapi/api-key", Value=stack.comet_api.api_key, Type="SecureString")
    assert "error" not in handle({})


def test_neither_key_nor_url_is_ever_written_down(
    stack: Stack,
    handle: Callable[[dict[str, Any]], dict[str, Any]],
    log: StringIO,
    capsys: pytest.CaptureFixture[str],
) -> None:
    boto3.client("ssm").put_parameter(Name="/cometapi/api-key", Value=stack.comet_api.api_key, Type="SecureString")
    for answer in (
        "documented_success",
        "failed_object_error",
        "html",
        "reset",
        "redirect_302",
        "task_not_exist_nested",
    ):
        stack.insert(stack.comet_api.create(answers=[answer]))
    counts = handle({})
    written = log.getvalue() + capsys.readouterr().out + str(stack.items()) + str(counts)
    assert counts["Polls"] >= 6
    assert counts["TasksFailed"] == 1
    assert stack.comet_api.api_key not in written
    assert "X-Tos" not in written
    assert Status.SUCCESS in written


def test_a_wrong_id_among_good_ones_ends_and_a_wrong_key_does_not_hide_it(stack: Stack) -> None:
    for _ in range(6):
        stack.insert(stack.comet_api.create(answers=["documented_in_progress"]))
    wrong = stack.insert("task_" + "0" * 32)
    for _ in range(4):
        stack.tick()
    assert stack.items()[wrong]["status"] == "NOT_FOUND"
    assert "account" in stack.items()[wrong]["error"]["message"]
