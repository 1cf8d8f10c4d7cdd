"""Copier: stores one finished video and closes its task."""

import os
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import BotoCoreError, ClientError
from shared.api_key import ssm_api_key
from shared.aws import CLIENT_CONFIG, cause
from shared.comet_api import CometApi, Report
from shared.errors import ConfigurationError, CopyInterrupted, VideoRefused
from shared.lifecycle import Limits, close, miss_handoff, refuse_copy
from shared.settings import CopierSettings
from shared.task import Change, Task
from shared.task_table import TaskTable

from copier.copy import copy_video
from copier.video_bucket import StoredObject, VideoBucket
from copier.video_source import UrlExpired, VideoSource

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()

_SECONDS_TO_FINISH = 15
"""Kept free before Lambda's time-out, to abort the upload and to write the task."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What copies work with."""

    table: TaskTable
    bucket: VideoBucket
    source: VideoSource
    api: CometApi
    max_bytes: int
    limits: Limits


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> None:
    """Copy the video of `event` (`task_id`, `video_url`) and close its task, or write why not."""
    try:
        task_id, url = str(event["task_id"]), str(event["video_url"])
        tools = _tools()
    except (KeyError, ConfigurationError) as error:
        metrics.add_metric("ConfigurationErrors", MetricUnit.Count, 1)
        logger.error("nothing was copied: %s", error)  # noqa: TRY400 - the sentence says it all
        return
    logger.append_keys(task_id=task_id)
    task = tools.table.get(task_id)
    if task is None or task.pending_since is None:
        logger.info("nothing to do: the task was deleted, or has ended")
        return
    change = _copy(tools, task, url, context)
    if not tools.table.write(change):
        logger.info("the task was deleted or put again meanwhile")


def _copy(tools: Tools, task: Task, url: str, context: "LambdaContext") -> Change:
    started = time.time()

    def seconds_left() -> float:
        return context.get_remaining_time_in_millis() / 1000 - _SECONDS_TO_FINISH

    def attempt(url: str) -> StoredObject:
        return copy_video(task, url, tools.source, tools.bucket, tools.max_bytes, seconds_left)

    try:
        try:
            stored = attempt(url)
        except UrlExpired:
            stored = attempt(_fresh_url(tools.api, task))
    except VideoRefused as error:
        metrics.add_metric("CopiesRefused", MetricUnit.Count, 1)
        logger.warning("copy refused", code=error.code, reason=error.message)
        return refuse_copy(task, error, int(time.time()), tools.limits)
    except CopyInterrupted as error:
        return _interrupted(task, error)
    except (BotoCoreError, ClientError) as error:
        return _interrupted(task, CopyInterrupted("aws", f"S3 did not take the video ({cause(error)})."))
    _measure(task, stored, started)
    return close(task, stored.uri, stored.size, stored.etag, int(time.time()), tools.limits)


def _interrupted(task: Task, error: CopyInterrupted) -> Change:
    metrics.add_metric("CopiesInterrupted", MetricUnit.Count, 1)
    logger.warning("copy interrupted; the task is handed off again", code=error.code, reason=error.message)
    return miss_handoff(task, error, int(time.time()))


def _fresh_url(api: CometApi, task: Task) -> str:
    answer = api.ask(task.task_id)
    if isinstance(answer, Report) and answer.video_url:
        return answer.video_url
    raise CopyInterrupted("url_expired", "The video URL has expired and CometAPI gave no fresh one.")


def _measure(task: Task, stored: StoredObject, started: float) -> None:
    metrics.add_metric("VideosStored", MetricUnit.Count, 1)
    metrics.add_metric("VideoBytes", MetricUnit.Bytes, stored.size)
    metrics.add_metric("CopySeconds", MetricUnit.Seconds, time.time() - started)
    completed_at = task.item.get("completed_at")
    if completed_at:
        seconds = max(0.0, time.time() - float(completed_at))
        metrics.add_metric("SecondsFromCompletionToStored", MetricUnit.Seconds, seconds)
    logger.info("video stored", s3_uri=stored.uri, size=stored.size)


@cache
def _tools() -> Tools:
    settings = CopierSettings.load(os.environ)
    key = ssm_api_key(settings.cometapi_key_parameter)
    return Tools(
        table=TaskTable(boto3.client("dynamodb", config=CLIENT_CONFIG), settings.tasks_table),
        bucket=VideoBucket(boto3.client("s3", config=CLIENT_CONFIG), settings.videos_bucket),
        source=VideoSource(allow_insecure=settings.allow_insecure_video_urls),
        api=CometApi(settings.cometapi_base_url, key, connections=1),
        max_bytes=settings.max_video_bytes,
        limits=Limits(deadline_seconds=0, retention_seconds=settings.retention_days * 86400),
    )
