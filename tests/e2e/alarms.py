"""What CloudWatch would know of a local stack, which the local AWS does not publish, and its alarms, to be judged.

The metrics of the functions are read out of their logs, as CloudWatch does. Of Lambda's own, the local AWS counts
Errors and Throttles of invocations over its API; Invocations and Duration are in the logs. There are none of SQS. What
takes longer than a test may is brought by it: as what goes on, or as what AWS would publish then.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.local.stack import STACK_NAME
from tests.cloudwatch import MINUTE, Alarm, Metric, Metrics
from tests.template import ROOT, load, of_type

if TYPE_CHECKING:
    from infra.local.stack import LocalStack

FUNCTIONS = ("IntakeFunctionName", "PollerFunctionName", "CopierFunctionName", "AnnouncerFunctionName")
WRITTEN = of_type("AWS::CloudWatch::Alarm", load(ROOT / "infra/observability.yaml"))
_REPORT = re.compile(r"^REPORT RequestId: \S+\s+Duration: ([\d.]+) ms")


@dataclass(frozen=True)
class Point:
    """Values of a metric at a time in epoch seconds; a line of a log may hold several."""

    metric: Metric
    at: float
    values: tuple[float, ...]


def logged(stack: "LocalStack") -> Iterator[Point]:
    """Yield what the functions have written of metrics so far, as CloudWatch's embedded format says."""
    for function in FUNCTIONS:
        for line in stack.logs(function):
            if '"_aws"' in line:
                yield from _embedded(json.loads(line))


def _embedded(line: dict[str, Any]) -> Iterator[Point]:
    at = line["_aws"]["Timestamp"] / 1000
    for directive in line["_aws"]["CloudWatchMetrics"]:
        (names,) = directive["Dimensions"]
        dimensions = frozenset((name, line[name]) for name in names)
        for metric in directive["Metrics"]:
            value = line[metric["Name"]]
            values = value if isinstance(value, list) else [value]
            yield Point(Metric(directive["Namespace"], metric["Name"], dimensions), at, tuple(values))


def published(stack: "LocalStack") -> Iterator[Point]:
    """Yield what Lambda would have published of the functions so far."""
    for output in FUNCTIONS:
        function = stack.outputs[output]
        for at, line in _timed_log(stack, function):
            if found := _REPORT.match(line):
                yield Point(of_function("Invocations", function), at, (1,))
                yield Point(of_function("Duration", function), at, (float(found[1]),))
        for name in ("Errors", "Throttles"):
            yield from _counted(stack, of_function(name, function))


def of_function(name: str, function: str) -> Metric:
    return Metric("AWS/Lambda", name, frozenset({("FunctionName", function)}))


def of_queue(name: str, queue: str) -> Metric:
    return Metric("AWS/SQS", name, frozenset({("QueueName", queue)}))


def _timed_log(stack: "LocalStack", function: str) -> Iterator[tuple[float, str]]:
    settings = stack.aws.functions.get_function_configuration(FunctionName=function)["LoggingConfig"]
    for page in stack.aws.logs.get_paginator("filter_log_events").paginate(logGroupName=settings["LogGroup"]):
        for event in page["events"]:
            yield from ((event["timestamp"] / 1000, line) for line in event["message"].splitlines())


def _counted(stack: "LocalStack", metric: Metric) -> Iterator[Point]:
    now = datetime.now(UTC)
    answer = stack.aws.cloudwatch.get_metric_statistics(
        Namespace=metric.namespace,
        MetricName=metric.name,
        Dimensions=[{"Name": name, "Value": value} for name, value in metric.dimensions],
        StartTime=now - timedelta(hours=3),
        EndTime=now + timedelta(minutes=1),
        Period=MINUTE,
        Statistics=["Sum"],
    )
    return (Point(metric, point["Timestamp"].timestamp(), (point["Sum"],)) for point in answer["Datapoints"])


def going_on(points: Iterable[Point], since: float, until: float, minutes: int) -> Iterator[Point]:
    """Yield what was published between two times, and the same for so many minutes more."""
    chosen = [point for point in points if since <= point.at <= until]
    return (replace(point, at=point.at + MINUTE * number) for point in chosen for number in range(minutes))


def metrics_of(points: Iterable[Point]) -> Metrics:
    metrics = Metrics()
    for point in points:
        metrics.add(point.metric, point.at, *point.values)
    return metrics


def deployed(stack: "LocalStack") -> dict[str, Alarm]:
    """Return the alarms by their logical names, with what the deployed stack has given them to watch."""
    stacks = stack.aws.cloudformation.describe_stacks()["Stacks"]
    (parameters,) = [s["Parameters"] for s in stacks if s["StackName"].startswith(f"{STACK_NAME}-Observability-")]
    given = {each["ParameterKey"]: each["ParameterValue"] for each in parameters}
    return {name: Alarm.read(properties, given) for name, properties in WRITTEN.items()}
