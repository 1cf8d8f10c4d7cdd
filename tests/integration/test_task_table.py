"""The semantics that every decision counts on, against a DynamoDB of the template's own schema."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from shared.errors import CopyInterrupted
from shared.lifecycle import Limits, begin_copy, close, end, interrupt_copy
from shared.task import POLLED_ATTRIBUTES, Change, Status, Task
from shared.task_table import Segment, TaskTable, is_too_large
from tests.integration.conftest import TABLE
from tests.simulation.conformance import EXPECTATIONS
from tests.template import table_schema

ITEM: dict[str, Any] = {
    "task_id": "t",
    "pending_since": 5,
    "status": "SUBMITTED",
    "nothing": None,
    "error": {"code": "c"},
}


def put(**attributes: Any) -> None:
    boto3.resource("dynamodb").Table(TABLE).put_item(Item={**ITEM, **attributes})


@pytest.fixture(autouse=True)
def _item(table: TaskTable) -> None:  # noqa: ARG001
    put()


def change(expected: dict[str, object], task_id: str = "t") -> Change:
    return Change(task_id, expected, {"mark": 1, "error": {"code": "d"}}, frozenset({"status"}))


def found(table: TaskTable) -> Task:
    task = table.get("t")
    assert task
    return task


@pytest.mark.parametrize(("expected", "happens"), EXPECTATIONS)
def test_a_change_happens_only_while_all_is_as_it_was(
    table: TaskTable, expected: dict[str, object], *, happens: bool
) -> None:
    assert table.write(change(expected)) is happens
    assert found(table).item.get("mark") == (1 if happens else None)
    assert found(table).status == (None if happens else "SUBMITTED")


def test_a_deleted_item_is_not_brought_back(table: TaskTable) -> None:
    assert table.write(change({}, "deleted")) is False
    assert table.get("deleted") is None


@pytest.mark.parametrize(
    ("attributes", "is_made"),
    [
        ({"mark": 1, "error": {"code": "d"}, "status": None}, False),  # it is there still, and NULL
        ({"mark": 1, "error": {"code": "d"}}, False),
        ({"mark": 2, "error": {"code": "d"}, "without": "status"}, False),
        ({"mark": 1, "error": {"code": "c"}, "without": "status"}, False),
        ({"mark": 1, "error": {"code": "d"}, "without": "status", "more": 7}, True),
    ],
)
def test_a_change_that_is_there_already_counts_as_made(
    table: TaskTable, attributes: dict[str, Any], *, is_made: bool
) -> None:
    without = attributes.pop("without", None)
    item = {name: value for name, value in {**ITEM, **attributes}.items() if name != without}
    boto3.resource("dynamodb").Table(TABLE).put_item(Item=item)
    assert table.write(change({"pending_since": 6})) is is_made


def test_a_write_whose_answer_was_lost_is_made_once(table: TaskTable) -> None:
    """Whatever botocore repeats on its own finds its own work."""
    put(status="COPYING", lease="word", lease_until=9)
    begun = begin_copy(found(table), "word", "own", 100, 900)
    assert [table.write(begun) for _ in range(2)] == [True, True]
    assert found(table).copy_attempts == 1
    assert table.write(begin_copy(found(table), "word", "another", 100, 900)) is False, "a duplicate of the message"
    missed = interrupt_copy(found(table), CopyInterrupted("c", "Oh."), 100)
    assert [table.write(missed) for _ in range(2)] == [True, True]
    closed = close(found(table), {"s3_uri": "s3://b/k", "size": 7, "etag": "e"}, 100, Limits(0, 86400))
    assert [table.write(closed) for _ in range(2)] == [True, True]
    assert found(table).status == "SUCCESS"
    assert table.write(missed) is False


FULL_BYTES = 405_000
"""An item that moto does not let grow; AWS's limit is 409,600."""


def fill(room: int, **attributes: Any) -> None:
    """Leave so many bytes of an item."""
    used = sum(len(name) + len(str(value)) for name, value in {**ITEM, **attributes}.items())
    put(**attributes, notes="x" * (FULL_BYTES - used - room))


def test_a_change_without_room_is_made_in_brief(table: TaskTable) -> None:
    fill(400, lease="word", status="COPYING")
    result = {"usage": {f"count_{number}": number for number in range(200)}}
    said = {"s3_uri": "s3://b/k", "size": 7, "etag": "e", "result": result}
    assert table.write(close(found(table), said, 100, Limits(0, 86400))) is True
    task = found(table)
    assert (task.status, task.pending_since, task.item["s3_uri"]) == ("SUCCESS", None, "s3://b/k")
    assert "result" not in task.item


def test_an_ending_without_room_says_what_it_can(table: TaskTable) -> None:
    fill(300)
    reason = {"code": "OutputVideoSensitiveContentDetected", "message": "The request failed because of … " * 30}
    assert table.write(end(found(table), Status.FAILED, reason, 100, Limits(0, 86400))) is True
    task = found(table)
    assert task.status == "FAILED"
    assert task.error["code"] == reason["code"]
    assert reason["message"].startswith(task.error["message"])


def test_a_change_that_has_no_room_even_in_brief_is_the_callers(table: TaskTable) -> None:
    fill(0)
    with pytest.raises(ClientError) as refused:
        table.write(end(found(table), Status.FAILED, {"code": "c", "message": "m" * 99}, 100, Limits(0, 86400)))
    assert is_too_large(refused.value)
    assert found(table).status != "FAILED"


def test_an_error_that_is_no_lost_race_is_the_callers(table: TaskTable, dynamodb: Any) -> None:
    def drop(**_: object) -> None:
        raise ReadTimeoutError(endpoint_url="https://dynamodb")

    dynamodb.meta.events.register("after-call.dynamodb.UpdateItem", drop)
    with pytest.raises(ReadTimeoutError):
        table.write(change({}))
    assert found(table).item["mark"] == 1
    dynamodb.meta.events.unregister("after-call.dynamodb.UpdateItem", drop)
    assert table.write(change({"status": "SUBMITTED"})) is True


def test_a_change_that_is_refused_for_another_reason_loses_nothing(table: TaskTable, dynamodb: Any) -> None:
    calls: list[str] = []

    def throttle(model: Any, **_: object) -> None:
        calls.append(model.name)
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, model.name)

    dynamodb.meta.events.register("before-call.dynamodb.UpdateItem", throttle)
    with pytest.raises(ClientError):
        table.write(Change("t", {}, {"result": {"seed": 1}}))
    assert calls == ["UpdateItem"]


def test_an_item_is_read_as_it_is_now_and_tasks_are_counted_unread(table: TaskTable, dynamodb: Any) -> None:
    asked: list[dict[str, Any]] = []
    dynamodb.meta.events.register("provide-client-params.dynamodb", lambda params, **_: asked.append(params))
    table.get("t")
    assert table.count_pending() == 1
    read, counted = asked
    assert read["ConsistentRead"] is True, (
        "a Copier that reads an older item finds another word, and its message is gone"
    )
    assert counted["Select"] == "COUNT"
    assert "Limit" not in counted, "a page is as large as DynamoDB makes it"


def test_shares_of_the_index_hold_each_pending_task_once_and_no_ended_one(table: TaskTable) -> None:
    items = boto3.resource("dynamodb").Table(TABLE)
    with items.batch_writer() as batch:
        for number in range(50):
            batch.put_item(Item={"task_id": f"p{number}", "pending_since": number, "error": {"padding": "x" * 40_000}})
            batch.put_item(Item={"task_id": f"e{number}", "ended_at": number})
    for segments in (1, 3):
        shares = [task.task_id for n in range(segments) for task in table.pending(Segment(n, segments))]
        assert sorted(shares) == sorted(["t", *(f"p{number}" for number in range(50))])
    assert table.count_pending() == 51


def test_the_index_holds_what_the_poller_compares_and_nothing_of_its_owners(table: TaskTable) -> None:
    (index,) = table_schema()["GlobalSecondaryIndexes"]
    projection = index["Projection"]
    keys = {key["AttributeName"] for key in index["KeySchema"]}
    assert projection["ProjectionType"] == "INCLUDE"
    assert sorted({*projection["NonKeyAttributes"], *keys}) == sorted(POLLED_ATTRIBUTES)
    polled = {name: 1 for name in POLLED_ATTRIBUTES if name != "task_id"}
    put(**polled, prompt="x" * 300_000, s3_key="k", metadata={"a": "b"}, result={"seed": 1})
    (task,) = table.pending(Segment())
    assert task.item == {**polled, "task_id": "t"}
