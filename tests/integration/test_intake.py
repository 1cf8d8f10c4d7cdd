"""Intake over a real table schema: what is inserted becomes pending, whatever is delivered again is harmless."""

import json
import time
from collections.abc import Iterator
from copy import deepcopy
from operator import itemgetter
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from intake import handler as intake
from shared.aws import CLIENT_CONFIG
from shared.task_table import TaskTable
from tests.integration.conftest import TABLE, gives_up_as
from tests.logs import logged, metrics_in, written_by
from tests.template import ROOT

EVENT = json.loads((ROOT / "events/stream.json").read_text())
IDS = [record["dynamodb"]["Keys"]["task_id"]["S"] for record in EVENT["Records"]]
MINUTE = 60
CONTEXT: Any = SimpleNamespace(
    function_name="i", memory_limit_in_mb=256, invoked_function_arn="arn", aws_request_id="id"
)


@pytest.fixture(autouse=True)
def _environment(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for record in EVENT["Records"]:
        if image := record["dynamodb"].get("NewImage"):
            dynamodb.put_item(TableName=TABLE, Item=image)
    monkeypatch.setenv("TASKS_TABLE", TABLE)
    monkeypatch.setenv("RETENTION_DAYS", "30")
    intake._tools.cache_clear()  # noqa: SLF001
    yield
    intake._tools.cache_clear()  # noqa: SLF001


def items() -> dict[str, dict[str, Any]]:
    return {str(i["task_id"]): dict(i) for i in boto3.resource("dynamodb").Table(TABLE).scan()["Items"]}


def number_of(task_id: str) -> str:
    return str(IDS.index(task_id) + 1)


def failed(event: dict[str, Any]) -> list[str]:
    return [failure["itemIdentifier"] for failure in intake.handler(event, CONTEXT)["batchItemFailures"]]


def test_a_batch_of_everything(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    assert failed(EVENT) == []
    found = items()
    admitted = ("task_bare", "task_body", "task_body_with_metadata", "task_put_again", "task_retried")
    for task_id in admitted:
        assert 0 <= time.time() - int(found[task_id]["pending_since"]) < MINUTE
        assert found[task_id]["status"] == "SUBMITTED"
        assert not found[task_id].keys() & {"ended_at", "expires_at", "reported_at", "lease"}
    assert found["task_put_again"]["project"] == "trailer"
    assert found["task_body"]["object"] == "video"
    assert found["task_body_with_metadata"]["metadata"]["draft"] is True
    assert found["task_invalid"]["status"] == "INVALID"
    assert found["task_invalid"]["expires_at"] - found["task_invalid"]["ended_at"] == 30 * 86400
    assert "task_deleted" not in found
    metrics = metrics_in(capsys.readouterr().out)
    assert metrics == {"TasksAdmitted": [1] * len(admitted), "TasksInvalid": [1]}
    invalid = {"message": "task invalid", "task_id": "task_invalid", "error": found["task_invalid"]["error"]}
    lines = [{"message": "task admitted", "task_id": task_id, "error": None} for task_id in admitted]
    assert sorted(logged(caplog, "INFO"), key=itemgetter("task_id")) == sorted(
        [*lines, invalid], key=itemgetter("task_id")
    )


def test_what_an_invocation_said_belongs_together() -> None:
    with written_by(intake.logger) as written:
        failed(EVENT)
    assert {json.loads(line)["function_request_id"] for line in written.getvalue().splitlines()} == {"id"}


def test_a_retention_of_0_keeps_an_invalid_item_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETENTION_DAYS", "0")
    assert failed(EVENT) == []
    assert items()["task_invalid"]["ended_at"]
    assert "expires_at" not in items()["task_invalid"]


def test_a_batch_delivered_twice_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    failed(EVENT)
    before = items()
    later = time.time() + 60
    monkeypatch.setattr("intake.handler.time", SimpleNamespace(time=lambda: later))
    failed(EVENT)
    assert items() == before


def test_a_deleted_item_is_not_brought_back(dynamodb: Any) -> None:
    dynamodb.delete_item(TableName=TABLE, Key={"task_id": {"S": "task_bare"}})
    failed(EVENT)
    assert "task_bare" not in items()


def test_every_failure_is_delivered_again_logged_and_counted(
    dynamodb: Any, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    dynamodb.delete_table(TableName=TABLE)
    to_be_written = [number_of(task_id) for task_id in IDS if task_id not in {"task_pending", "task_deleted"}]
    assert failed(EVENT) == to_be_written
    metrics = metrics_in(capsys.readouterr().out)
    assert len(metrics["TableErrors"]) == len(metrics["IntakeFailures"]) == len(to_be_written)
    assert logged(caplog, "ERROR") == [
        {"message": "record not read; delivered again", "event_id": number, "cause": "ResourceNotFoundException"}
        for number in to_be_written
    ]


def test_a_table_that_does_not_answer_is_a_failure_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(intake, "CLIENT_CONFIG", None)
    assert failed({"Records": EVENT["Records"][:1]}) == ["1"]
    assert [error["cause"] for error in logged(caplog, "ERROR")] == ["EndpointConnectionError"]


@pytest.mark.parametrize(
    ("image", "cause"),
    [({"notes": {"M": "my words"}}, "AttributeError"), ({"notes": {"XX": "my words"}}, "TypeError")],
    ids=["map", "type"],
)
def test_a_failure_of_another_kind_is_no_secret(
    image: dict[str, Any], cause: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    event = deepcopy(EVENT)
    event["Records"][0]["dynamodb"]["NewImage"].update(image)
    assert failed(event) == ["1"]
    assert metrics_in(capsys.readouterr().out)["IntakeFailures"] == [1]
    (error,) = logged(caplog, "ERROR")
    assert (error["event_id"], error["cause"]) == ("1", cause)
    assert "my words" not in caplog.text, "what an item holds is its owner's"
    assert items()["task_body"]["pending_since"], "the others are admitted"


@pytest.mark.parametrize("missing", ["TASKS_TABLE", "RETENTION_DAYS"])
def test_a_missing_setting_is_named_and_counted(
    missing: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.delenv(missing)
    assert failed({"Records": EVENT["Records"][:1]}) == ["1"]
    assert metrics_in(capsys.readouterr().out)["ConfigurationErrors"] == [1]
    assert [missing in error["cause"] for error in logged(caplog, "ERROR")] == [True]


def test_an_item_that_cannot_grow_keeps_nobody_back(
    dynamodb: Any, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    item = {"task_id": {"S": "task_large"}, "notes": {"S": "x" * 404_950}}
    dynamodb.put_item(TableName=TABLE, Item=item)
    record = {"eventName": "INSERT", "eventID": "9", "dynamodb": {"SequenceNumber": "9", "NewImage": item}}
    event = {"Records": [{**EVENT["Records"][0], **record}, *EVENT["Records"]]}
    assert failed(event) == []
    (error,) = logged(caplog, "ERROR")
    assert "take out of it" in error["message"]
    assert error["task_id"] == "task_large"
    metrics = metrics_in(capsys.readouterr().out)
    assert (metrics["TableErrors"], metrics["ItemsTooLarge"]) == ([1], [1])
    assert items()["task_bare"]["pending_since"]
    assert "task_large" not in {line["task_id"] for line in logged(caplog, "INFO")}, "it was not admitted"


def test_an_item_that_leaves_no_room_is_told(dynamodb: Any) -> None:
    item = {"task_id": {"S": "task_large"}, "notes": {"S": "x" * 394_000}}
    dynamodb.put_item(TableName=TABLE, Item=item)
    record = {"eventName": "INSERT", "eventID": "9", "dynamodb": {"SequenceNumber": "9", "NewImage": item}}
    assert failed({"Records": [{**EVENT["Records"][0], **record}]}) == []
    ended = items()["task_large"]
    assert (ended["status"], ended["error"]["code"]) == ("INVALID", "invalid_item")
    assert "384 KB" in ended["error"]["message"]


def test_a_retry_takes_the_lease_from_whoever_copies(table: TaskTable) -> None:
    item: dict[str, Any] = {
        "task_id": "task_retried", "status": "RETRY", "pending_since": 5, "lease": "word", "lease_until": 9 * 10**9,
        "copy_attempts": 3, "reported_at": 7,
    }  # fmt: skip
    boto3.resource("dynamodb").Table(TABLE).put_item(Item=item)
    record = deepcopy(EVENT["Records"][IDS.index("task_retried")])
    record["dynamodb"]["NewImage"] = {
        **{name: {"N": str(value)} for name, value in item.items()},
        **{name: {"S": str(item[name])} for name in ("task_id", "status", "lease")},
    }
    assert failed({"Records": [record]}) == []
    task = table.get("task_retried")
    assert task
    assert (task.status, task.lease, task.lease_until, task.copy_attempts) == ("SUBMITTED", None, 0, 0)
    assert task.reported_at == 7


def test_its_client_gives_up_before_lambda_does() -> None:
    table, _ = intake._tools()  # noqa: SLF001
    assert gives_up_as(CLIENT_CONFIG, table._client)  # noqa: SLF001
