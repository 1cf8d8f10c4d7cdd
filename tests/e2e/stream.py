"""The stream of the tasks table, and what a failure destination is sent when a reader of it gives a record up."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from infra.local.stack import LocalStack
from shared.task_table import read_item


class Stream:
    """The stream of a deployed stack's table; it has one shard."""

    def __init__(self, stack: LocalStack) -> None:
        aws = stack.aws
        self._streams: Any = aws.session.client("dynamodbstreams", endpoint_url=aws.url)
        table = aws.dynamodb.describe_table(TableName=stack.outputs["TasksTableName"])["Table"]
        self._arn = table["LatestStreamArn"]
        (shard,) = self._streams.describe_stream(StreamArn=self._arn)["StreamDescription"]["Shards"]
        self._shard = shard["ShardId"]

    def number_of(self, task_id: str) -> str:
        """Return the sequence number of the first record of a task."""
        return next(str(r["SequenceNumber"]) for r in self._records() if r["Keys"]["task_id"]["S"] == task_id)

    def images(self) -> dict[str, list[dict[str, Any]]]:
        """Return every item as it was after each of its changes, oldest first, by task id."""
        images = defaultdict(list)
        for record in self._records():
            if "NewImage" in record:
                images[record["Keys"]["task_id"]["S"]].append(read_item(record["NewImage"]))
        return images

    def failure(self, function_arn: str, number: str) -> str:
        """Return what Lambda's failure destination is sent of one record; the record itself is not in it."""
        batch = {
            "shardId": self._shard,
            "startSequenceNumber": number,
            "endSequenceNumber": number,
            "approximateArrivalOfFirstRecord": "2026-04-19T03:00:00Z",
            "approximateArrivalOfLastRecord": "2026-04-19T03:00:00Z",
            "batchSize": 1,
            "streamArn": self._arn,
        }
        context = {"requestId": "059f36b4", "functionArn": function_arn, "condition": "RetryAttemptsExhausted"}
        answer = {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
        return json.dumps(
            {
                "requestContext": {**context, "approximateInvokeCount": 51},
                "responseContext": answer,
                "version": "1.0",
                "timestamp": "2026-04-19T03:00:00.000Z",
                "DDBStreamBatchInfo": batch,
            },
            separators=(",", ":"),
        )

    def _records(self) -> Iterator[dict[str, Any]]:
        where = {"StreamArn": self._arn, "ShardId": self._shard, "ShardIteratorType": "TRIM_HORIZON"}
        following = self._streams.get_shard_iterator(**where)["ShardIterator"]
        while page := self._streams.get_records(ShardIterator=following):
            if not page["Records"]:
                return
            yield from (record["dynamodb"] for record in page["Records"])
            following = page["NextShardIterator"]
