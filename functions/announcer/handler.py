"""Announcer: reads the table's stream and tells a topic of every task that has ended."""

import json
import os
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from announcer.announcement import announcement
from shared.aws import CLIENT_CONFIG, cause_of
from shared.errors import ConfigurationError
from shared.settings import AnnouncerSettings
from shared.task_table import read_item

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_sns import SNSClient

_NEVER_TAKEN = frozenset(
    {"InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid", "ValidationError", "ValidationException"}
)
_UNREADABLE = (KeyError, TypeError, ValueError, ArithmeticError)
"""An owner's own `ended_at` without a status, a value that JSON lacks: no later delivery would mend either."""

logger = Logger()
metrics = Metrics()


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Announce the endings among a batch of stream records, up to the first that fails.

    Lambda goes on from there (the lowest failed sequence number), so that whatever was announced behind it would be
    announced again.
    """
    for record in event["Records"]:
        if not _announce(record):
            return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]}
    return {"batchItemFailures": []}


def _announce(record: dict[str, Any]) -> bool:
    """Announce what a record tells; False where it is to be delivered again."""
    is_read = False
    try:
        message = _message(record["dynamodb"])
        is_read = True
        if message is not None:
            client, topic = _tools()
            client.publish(TopicArn=topic, **message)
            logger.info("ending announced", task_id=_task_id(record))
    except Exception as error:  # noqa: BLE001 - the answer to Lambda is all that would tell of it
        is_hopeless = (isinstance(error, _UNREADABLE) and not is_read) or cause_of(error) in _NEVER_TAKEN
        metrics.add_metric("AnnounceRefused" if is_hopeless else "AnnounceFailures", MetricUnit.Count, 1)
        what = "an ending that cannot be announced is passed over" if is_hopeless else "not announced; delivered again"
        logger.error(  # noqa: TRY400 - see intake.handler
            what, task_id=_task_id(record), event_id=record.get("eventID"), cause=cause_of(error)
        )
        return is_hopeless
    return True


def _task_id(record: dict[str, Any]) -> str:
    return str(record["dynamodb"].get("Keys", {}).get("task_id", {}).get("S", ""))


def _message(change: dict[str, Any]) -> dict[str, Any] | None:
    said = announcement(read_item(change.get("OldImage", {})), read_item(change.get("NewImage", {})))
    if said is None:
        return None
    if not isinstance(said["status"], str) or not said["status"]:
        raise TypeError
    # Subscribers filter on it, for example for all but SUCCESS.
    attributes = {"status": {"DataType": "String", "StringValue": said["status"]}}
    return {"Message": json.dumps(said, allow_nan=False), "MessageAttributes": attributes}


@cache
def _tools() -> "tuple[SNSClient, str]":
    settings = AnnouncerSettings.load(os.environ)
    return boto3.client("sns", config=CLIENT_CONFIG), settings.task_ended_topic


with suppress(ConfigurationError):  # see poller.handler
    _tools()
