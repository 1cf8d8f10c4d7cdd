"""Copier: copies the video of one finished task into the bucket and closes the task."""

import os
import time
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import BotoCoreError, ClientError

from copier.copy import Copier
from copier.fresh_url import FreshUrls
from copier.patience import Deadline
from copier.video_bucket import S3_CONFIG, StoredVideo, VideoBucket
from copier.video_host import HostRules
from shared.aws import CLIENT_CONFIG, cause
from shared.errors import ConfigurationError, CopyError, CopyInterrupted, VideoRefused
from shared.lifecycle import Limits, close, miss_handoff, refuse_copy
from shared.settings import CopierSettings
from shared.task import Change, Task
from shared.task_table import TaskTable

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()

_SECONDS_TO_FINISH = 15
"""Kept free before Lambda's time-out, to abort an upload and write down what happened."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a warm Lambda keeps from one task to the next."""

    table: TaskTable
    copier: Copier
    limits: Limits


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> None:
    """Copy the video of one task and write down what became of it."""
    try:
        task_id, video_url = _read(event)
        settle(_tools(), task_id, video_url, context.get_remaining_time_in_millis() / 1000 - _SECONDS_TO_FINISH)
    except ConfigurationError as error:
        metrics.add_metric("ConfigurationErrors", MetricUnit.Count, 1)
        logger.error("nothing was copied, the task stays pending: %s", error)  # noqa: TRY400 - it says it all
    except (BotoCoreError, ClientError) as error:
        metrics.add_metric("TableErrors", MetricUnit.Count, 1)
        logger.error("no word from the tasks table (%s), a later round hands the task off again", cause(error))  # noqa: TRY400


def settle(tools: Tools, task_id: str, video_url: str, seconds: float) -> None:
    """Copy within `seconds` and write down the outcome; a task that is not pending is left alone."""
    logger.append_keys(task_id=task_id)
    task = tools.table.get(task_id)
    if task is None or task.pending_since is None:
        logger.info("nothing to copy: the task was cancelled or has ended")
        return
    if not tools.table.write(_outcome(tools, task, video_url, seconds)):
        logger.info("the task was cancelled or replaced meanwhile; it is left as it is")


def _outcome(tools: Tools, task: Task, video_url: str, seconds: float) -> Change:
    started = time.monotonic()
    try:
        stored = tools.copier.copy(task, video_url, Deadline(seconds))
    except VideoRefused as error:
        _report_failure("TasksCopyFailed", "not copied: %s", error)
        return refuse_copy(task, error, _now(), tools.limits)
    except CopyInterrupted as error:
        return _interrupted(task, error)
    except (BotoCoreError, ClientError) as error:
        return _interrupted(task, CopyInterrupted("s3_error", f"S3 did not store the video ({cause(error)})."))
    _report_success(task, stored, time.monotonic() - started)
    return close(task, stored.uri, stored.size, stored.etag, _now(), tools.limits)


def _interrupted(task: Task, error: CopyInterrupted) -> Change:
    _report_failure("CopyInterrupted", "not copied, and tried again later: %s", error)
    return miss_handoff(task, error, _now())


def _report_failure(metric: str, message: str, error: CopyError) -> None:
    metrics.add_metric(metric, MetricUnit.Count, 1)
    logger.warning(message, error.message, code=error.code)


def _report_success(task: Task, stored: StoredVideo, seconds: float) -> None:
    metrics.add_metric("VideosStored", MetricUnit.Count, 1)
    metrics.add_metric("VideoBytes", MetricUnit.Bytes, stored.size)
    completed_at = task.item.get("completed_at")
    if isinstance(completed_at, Decimal):
        metrics.add_metric("SecondsFromCompletionToStored", MetricUnit.Seconds, max(0, _now() - int(completed_at)))
    logger.info("video stored", s3_uri=stored.uri, size=stored.size, seconds=round(seconds, 3))


def _read(event: dict[str, Any]) -> tuple[str, str]:
    match event:
        case {"task_id": str(task_id), "video_url": str(video_url)} if task_id and video_url:
            return task_id, video_url
    raise ConfigurationError("The event needs task_id and video_url, as events/copy.json has them.")


def _now() -> int:
    return int(time.time())


@cache
def _tools() -> Tools:
    settings = CopierSettings.load(os.environ)
    fresh_urls = FreshUrls(settings.cometapi_base_url, settings.cometapi_key_parameter)
    rules = HostRules(max_video_bytes=settings.max_video_bytes, allow_insecure=settings.allow_insecure_video_urls)
    bucket = VideoBucket(boto3.client("s3", config=S3_CONFIG), settings.videos_bucket)
    return Tools(
        table=TaskTable(boto3.client("dynamodb", config=CLIENT_CONFIG), settings.tasks_table),
        copier=Copier(bucket, rules, fresh_urls.of),
        limits=Limits(deadline_seconds=0, retention_seconds=settings.retention_days * 86400),
    )
