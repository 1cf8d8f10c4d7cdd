"""The Copier as Lambda calls it: what it writes about a task, and what it never writes anywhere."""

import json
from collections.abc import Iterator
from functools import cache
from io import StringIO
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer

from copier import handler as copier
from infra.local.cometapi import SimulatedCometApi
from shared.task import Task
from shared.task_table import TaskTable
from tests.integration.conftest import TABLE
from tests.integration.copying import BUCKET, moto_takes_bytes_only
from tests.template import ROOT

COMPLETED_AT = 1_760_000_000
SETTINGS = {
    "TASKS_TABLE": TABLE,
    "RETENTION_DAYS": "30",
    "VIDEOS_BUCKET": BUCKET,
    "COMETAPI_KEY_PARAMETER": "/cometapi/api-key",
    "MAX_VIDEO_BYTES": "1000000",
    "ALLOW_INSECURE_VIDEO_URLS": "true",
    "POWERTOOLS_METRICS_NAMESPACE": "SeedancePoller",
    "POWERTOOLS_SERVICE_NAME": "videos",
}


serialize = TypeSerializer().serialize


class Office:
    """A Copier with its table, its bucket and its log."""

    def __init__(self, table: TaskTable, comet_api: SimulatedCometApi, capsys: pytest.CaptureFixture[str]) -> None:
        self.table, self.comet_api, self.capsys = table, comet_api, capsys
        self.log = StringIO()
        self.metrics = ""

    def pending(self, **options: Any) -> str:
        task_id = self.comet_api.create(**options)
        self.put(task_id, completed_at=COMPLETED_AT, mine="kept")
        return task_id

    def put(self, task_id: str, **attributes: Any) -> None:
        item = {"task_id": task_id, "pending_since": COMPLETED_AT - 60, "status": "SUCCESS", "handoffs": 1}
        typed = {name: serialize(value) for name, value in {**item, **attributes}.items()}
        boto3.client("dynamodb").put_item(TableName=TABLE, Item=typed)

    def cancel(self, task_id: str) -> None:
        boto3.client("dynamodb").delete_item(TableName=TABLE, Key={"task_id": {"S": task_id}})

    def invoke(self, event: Any, seconds: float = 900) -> None:
        context: Any = SimpleNamespace(
            function_name="c",
            memory_limit_in_mb=512,
            invoked_function_arn="arn",
            aws_request_id="id",
            get_remaining_time_in_millis=lambda: seconds * 1000,
        )
        copier.handler(event, context)
        self.metrics += self.capsys.readouterr().out

    def copy(self, task_id: str, seconds: float = 900) -> dict[str, Any]:
        self.invoke({"task_id": task_id, "video_url": self.comet_api.video_url(task_id)}, seconds)
        return self.item(task_id)

    def item(self, task_id: str) -> dict[str, Any]:
        task = self.table.get(task_id)
        assert task
        return dict(task.item)

    @property
    def output(self) -> str:
        return self.log.getvalue() + self.metrics

    def metric(self, name: str) -> Any:
        lines = [json.loads(line) for line in self.metrics.splitlines()]
        return next((line[name][0] for line in lines if name in line), None)


@cache
def _client(*args: Any, **kwargs: Any) -> Any:
    """Make each client once for all tests: making them takes longer than the tests."""
    return SESSION.client(*args, **kwargs)


SESSION = boto3.Session(region_name="us-east-1")
moto_takes_bytes_only(SESSION)


@pytest.fixture
def office(
    table: TaskTable,
    comet_api: SimulatedCometApi,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Office]:
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    boto3.client("ssm").put_parameter(Name="/cometapi/api-key", Value=comet_api.api_key, Type="SecureString")
    for name, value in {**SETTINGS, "COMETAPI_BASE_URL": comet_api.base_url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "client", _client)
    copier._tools.cache_clear()  # noqa: SLF001
    office = Office(table, comet_api, capsys)
    stream: Any = copier.logger.registered_handler
    before = stream.setStream(office.log)
    yield office
    stream.setStream(before)
    copier._tools.cache_clear()  # noqa: SLF001
    assert "Signature" not in office.output
    assert "Traceback" not in office.output


def test_a_video_is_stored_and_its_task_closed(office: Office) -> None:
    task_id = office.pending()
    size = office.comet_api.expected(task_id).size
    item = office.copy(task_id)
    assert item["status"] == "SUCCESS"
    assert item["s3_uri"] == f"s3://{BUCKET}/videos/{task_id}.mp4"
    assert (item["size"], item["progress"], item["mine"]) == (size, 100, "kept")
    assert item["etag"]
    assert item["expires_at"] - item["ended_at"] == 30 * 86400
    assert not {"pending_since", "error", "lease_until"} & item.keys()
    assert boto3.client("s3").head_object(Bucket=BUCKET, Key=f"videos/{task_id}.mp4")["ContentLength"] == size


def test_what_is_measured(office: Office) -> None:
    task_id = office.pending()
    office.copy(task_id)
    assert office.metric("VideosStored") == 1
    assert office.metric("VideoBytes") == office.comet_api.expected(task_id).size
    assert office.metric("SecondsFromCompletionToStored") > 0
    assert office.metric("SecondsFromCompletionToStored") > 0
    lines = [json.loads(line) for line in office.log.getvalue().splitlines()]
    assert {line["task_id"] for line in lines} == {task_id}


def test_a_video_that_is_refused_ends_its_task(office: Office) -> None:
    item = office.copy(office.pending(video="length_huge"))
    assert item["status"] == "COPY_FAILED"
    assert item["error"]["code"] == "too_large"
    assert "pending_since" not in item
    assert office.metric("TasksCopyFailed") == 1


def test_a_copy_that_is_interrupted_gives_the_lease_back(office: Office) -> None:
    item = office.copy(office.pending(video={"name": "error", "status": 451}))
    assert item["status"] == "SUCCESS"
    assert item["pending_since"]
    assert item["error"]["code"] == "http_451"
    assert item["lease_until"] > item["updated_at"]
    assert office.metric("CopyInterrupted") == 1


def test_too_little_time(office: Office) -> None:
    assert office.copy(office.pending(), seconds=10)["error"]["code"] == "out_of_time"


def test_an_expired_url_is_replaced(office: Office) -> None:
    task_id = office.pending(video=["expired", "fine"])
    assert "s3_uri" in office.copy(task_id)
    assert [r.path for r in office.comet_api.requests if r.path.startswith("/v1/")] == [f"/v1/videos/{task_id}"]


@pytest.mark.parametrize("answer", ["html", "documented_in_progress"])
def test_an_expired_url_that_cannot_be_replaced(office: Office, answer: str) -> None:
    item = office.copy(office.pending(video="expired", answers=answer))
    assert item["error"]["code"] == "url_expired"
    assert item["pending_since"]


def test_an_expired_url_without_a_key(office: Office) -> None:
    boto3.client("ssm").delete_parameter(Name="/cometapi/api-key")
    item = office.copy(office.pending(video="expired"))
    assert item["error"]["code"] == "no_api_key"
    assert "/cometapi/api-key" in item["error"]["message"]


def test_a_bucket_that_is_gone(office: Office) -> None:
    boto3.client("s3").delete_bucket(Bucket=BUCKET)
    item = office.copy(office.pending())
    assert item["error"]["code"] == "s3_error"
    assert item["pending_since"]


def test_a_task_that_was_cancelled(office: Office) -> None:
    task_id = office.comet_api.create()
    office.invoke({"task_id": task_id, "video_url": office.comet_api.video_url(task_id)})
    assert office.table.get(task_id) is None
    assert office.comet_api.requests == []
    assert "nothing to copy" in office.output


def test_a_task_that_has_ended(office: Office) -> None:
    task_id = office.pending()
    first = office.copy(task_id)
    office.comet_api.forget_requests()
    assert office.copy(task_id) == first
    assert office.comet_api.requests == []


def test_a_task_that_is_cancelled_meanwhile(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = office.pending()
    task = office.table.get(task_id)
    office.cancel(task_id)
    monkeypatch.setattr(TaskTable, "get", lambda _self, _task_id: task)
    office.invoke({"task_id": task_id, "video_url": office.comet_api.video_url(task_id)})
    assert "cancelled or replaced meanwhile" in office.output
    assert "Item" not in boto3.client("dynamodb").get_item(TableName=TABLE, Key={"task_id": {"S": task_id}})


def test_a_task_that_was_put_again_after_its_video_was_stored(office: Office) -> None:
    task_id = office.pending()
    stored = office.copy(task_id)
    office.put(task_id, pending_since=COMPLETED_AT + 60)
    assert office.copy(task_id)["etag"] == stored["etag"]


@pytest.mark.parametrize("event", [{}, {"task_id": "task_x"}, {"task_id": "", "video_url": "x"}, [], None])
def test_an_event_that_is_none(office: Office, event: Any) -> None:
    office.invoke(event)
    assert "events/copy.json" in office.output
    assert office.metric("ConfigurationErrors") == 1


def test_a_missing_setting(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDEOS_BUCKET")
    task_id = office.pending()
    item = office.copy(task_id)
    assert "VIDEOS_BUCKET" in office.output
    assert "error" not in item
    assert item["pending_since"]


def test_a_missing_table(office: Office) -> None:
    boto3.client("dynamodb").delete_table(TableName=TABLE)
    office.invoke(json.loads((ROOT / "events/copy.json").read_text()))
    assert "ResourceNotFoundException" in office.output
    assert office.metric("TableErrors") == 1


def test_the_sample_event(office: Office) -> None:
    event = json.loads((ROOT / "events/copy.json").read_text())
    office.invoke(event)
    assert Task.from_item(event).task_id in office.output
