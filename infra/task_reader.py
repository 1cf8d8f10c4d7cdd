"""Reading the tasks of a table for people: few requests, whatever the table holds."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer

from infra.task_view import TaskRow

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

KEYS_A_REQUEST = 100


class TaskTableReader:
    """Reads the tasks of a table: all of them while they are few, then those pending and those seen pending before."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._seen: dict[str, TaskRow] = {}

    def rows(self) -> list[TaskRow]:
        """Return the tasks as they are now, oldest first, none changing its place while it is watched.

        Each call reads one page of 1 MB, and of a larger table what is pending.
        """
        now = self._read()
        new = sorted(now.keys() - self._seen.keys(), key=lambda task_id: (now[task_id].since or 0, task_id))
        self._seen = {task_id: now[task_id] for task_id in (*self._seen, *new) if task_id in now}
        return list(self._seen.values())

    def _read(self) -> dict[str, TaskRow]:
        page = self._dynamodb.scan(TableName=self._table)
        if "LastEvaluatedKey" not in page:
            return _by_id(page["Items"])
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._table, IndexName="pending")
        pending = _by_id(item for page in pages for item in page["Items"])
        left = [task_id for task_id, row in self._seen.items() if row.ended_at is None and task_id not in pending]
        return self._seen | pending | self._get(left)

    def _get(self, task_ids: Sequence[str]) -> dict[str, TaskRow]:
        found: dict[str, TaskRow] = {}
        for first in range(0, len(task_ids), KEYS_A_REQUEST):
            keys = [{"task_id": {"S": task_id}} for task_id in task_ids[first : first + KEYS_A_REQUEST]]
            answer = self._dynamodb.batch_get_item(RequestItems={self._table: {"Keys": keys}})
            found |= _by_id(answer["Responses"].get(self._table, []))
        return found


def _by_id(items: "Iterable[Mapping[str, AttributeValueTypeDef]]") -> dict[str, TaskRow]:
    rows = (TaskRow.from_item(_plain(item)) for item in items)
    return {row.task_id: row for row in rows}


def _plain(item: "Mapping[str, AttributeValueTypeDef]") -> dict[str, Any]:
    deserialize = TypeDeserializer().deserialize
    return {name: deserialize(value) for name, value in item.items()}
