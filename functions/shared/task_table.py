"""The tasks table: the one module that knows DynamoDB."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from shared.task import ABSENT, Change, Task

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PENDING_INDEX = "pending"
"""Sparse: holds exactly the items that carry `pending_since`, so that history costs a scan of it nothing."""

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


@dataclass(frozen=True, slots=True)
class Segment:
    """One worker's share of the pending tasks."""

    segment: int = 0
    segments: int = 1


class TaskTable:
    """The tasks table; all errors but a lost race are botocore's."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        """Use the table `name` through `client`."""
        self._client = client
        self._name = name

    def pending(self, share: Segment) -> Iterator[Task]:
        """Yield every pending task of one share, as far as POLLED_ATTRIBUTES; eventually consistent, as indexes are."""
        for page in self._scan(share):
            for attributes in page["Items"]:
                yield Task.from_item(read_item(attributes))

    def count_pending(self) -> int:
        """Return how many tasks are pending, without fetching them."""
        return sum(page["Count"] for page in self._scan(Segment(), Select="COUNT"))

    def get(self, task_id: str) -> Task | None:
        """Return the task as it is now; None where its owner deleted it."""
        attributes = self._client.get_item(
            TableName=self._name, Key={"task_id": {"S": task_id}}, ConsistentRead=True
        ).get("Item")
        return Task.from_item(read_item(attributes)) if attributes else None

    def write(self, change: Change) -> bool:
        """Make a change; False where somebody else was first, and what the change rests on is no longer so.

        Where the item has no room for all of it, it is made in brief.
        """
        try:
            self._client.update_item(**update_request(self._name, change))
        except self._client.exceptions.ConditionalCheckFailedException as error:
            seen: Any = error.response.get("Item", {})
            return _is_made(change, read_item(seen))
        except ClientError as error:
            brief = change.in_brief() if is_too_large(error) else None
            if brief is None:
                raise
            return self.write(brief)
        return True

    def _scan(self, share: Segment, **how: Any) -> Iterable[Any]:  # noqa: ANN401 - parameters and pages of a Scan
        return self._client.get_paginator("scan").paginate(
            TableName=self._name,
            IndexName=PENDING_INDEX,
            Segment=share.segment,
            TotalSegments=share.segments,
            **how,
        )


def is_too_large(error: BotoCoreError | ClientError) -> bool:
    """Tell whether a change was refused for good: with it, the item would be larger than the 400 KB of DynamoDB."""
    return isinstance(error, ClientError) and error.response["Error"]["Code"] == "ValidationException"


def _is_made(change: Change, item: Mapping[str, Any]) -> bool:
    """Tell whether an item already is as a change wants it: botocore repeats a write whose answer was lost."""
    return not change.remove & item.keys() and all(item.get(name) == value for name, value in change.set.items())


def read_item(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Turn DynamoDB's typed attributes (of an answer or of a stream record) into plain values."""
    return {name: _deserialize(value) for name, value in attributes.items()}


def update_request(table_name: str, change: Change) -> dict[str, Any]:
    """Return the UpdateItem parameters of a change; building them apart from sending them keeps this testable."""
    names = [*change.set, *change.remove, *change.expected]
    alias = {name: f"#{number}" for number, name in enumerate(dict.fromkeys(names))}
    values = {f":set{alias[name][1:]}": value for name, value in change.set.items()}
    # Without this an update of an item that its owner deleted would bring it back.
    conditions = ["attribute_exists(task_id)"]
    for name, value in change.expected.items():
        if value is ABSENT:
            conditions.append(f"attribute_not_exists({alias[name]})")
        elif value is None:
            conditions.append(f"attribute_exists({alias[name]})")
        else:
            conditions.append(f"{alias[name]} = :was{alias[name][1:]}")
            values[f":was{alias[name][1:]}"] = value
    sets = ", ".join(f"{alias[name]} = :set{alias[name][1:]}" for name in change.set)
    removes = ", ".join(alias[name] for name in sorted(change.remove))
    return {
        "TableName": table_name,
        "Key": {"task_id": {"S": change.task_id}},
        "UpdateExpression": f"SET {sets}" + (f" REMOVE {removes}" if removes else ""),
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": {short: name for name, short in alias.items()},
        "ExpressionAttributeValues": {short: _serialize(value) for short, value in values.items()},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
