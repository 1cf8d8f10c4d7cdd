"""Intake: reads the table's stream and admits what was inserted, put again, or set to RETRY."""

import os
import time
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from botocore.exceptions import BotoCoreError, ClientError

from intake.admission import admit
from shared.aws import CLIENT_CONFIG, cause_of
from shared.errors import ConfigurationError
from shared.lifecycle import Limits
from shared.settings import TableSettings
from shared.task import Change, Status
from shared.task_table import TaskTable, is_too_large, read_item

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_TOO_LARGE = (
    "change not written, the task is not admitted: DynamoDB refuses to change the item, most likely because it is "
    "almost 400 KB large; take out of it what the service does not need"
)

logger = Logger()
metrics = Metrics()
processor = BatchProcessor(EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> Any:  # noqa: ANN401 - a partial batch response
    """Admit the items of a batch of stream records; those that fail are delivered again."""
    return process_partial_response(event=event, record_handler=_admit, processor=processor, context=context)


def _admit(record: dict[str, Any]) -> None:
    try:
        _admit_item(record["dynamodb"].get("NewImage"))
    except Exception as error:
        # The answer to Lambda says which records failed, and neither Lambda's metrics nor its log say a word of it.
        is_setting = isinstance(error, ConfigurationError)
        metrics.add_metric("ConfigurationErrors" if is_setting else "IntakeFailures", MetricUnit.Count, 1)
        logger.error("record not read; delivered again", event_id=record.get("eventID"), cause=cause_of(error))  # noqa: TRY400 - it may hold what the item holds
        raise


def _admit_item(image: dict[str, Any] | None) -> None:
    if image is None:
        return  # the owner deleted the item: the task is cancelled
    table, limits = _tools()
    change = admit(read_item(image), int(time.time()), limits)
    if change is None or not _write(table, change):
        return
    is_valid = change.set["status"] != Status.INVALID
    metrics.add_metric("TasksAdmitted" if is_valid else "TasksInvalid", MetricUnit.Count, 1)
    logger.info("task admitted" if is_valid else "task invalid", task_id=change.task_id, error=change.set.get("error"))


def _write(table: TaskTable, change: Change) -> bool:
    try:
        return table.write(change)
    except (BotoCoreError, ClientError) as error:
        metrics.add_metric("TableErrors", MetricUnit.Count, 1)
        if is_too_large(error):
            # Delivered again, it would fail for as long as the stream keeps it, and keep back all behind it.
            metrics.add_metric("ItemsTooLarge", MetricUnit.Count, 1)
            logger.error(_TOO_LARGE, task_id=change.task_id)  # noqa: TRY400 - the sentence says it all
            return False
        raise


@cache
def _tools() -> tuple[TaskTable, Limits]:
    settings = TableSettings.load(os.environ)
    table = TaskTable(boto3.client("dynamodb", config=CLIENT_CONFIG), settings.tasks_table)
    return table, Limits(deadline_seconds=0, retention_seconds=settings.retention_days * 86400)


with suppress(ConfigurationError):  # see poller.handler
    _tools()
