"""Poller: a tick of the schedule plans the rounds of its minute; a tick and each message of the queue runs one."""

import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config

from poller.round import Tools
from poller.worker import Done, Polling, Worker
from shared.api_key import ssm_api_key
from shared.aws import CLIENT_CONFIG
from shared.comet_api import CometApi
from shared.errors import BadMessage, ConfigurationError
from shared.lifecycle import Limits
from shared.queues import Queues, RoundMessage, sqs_messages
from shared.settings import PollerSettings
from shared.task_table import TaskTable

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()

_SECONDS_TO_FINISH = 30
"""Kept free before Lambda's time-out: the last answer may take 15 s, a look-up of the key 7, and then it is written."""


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handler(event: object, context: "LambdaContext") -> None:
    """Run the round that a message asks for; whatever else comes is a tick, which plans a minute's."""
    stop_at = time.time() + context.get_remaining_time_in_millis() / 1000 - _SECONDS_TO_FINISH
    messages = sqs_messages(event)
    try:
        for message in messages:
            _round(message, stop_at)
        if not messages:
            _report("tick done", _worker().tick(event, stop_at))
    except ConfigurationError as error:
        metrics.add_metric("ConfigurationErrors", MetricUnit.Count, 1)
        logger.error("nothing was polled and no task was changed: %s", error)  # noqa: TRY400 - the sentence says it all


def _round(message: Mapping[str, Any], stop_at: float) -> None:
    try:
        asked = RoundMessage.read(message["body"], time.time())
    except BadMessage as error:
        metrics.add_metric("BadMessages", MetricUnit.Count, 1)
        logger.error("message dropped: %s", error, message_id=message["messageId"])  # noqa: TRY400 - see handler
    else:
        _report("round done", _worker().round(asked, stop_at))


def _report(what: str, done: Done) -> None:
    for name, count in done.items():
        metrics.add_metric(name, MetricUnit.Seconds if name.endswith("Seconds") else MetricUnit.Count, count)
    logger.info(what, counts=done)


@cache
def _worker() -> Worker:
    settings = PollerSettings.load(os.environ)
    key = ssm_api_key(settings.cometapi_key_parameter)
    key.value()  # says at the first tick, not at the first task, that there is none
    connections = CLIENT_CONFIG.merge(Config(max_pool_connections=settings.max_concurrent_polls))
    base_url, allow_insecure = settings.cometapi_base_url, settings.allow_insecure_video_urls
    tools = Tools(
        api=CometApi(base_url, key, settings.max_concurrent_polls, allow_insecure=allow_insecure),
        table=TaskTable(boto3.client("dynamodb", config=connections), settings.tasks_table),
        queues=Queues(boto3.client("sqs", config=connections), settings.rounds_queue, settings.copies_queue),
        executor=ThreadPoolExecutor(settings.max_concurrent_polls),
        limits=Limits(settings.task_deadline_hours * 3600, settings.retention_days * 86400),
    )
    polling = Polling(
        interval=settings.poll_interval_seconds,
        most_concurrent=settings.max_concurrent_polls,
        tasks_per_worker=settings.tasks_per_worker,
        most_workers=settings.max_workers,
    )
    return Worker(tools, polling, key)


with suppress(ConfigurationError):  # an invocation says it; init runs at full speed, invocations at their share
    _worker()
