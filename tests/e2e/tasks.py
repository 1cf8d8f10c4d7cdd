"""The tasks table of a deployed stack, as its users reach it."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import batched
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from infra.local.stack import LocalStack
from shared.task_table import read_item
from tests.e2e.patience import eventually

type Item = dict[str, Any]

BATCH = 25
"""So many items DynamoDB takes at once."""


class Tasks:
    """Puts and reads items with plain Python values."""

    def __init__(self, stack: LocalStack, table: str | None = None) -> None:
        self._dynamodb = stack.aws.dynamodb
        self._table = table or stack.outputs["TasksTableName"]

    def put(self, item: Item) -> str:
        """Put an item and return its task id."""
        serialize = TypeSerializer().serialize
        values = {name: serialize(value) for name, value in item.items()}
        self._dynamodb.put_item(TableName=self._table, Item=values)
        return str(item["task_id"])

    def get(self, task_id: str) -> Item:
        """Return the item as it is now; empty where there is none."""
        key = {"task_id": {"S": task_id}}
        found = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item", {})
        return read_item(found)

    def all(self) -> dict[str, Item]:
        """Return all items as they are now, by task id."""
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True)
        return {item["task_id"]: item for page in pages for item in map(read_item, page["Items"])}

    def change(self, task_id: str, **attributes: Any) -> None:
        """Set attributes of an item that is there; with the times that are noted on it, a test lets time pass."""
        serialize = TypeSerializer().serialize
        self._dynamodb.update_item(
            TableName=self._table,
            Key={"task_id": {"S": task_id}},
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in attributes),
            ConditionExpression="attribute_exists(task_id)",
            ExpressionAttributeNames={f"#{name}": name for name in attributes},
            ExpressionAttributeValues={f":{name}": serialize(value) for name, value in attributes.items()},
        )

    def end_lease(self, item: Item) -> None:
        """Let a lease end now, though it lasts for longer than a test may.

        It is what time does: `lease_until` is compared with the clock, and nothing else depends on it. The condition
        leaves alone what has been written since, and a Copier that still works has a rival then.
        """
        with suppress(self._dynamodb.exceptions.ConditionalCheckFailedException):
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"task_id": {"S": item["task_id"]}},
                UpdateExpression="SET lease_until = :now",
                ConditionExpression="lease = :word AND lease_until = :until",
                ExpressionAttributeValues={
                    ":now": {"N": str(int(time.time()))},
                    ":word": {"S": item["lease"]},
                    ":until": {"N": str(item["lease_until"])},
                },
            )

    def ids(self) -> list[str]:
        """Return the ids of all tasks in the table."""
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._table)
        return [item["task_id"]["S"] for page in pages for item in page["Items"]]

    def delete(self, task_id: str) -> None:
        """Delete an item, which cancels its task."""
        self._dynamodb.delete_item(TableName=self._table, Key={"task_id": {"S": task_id}})

    def put_many(self, task_ids: Sequence[str]) -> None:
        """Put the bare ids, as fast as DynamoDB takes them."""
        for some in batched(task_ids, BATCH, strict=False):
            requests = [{"PutRequest": {"Item": {"task_id": {"S": task_id}}}} for task_id in some]
            assert not self._dynamodb.batch_write_item(RequestItems={self._table: requests})["UnprocessedItems"]  # type: ignore[dict-item]

    def wait_for(self, attribute: str, task_ids: Iterable[str], seconds: float) -> dict[str, Item]:
        """Return all items once each has `attribute`; where one does not get it, the test fails."""
        return self.wait_until(lambda item: attribute in item, f"without {attribute}", task_ids, seconds)

    def wait_until(
        self, ready: Callable[[Item], bool], otherwise: str, task_ids: Iterable[str], seconds: float
    ) -> dict[str, Item]:
        """Return all items once each is `ready`; where one is not within `seconds`, the test fails."""
        items: dict[str, Item] = {}
        waiting = dict.fromkeys(task_ids)

        def is_over() -> bool:
            for task_id in [*waiting]:
                items[task_id] = self.get(task_id)
                if ready(items[task_id]):
                    del waiting[task_id]
            return not waiting

        def told() -> str:
            return ", ".join(f"{task_id} ({items[task_id].get('status')})" for task_id in waiting)

        eventually(is_over, lambda: f"{otherwise}: {told()}", seconds)
        return items
