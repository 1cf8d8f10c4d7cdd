"""CloudWatch's part in alarms, as far as the local one lacks it.

It keeps metrics, those of Lambda's invocations included, but does not read them out of logs, knows no dimensions when
it judges, and never takes missing data for a reason. So the points are taken from the real logs to its PutMetricData,
and each alarm is judged here by what was deployed: metric, dimensions, statistic, period, threshold and comparison.
"""

import json
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.local.stack import STACK_NAME

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import MetricAlarmTypeDef

    from infra.local.stack import LocalStack

FUNCTIONS = ("IntakeFunctionName", "PollerFunctionName", "CopierFunctionName", "AnnouncerFunctionName")
MINUTE = timedelta(minutes=1)
_BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
}
_OVER_MINUTES: dict[str, Callable[[list[float]], float]] = {"Sum": sum, "Maximum": max}


@dataclass(frozen=True)
class Point:
    """One metric of one line of a log; a line may hold several values of it."""

    namespace: str
    name: str
    dimensions: dict[str, str]
    at: datetime
    values: list[float]


def logged(stack: "LocalStack") -> Iterator[Point]:
    """Yield what the functions have written of metrics so far, as CloudWatch's embedded format says."""
    for function in FUNCTIONS:
        for line in stack.logs(function):
            if '"_aws"' in line:
                yield from _points(json.loads(line))


def _points(line: dict[str, Any]) -> Iterator[Point]:
    at = datetime.fromtimestamp(line["_aws"]["Timestamp"] / 1000, UTC)
    for directive in line["_aws"]["CloudWatchMetrics"]:
        (names,) = directive["Dimensions"]
        for metric in directive["Metrics"]:
            value = line[metric["Name"]]
            values = value if isinstance(value, list) else [value]
            yield Point(directive["Namespace"], metric["Name"], {name: line[name] for name in names}, at, values)


def take_to_cloudwatch(stack: "LocalStack") -> None:
    for point in logged(stack):
        dimensions = [{"Name": name, "Value": value} for name, value in point.dimensions.items()]
        stack.aws.cloudwatch.put_metric_data(
            Namespace=point.namespace,
            MetricData=[
                {"MetricName": point.name, "Dimensions": dimensions, "Timestamp": point.at, "Values": point.values}  # type: ignore[typeddict-item]
            ],
        )


def deployed(stack: "LocalStack") -> "dict[str, MetricAlarmTypeDef]":
    """Return the alarms of the stack by their logical names."""
    found = stack.aws.cloudwatch.describe_alarms(AlarmNamePrefix=f"{STACK_NAME}-Observability-")["MetricAlarms"]
    return {alarm["AlarmName"].split("-")[-2]: alarm for alarm in found}


def was_raised(stack: "LocalStack", alarm: "MetricAlarmTypeDef", since: datetime, until: datetime) -> bool:
    """Tell whether an alarm would have been raised between two times, judged each minute as CloudWatch does."""
    period = timedelta(seconds=alarm["Period"] * alarm["EvaluationPeriods"])
    statistic = alarm["Statistic"]
    answer = stack.aws.cloudwatch.get_metric_statistics(
        Namespace=alarm["Namespace"],
        MetricName=alarm["MetricName"],
        Dimensions=alarm["Dimensions"],
        StartTime=since - period,
        EndTime=until + MINUTE,
        Period=60,
        Statistics=[statistic],
    )
    minutes = {point["Timestamp"]: float(point[statistic]) for point in answer["Datapoints"]}
    moments = (since + MINUTE * step for step in range((until - since) // MINUTE + 2))
    return any(_breaches(alarm, [v for at, v in minutes.items() if end - period < at <= end]) for end in moments)


def _breaches(alarm: "MetricAlarmTypeDef", values: list[float]) -> bool:
    if not values:
        return alarm["TreatMissingData"] == "breaching"
    value = _OVER_MINUTES[alarm["Statistic"]](values)
    return _BREACHES[alarm["ComparisonOperator"]](value, alarm["Threshold"])
