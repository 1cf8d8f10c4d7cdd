"""The semantics that every decision counts on, against a DynamoDB of the template's own schema."""

from typing import Any

import boto3
import pytest

from shared.task import Change
from shared.task_table import Segment, TaskTable
from tests.integration.conftest import TABLE
from tests.simulation.conformance import EXPECTATIONS

ITEM: dict[str, Any] = {
    "task_id": "t",
    "pending_since": 5,
    "status": "SUBMITTED",
    "nothing": None,
    "error": {"code": "c"},
}


@pytest.fixture(autouse=True)
def _item(table: TaskTable) -> None:  # noqa: ARG001
    boto3.resource("dynamodb").Table(TABLE).put_item(Item=ITEM)


def change(expected: dict[str, object], task_id: str = "t") -> Change:
    return Change(task_id, expected, {"mark": 1, "error": {"code": "d"}}, frozenset({"status"}))


@pytest.mark.parametrize(("expected", "happens"), EXPECTATIONS)
def test_a_change_happens_only_while_all_is_as_it_was(
    table: TaskTable, expected: dict[str, object], *, happens: bool
) -> None:
    assert table.write(change(expected)) is happens
    found = table.get("t")
    assert found
    assert found.item.get("mark") == (1 if happens else None)
    assert found.status == (None if happens else "SUBMITTED")


def test_a_deleted_item_is_not_brought_back(table: TaskTable) -> None:
    assert table.write(change({}, "deleted")) is False
    assert table.get("deleted") is None


def test_shares_of_the_index_hold_each_pending_task_once_and_no_ended_one(table: TaskTable) -> None:
    items = boto3.resource("dynamodb").Table(TABLE)
    for number in range(50):
        items.put_item(Item={"task_id": f"p{number}", "pending_since": number, "padding": "x" * 40_000})
        items.put_item(Item={"task_id": f"e{number}", "ended_at": number})
    for segments in (1, 3):
        found = [task.task_id for n in range(segments) for task in table.pending(Segment(n, segments))]
        assert sorted(found) == sorted(["t", *(f"p{number}" for number in range(50))])
    assert table.count_pending() == 51


def test_what_is_the_owners_is_not_read_with_the_index(table: TaskTable) -> None:
    boto3.resource("dynamodb").Table(TABLE).put_item(Item={**ITEM, "handoffs": 2, "prompt": "x" * 300_000})
    (task,) = table.pending(Segment())
    assert task.item == {**{name: ITEM[name] for name in ITEM if name != "nothing"}, "handoffs": 2}
