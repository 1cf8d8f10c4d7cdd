"""Poller: runs the rounds of one tick of the schedule, or of one share of it."""

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from poller.lambdas import Lambdas
from poller.pace import Pace
from poller.round import Tools
from poller.tick import Cadence, Tick
from shared.api_key import ssm_api_key
from shared.aws import CLIENT_CONFIG
from shared.comet_api import CometApi
from shared.errors import ConfigurationError
from shared.lifecycle import Limits
from shared.settings import PollerSettings
from shared.task_table import Segment, TaskTable

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()

_SECONDS_TO_FINISH = 20
"""Kept free before Lambda's time-out: the last answer may take 15 s and has to be written."""


@dataclass(slots=True)
class Worker:
    """What a warm Lambda keeps from one tick to the next."""

    tools: Tools
    cadence: Cadence
    pace: Pace


class WallClock:
    """The real time."""

    now = staticmethod(time.time)
    sleep = staticmethod(time.sleep)


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Poll one share of the pending tasks until the next tick; returns what was done, by metric name."""
    try:
        worker = _worker()
        tick = Tick(worker.tools, worker.cadence, worker.pace, Counter())
        share = Segment(int(event.get("segment", 0)), int(event.get("segments", 1)))
        tick.run(share, context.get_remaining_time_in_millis() / 1000 - _SECONDS_TO_FINISH)
    except ConfigurationError as error:
        metrics.add_metric("ConfigurationErrors", MetricUnit.Count, 1)
        logger.error("nothing was polled and no task was changed: %s", error)  # noqa: TRY400 - the sentence says it all
        return {"error": str(error)}
    worker.pace = tick.pace
    return _report(tick)


def _report(tick: Tick) -> dict[str, Any]:
    for name, count in tick.counts.items():
        metrics.add_metric(name, MetricUnit.Count, count)
    metrics.add_metric("OldestPendingSeconds", MetricUnit.Seconds, tick.oldest_seconds)
    for seconds in tick.round_seconds:
        metrics.add_metric("RoundSeconds", MetricUnit.Seconds, seconds)
    logger.info("tick done", counts=dict(tick.counts), oldest_pending_seconds=tick.oldest_seconds)
    return dict(tick.counts)


@cache
def _worker() -> Worker:
    settings = PollerSettings.load(os.environ)
    key = ssm_api_key(settings.cometapi_key_parameter)
    key.value()  # says at the first tick, not at the first task, that there is none
    table = TaskTable(boto3.client("dynamodb", config=CLIENT_CONFIG), settings.tasks_table)
    poller = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    lambdas = Lambdas(boto3.client("lambda", config=CLIENT_CONFIG), settings.copier_function, poller)
    tools = Tools(
        api=CometApi(settings.cometapi_base_url, key, connections=settings.max_concurrent_polls),
        table=table,
        lambdas=lambdas,
        executor=ThreadPoolExecutor(settings.max_concurrent_polls),
        clock=WallClock(),
        limits=Limits(settings.task_deadline_hours * 3600, settings.retention_days * 86400),
    )
    cadence = Cadence(
        interval=settings.poll_interval_seconds,
        most_concurrent=settings.max_concurrent_polls,
        tasks_per_worker=settings.tasks_per_worker,
    )
    return Worker(tools, cadence, Pace(settings.max_concurrent_polls))
