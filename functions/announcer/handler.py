"""Announcer: reads the table's stream and tells a topic of every task that has ended."""

import json
import os
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from announcer.announcement import announcement
from shared.aws import CLIENT_CONFIG
from shared.task_table import read_item

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_sns import SNSClient

logger = Logger()
processor = BatchProcessor(EventType.DynamoDBStreams)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> Any:  # noqa: ANN401 - a partial batch response
    """Announce the endings among a batch of stream records; those that fail are delivered again."""
    return process_partial_response(event=event, record_handler=_announce, processor=processor, context=context)


def _announce(record: dict[str, Any]) -> None:
    change = record["dynamodb"]
    message = announcement(read_item(change.get("OldImage", {})), read_item(change.get("NewImage", {})))
    if message is None:
        return
    client = _sns()
    client.publish(
        TopicArn=os.environ["TASK_ENDED_TOPIC"],
        Message=json.dumps(message),
        # Subscribers filter on it, for example for all but SUCCESS.
        MessageAttributes={"status": {"DataType": "String", "StringValue": message["status"]}},
    )
    logger.info("ending announced", task_id=message["task_id"], status=message["status"])


@cache
def _sns() -> "SNSClient":
    return boto3.client("sns", config=CLIENT_CONFIG)
