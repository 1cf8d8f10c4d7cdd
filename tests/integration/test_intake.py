"""Intake over a real table schema: what is inserted becomes pending, whatever is delivered again is harmless."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from intake import handler as intake
from tests.integration.conftest import TABLE

EVENT = json.loads(Path("events/stream.json").read_text())
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
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "SeedancePoller")
    intake._table.cache_clear()  # noqa: SLF001
    yield
    intake._table.cache_clear()  # noqa: SLF001


def items() -> dict[str, dict[str, Any]]:
    return {str(i["task_id"]): dict(i) for i in boto3.resource("dynamodb").Table(TABLE).scan()["Items"]}


def test_a_batch_of_everything() -> None:
    assert intake.handler(EVENT, CONTEXT) == {"batchItemFailures": []}
    found = items()
    for task_id in ("task_bare", "task_body", "task_put_again", "task_retried"):
        assert found[task_id]["pending_since"]
        assert found[task_id]["status"] == "SUBMITTED"
        assert "ended_at" not in found[task_id]
    assert found["task_put_again"]["project"] == "trailer"
    assert found["task_body"]["object"] == "video"
    assert found["task_invalid"]["status"] == "INVALID"
    assert "task_deleted" not in found


def test_a_batch_delivered_twice_changes_nothing() -> None:
    intake.handler(EVENT, CONTEXT)
    before = items()
    intake.handler(EVENT, CONTEXT)
    assert items() == before


def test_a_deleted_item_is_not_brought_back(dynamodb: Any) -> None:
    dynamodb.delete_item(TableName=TABLE, Key={"task_id": {"S": "task_bare"}})
    intake.handler(EVENT, CONTEXT)
    assert "task_bare" not in items()


def test_only_what_failed_is_delivered_again(dynamodb: Any, capsys: pytest.CaptureFixture[str]) -> None:
    dynamodb.delete_table(TableName=TABLE)
    failures = intake.handler(EVENT, CONTEXT)["batchItemFailures"]
    assert {failure["itemIdentifier"] for failure in failures} == {"1", "2", "3", "4", "5"}
    (metrics,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert len(metrics["TableErrors"]) == 5


def test_an_item_that_cannot_grow_keeps_nobody_back(dynamodb: Any, caplog: pytest.LogCaptureFixture) -> None:
    item = {"task_id": {"S": "task_large"}, "notes": {"S": "x" * 404_950}}
    dynamodb.put_item(TableName=TABLE, Item=item)
    record = {"eventName": "INSERT", "eventID": "9", "dynamodb": {"SequenceNumber": "9", "NewImage": item}}
    event = {"Records": [{**EVENT["Records"][0], **record}, *EVENT["Records"]]}
    assert intake.handler(event, CONTEXT) == {"batchItemFailures": []}
    (error,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "put it again" in error.message
    assert vars(error)["task_id"] == "task_large"
    assert items()["task_bare"]["pending_since"]
