"""Copier: copies the video of one finished task into the bucket and closes the task."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import BotoCoreError, ClientError

from copier.connection import trusted_authorities
from copier.copy import Copier
from copier.video import HostRules
from copier.video_bucket import S3_CONFIG, VideoBucket
from copier.video_host import Source
from copier.watch import Deadline
from shared.api_key import ApiKey, ssm_api_key
from shared.aws import CLIENT_CONFIG, cause_of
from shared.comet_api import content_url, normal_base
from shared.errors import BadMessage, ConfigurationError, CopyInterrupted, VideoRefused
from shared.lifecycle import Limits, begin_copy, close, interrupt_copy, refuse_copy
from shared.queues import CopyMessage, draw_lease, sqs_messages
from shared.settings import CopierSettings
from shared.task import Change, Item, Status, Task
from shared.task_table import TaskTable, is_too_large

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from urllib3.util import Url

logger = Logger()
metrics = Metrics()

_SECONDS_TO_FINISH = 15
"""Kept free before Lambda's time-out, to abort an upload and write down what happened."""
_MOST_TOKENS = 2**53
"""A metric takes no number that is larger."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a warm Lambda keeps from one task to the next."""

    table: TaskTable
    copier: Copier
    limits: Limits
    base: "Url"
    """CometAPI's, whose content route is the only place where the key may go."""
    key: ApiKey


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Copy the videos of the queue's messages; those that the table had no word on come back as failed."""
    failed = []
    for record in sqs_messages(event) or [{}]:
        message_id = record.get("messageId")
        try:
            message = CopyMessage.read(str(record.get("body")))
            settle(_tools(), message, context.get_remaining_time_in_millis() / 1000)
        except BadMessage as error:
            _count("BadMessages")
            logger.error("message dropped: %s", error, message_id=message_id)  # noqa: TRY400 - it says it all
        except (ConfigurationError, BotoCoreError, ClientError) as error:
            _count("ConfigurationErrors" if isinstance(error, ConfigurationError) else "TableErrors")
            if not isinstance(error, ConfigurationError) and is_too_large(error):
                _count("ItemsTooLarge")
            logger.error("task not settled, the message comes back: %s", cause_of(error))  # noqa: TRY400 - see above
            failed.append({"itemIdentifier": message_id})
    return {"batchItemFailures": failed}


def settle(tools: Tools, message: CopyMessage, seconds: float) -> None:
    """Copy within `seconds` and write down the outcome; a message whose word is not the lease's changes nothing."""
    logger.append_keys(task_id=message.task_id)
    deadline = Deadline(seconds - _SECONDS_TO_FINISH)  # of which the table may take a good part
    task = tools.table.get(message.task_id)
    if task is None or task.pending_since is None or task.lease != message.lease:
        logger.info("nothing to copy: the task was cancelled, has ended, or is another message's")
        return
    begun = begin_copy(task, message.lease, draw_lease(), _now(), seconds)
    if not tools.table.write(begun):
        logger.info("nothing to copy: another message was faster")
        return
    outcome = _outcome(tools, task.after(begun), message, deadline)
    if not tools.table.write(outcome):
        logger.info("the task was cancelled or replaced meanwhile; it is left as it is")
        return
    _measure(task, outcome.set)


def _outcome(tools: Tools, task: Task, message: CopyMessage, deadline: Deadline) -> Change:
    started = time.monotonic()
    try:
        source = Source(message.video_url, content_url(tools.base, task.task_id), tools.key)
        stored = tools.copier.copy(task, source, deadline)
    except VideoRefused as error:
        logger.warning("not copied: %s", error, code=error.code)
        return refuse_copy(task, error, _now(), tools.limits)
    except (CopyInterrupted, BotoCoreError, ClientError) as error:
        s3_error = f"S3 did not store the video ({cause_of(error)})."
        trouble = error if isinstance(error, CopyInterrupted) else CopyInterrupted("s3_error", s3_error)
        logger.warning("not copied, and tried again later: %s", trouble, code=trouble.code)
        return interrupt_copy(task, trouble, _now())
    logger.info("video stored", s3_uri=stored.uri, size=stored.size, seconds=round(time.monotonic() - started, 3))
    said: dict[str, Any] = {"s3_uri": stored.uri, "size": stored.size, "etag": stored.etag}
    if message.last_frame_url:
        last_frame = tools.copier.copy_last_frame(task, message.last_frame_url, deadline)
        logger.info("last frame: %s", last_frame)
        result = task.item.get("result")
        said["result"] = {**(result if isinstance(result, Mapping) else {}), "last_frame": last_frame}
    return close(task, said, _now(), tools.limits)


def _measure(task: Task, outcome: Item) -> None:
    """Count what became of a copy, of a stored video also what its render cost where that is told."""
    if outcome.get("status") != Status.SUCCESS:
        _count("TasksCopyFailed" if "ended_at" in outcome else "CopyInterrupted")
        return
    _count("VideosStored")
    metrics.add_metric("VideoBytes", MetricUnit.Bytes, outcome["size"])
    completed_at, result = task.item.get("completed_at"), task.item.get("result")
    if isinstance(completed_at, Decimal):
        metrics.add_metric("SecondsFromCompletionToStored", MetricUnit.Seconds, max(0, _now() - int(completed_at)))
    usage = result.get("usage") if isinstance(result, Mapping) else None
    told = [usage.get(name) for name in ("total_tokens", "completion_tokens")] if isinstance(usage, Mapping) else []
    tokens = [int(value) for value in told if isinstance(value, Decimal) and 0 < value < _MOST_TOKENS]
    if tokens:
        _count("RenderTokens", tokens[0])


def _count(metric: str, number: int = 1) -> None:
    metrics.add_metric(metric, MetricUnit.Count, number)


def _now() -> int:
    return int(time.time())


@cache
def _tools() -> Tools:
    settings = CopierSettings.load(os.environ)
    rules = HostRules(max_video_bytes=settings.max_video_bytes, allow_insecure=settings.allow_insecure_video_urls)
    return Tools(
        table=TaskTable(boto3.client("dynamodb", config=CLIENT_CONFIG), settings.tasks_table),
        copier=Copier(VideoBucket(boto3.client("s3", config=S3_CONFIG), settings.videos_bucket), rules),
        limits=Limits(deadline_seconds=0, retention_seconds=settings.retention_days * 86400),
        base=normal_base(settings.cometapi_base_url, settings.allow_insecure_video_urls),
        key=ssm_api_key(settings.cometapi_key_parameter),
    )


trusted_authorities()
with suppress(ConfigurationError):  # an invocation says it; init runs at full speed, invocations at their share
    _tools()
