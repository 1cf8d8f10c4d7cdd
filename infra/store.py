"""What people do to the tasks of a table: insert, look up, retry, cancel; each write is conditional."""

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from itertools import batched
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeSerializer

from shared.task import RETRY, Status
from shared.task_table import PENDING_INDEX, read_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import KeysAndAttributesOutputTypeDef, KeysAndAttributesTypeDef

_KEYS_A_REQUEST = 100
_NOT_AT_WORK = "attribute_exists(task_id) AND attribute_not_exists(pending_since) AND NOT #status = :stored"
_NOT_ENDED = "attribute_exists(task_id) AND (attribute_not_exists(ended_at) OR #status = :retry)"
_serialize = TypeSerializer().serialize

type Item = dict[str, Any]


class Outcome(Enum):
    """What came of changing one task."""

    DONE = "done"
    ABSENT = "not in the table"
    PENDING = "still pending"
    ENDED = "ended before"
    STORED = "its video is stored; where the object is gone, feed it with AGAIN=1"


class TaskStore:
    """The tasks table as its users write it; all errors are botocore's."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        """Use `table` through `dynamodb`."""
        self.table = table
        self._dynamodb = dynamodb

    def get(self, task_id: str) -> Item | None:
        """Return the item as it is now; None where there is none."""
        found = self._dynamodb.get_item(TableName=self.table, Key=_key(task_id), ConsistentRead=True)
        return read_item(found["Item"]) if "Item" in found else None

    def insert(self, item: Mapping[str, Any], *, again: bool) -> bool:
        """Put an item; unless `again`, one that is there already is left as it is. Tells whether it was put."""
        condition: dict[str, Any] = {} if again else {"ConditionExpression": "attribute_not_exists(task_id)"}
        attributes = {name: _serialize(value) for name, value in item.items()}
        try:
            self._dynamodb.put_item(TableName=self.table, Item=attributes, **condition)
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def retry(self, task_id: str) -> Outcome:
        """Ask for a task again that has ended without a video, or that Intake has never seen."""
        try:
            self._dynamodb.update_item(
                TableName=self.table,
                Key=_key(task_id),
                UpdateExpression="SET #status = :retry",
                ConditionExpression=_NOT_AT_WORK,
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":retry": {"S": RETRY}, ":stored": {"S": Status.SUCCESS}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            item: Any = error.response.get("Item")
            if not item:
                return Outcome.ABSENT
            return Outcome.PENDING if "pending_since" in item else Outcome.STORED
        return Outcome.DONE

    def cancel(self, task_id: str) -> Outcome:
        """Delete the item of a task that has not ended; nothing brings it back."""
        try:
            self._dynamodb.delete_item(
                TableName=self.table,
                Key=_key(task_id),
                ConditionExpression=_NOT_ENDED,
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":retry": {"S": RETRY}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            return Outcome.ENDED if error.response.get("Item") else Outcome.ABSENT
        return Outcome.DONE

    def existing(self, task_ids: Iterable[str]) -> set[str]:
        """Return which of these are in the table."""
        found: set[str] = set()
        for some in batched(task_ids, _KEYS_A_REQUEST, strict=False):
            wanted: KeysAndAttributesTypeDef = {"Keys": [_key(i) for i in some], "ProjectionExpression": "task_id"}
            asked: Mapping[str, KeysAndAttributesOutputTypeDef | KeysAndAttributesTypeDef] = {self.table: wanted}
            while asked:
                answer = self._dynamodb.batch_get_item(RequestItems=asked)
                found |= {str(item["task_id"].get("S")) for item in answer["Responses"].get(self.table, [])}
                asked = answer.get("UnprocessedKeys", {})
        return found

    def all(self) -> Iterator[Item]:
        """Yield every item, a page at a time."""
        for page in self._dynamodb.get_paginator("scan").paginate(TableName=self.table):
            yield from map(read_item, page["Items"])

    def pending(self) -> Iterator[Item]:
        """Yield what is pending, as far as the index holds it."""
        for page in self._dynamodb.get_paginator("scan").paginate(TableName=self.table, IndexName=PENDING_INDEX):
            yield from map(read_item, page["Items"])


def _key(task_id: str) -> dict[str, Any]:
    return {"task_id": {"S": task_id}}
