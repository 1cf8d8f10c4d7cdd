"""Reading the tasks of a table for people, again and again: few requests, and none is forgotten."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import batched
from typing import TYPE_CHECKING

from infra.task_view import TaskRow
from shared.task_table import PENDING_INDEX, read_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import (
        AttributeValueTypeDef,
        KeysAndAttributesOutputTypeDef,
        KeysAndAttributesTypeDef,
    )

KEYS_A_REQUEST = 100
MOST_PAGES = 100
"""Pages of 1 MB that one reading takes at the most, which is some 100,000 tasks and 2 cents."""

_LONGEST_PAUSE_A_PAGE = 6.0
_PAUSE = 60.0


class TaskTableReader:
    """Reads the tasks of a table: all of them at first and now and then, in between what is, or just was, pending."""

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        table: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        most: int = MOST_PAGES,
    ) -> None:
        """Read `most` pages at once at the most; `clock` counts seconds."""
        self.is_complete = True
        """False where ended tasks are missing, of a table of more than `most` pages; those pending never are."""
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock
        self._most = most
        self._seen: dict[str, TaskRow] = {}
        self._next_full = float("-inf")

    def rows(self) -> list[TaskRow]:
        """Return the tasks as they are now, oldest first, none changing its place while it is watched."""
        is_full = self._clock() >= self._next_full
        now = self._read_all() if is_full else self._ended() | self._read_changes()
        new = sorted(now.keys() - self._seen.keys(), key=lambda task_id: (now[task_id].since or 0, task_id))
        self._seen = {task_id: now[task_id] for task_id in (*self._seen, *new) if task_id in now}
        return list(self._seen.values())

    def _read_all(self) -> dict[str, TaskRow]:
        """Read the whole table; the larger it is, the longer nothing but what is pending is read after that."""
        found: dict[str, TaskRow] = {}
        pages = 0
        for page in self._dynamodb.get_paginator("scan").paginate(TableName=self._table):
            found |= _by_id(page["Items"])
            pages += 1
            self.is_complete = "LastEvaluatedKey" not in page
            if pages >= self._most:
                break
        if pages > 1:
            self._next_full = self._clock() + max(_PAUSE, _LONGEST_PAUSE_A_PAGE * pages)
        return found if self.is_complete else self._ended() | found | self._read_changes()

    def _read_changes(self) -> dict[str, TaskRow]:
        """Read what is pending, and what was when it was last read."""
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._table, IndexName=PENDING_INDEX)
        pending = _by_id(item for page in pages for item in page["Items"])
        left = [task_id for task_id, row in self._seen.items() if row.outcome == "pending" and task_id not in pending]
        return self._get(left) | pending

    def _ended(self) -> dict[str, TaskRow]:
        return {task_id: row for task_id, row in self._seen.items() if row.outcome != "pending"}

    def _get(self, task_ids: Sequence[str]) -> dict[str, TaskRow]:
        """Return what the table has of these tasks; whose item was deleted is missing."""
        found: dict[str, TaskRow] = {}
        for some in batched(task_ids, KEYS_A_REQUEST, strict=False):
            keys = [{"task_id": {"S": task_id}} for task_id in some]
            asked: Mapping[str, KeysAndAttributesOutputTypeDef | KeysAndAttributesTypeDef] = {
                self._table: {"Keys": keys, "ConsistentRead": True}
            }
            while asked:
                answer = self._dynamodb.batch_get_item(RequestItems=asked)
                found |= _by_id(answer["Responses"].get(self._table, []))
                asked = answer.get("UnprocessedKeys", {})
        return found


def _by_id(items: "Iterable[Mapping[str, AttributeValueTypeDef]]") -> dict[str, TaskRow]:
    rows = (TaskRow.from_item(read_item(item)) for item in items)
    return {row.task_id: row for row in rows}
