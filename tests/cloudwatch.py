"""CloudWatch's part in alarms, as AWS documents it: what an expression makes of metrics, and when an alarm rings.

Below docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring:

* An alarm is judged each minute, over periods that end then (alarm-evaluation.html).
* It looks at more points than it evaluates. While there are enough real ones among them, the newest of these are
  judged; only else the missing ones count, as TreatMissingData says (alarms-and-missing-data.html).
* FILL makes points of what is missing; any other expression on a missing point has none (using-metric-math.html).
* A metric with other dimensions is another metric (cloudwatch_concepts.html).
"""

import ast
import operator
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

MINUTE = 60
_STATISTICS: dict[str, Callable[[list[float]], float]] = {"Sum": sum, "Maximum": max, "Minimum": min}
_BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
}
_OPERATORS: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Gt: operator.gt,
    ast.Eq: operator.eq,
    ast.And: min,
}


@dataclass(frozen=True)
class Metric:
    """One metric of one thing."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Series:
    """A metric and what is made of its values within a period."""

    metric: Metric
    statistic: str


class Metrics:
    """The values of metrics, kept by the minute as CloudWatch does; times in epoch seconds."""

    def __init__(self) -> None:
        self._minutes: defaultdict[Metric, defaultdict[int, list[float]]] = defaultdict(lambda: defaultdict(list))

    def add(self, metric: Metric, at: float, *values: float) -> None:
        self._minutes[metric][int(at // MINUTE) * MINUTE] += values

    def point(self, series: Series, start: int, end: int) -> float | None:
        minutes = self._minutes[series.metric]
        values = [value for minute in range(start, end, MINUTE) if minute in minutes for value in minutes[minute]]
        return _STATISTICS[series.statistic](values) if values else None


@dataclass(frozen=True)
class Alarm:
    """An alarm as a template defines it; `series` by the names that the expression gives them, `period` in seconds."""

    expression: str
    series: dict[str, Series]
    period: int
    evaluated: int
    to_alarm: int
    threshold: float
    comparison: str
    missing: str

    @classmethod
    def read(cls, properties: Mapping[str, Any], parameters: Mapping[str, str]) -> Self:
        """Read the properties of a template's alarm, with the values of the parameters that it refers to."""
        queries = properties.get("Metrics") or [{"Id": "it", "MetricStat": _simple(properties)}]
        stats = {query["Id"]: query["MetricStat"] for query in queries if "MetricStat" in query}
        (shown,) = [query for query in queries if query.get("ReturnData", True)]
        (period,) = {stat["Period"] for stat in stats.values()}
        return cls(
            expression=shown.get("Expression", shown["Id"]),
            series={name: Series(_metric(stat["Metric"], parameters), stat["Stat"]) for name, stat in stats.items()},
            period=period,
            evaluated=properties["EvaluationPeriods"],
            to_alarm=properties.get("DatapointsToAlarm", properties["EvaluationPeriods"]),
            threshold=properties["Threshold"],
            comparison=properties["ComparisonOperator"],
            missing=properties["TreatMissingData"],
        )

    def rings(self, metrics: Metrics, now: int, further: int) -> bool:
        """Tell whether it is in ALARM; it looks `further` points back than it evaluates, AWS does not say how many."""
        ends = [now - self.period * number for number in range(self.evaluated + further)]
        real = [point for end in ends if (point := self._point(metrics, end)) is not None][: self.evaluated]
        breaching = sum(_BREACHES[self.comparison](point, self.threshold) for point in real)
        filled = self.evaluated - len(real) if self.missing == "breaching" else 0
        return breaching + filled >= self.to_alarm

    def minutes(self, metrics: Metrics, since: int, until: int, further: int) -> Iterator[int]:
        """Yield the minutes at which it is in ALARM, in epoch seconds."""
        return (now for now in range(since, until + 1, MINUTE) if self.rings(metrics, now, further))

    def _point(self, metrics: Metrics, end: int) -> float | None:
        values = {name: metrics.point(series, end - self.period, end) for name, series in self.series.items()}
        return _value(_parsed(self.expression), values)


@cache
def _parsed(expression: str) -> ast.AST:
    return ast.parse(expression.replace(" AND ", " and "), mode="eval").body


def _simple(properties: Mapping[str, Any]) -> dict[str, Any]:
    metric = {name: properties[name] for name in ("Namespace", "MetricName", "Dimensions")}
    return {"Metric": metric, "Stat": properties["Statistic"], "Period": properties["Period"]}


def _metric(metric: Mapping[str, Any], parameters: Mapping[str, str]) -> Metric:
    dimensions = {(each["Name"], parameters[each["Value"]["Ref"]]) for each in metric["Dimensions"]}
    return Metric(metric["Namespace"], metric["MetricName"], frozenset(dimensions))


def _value(node: ast.AST, values: Mapping[str, float | None]) -> float | None:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.Name(id=name):
            return values[name]
        case ast.Call(func=ast.Name(id="FILL"), args=[series, filling]):
            found = _value(series, values)
            return _value(filling, values) if found is None else found
        case ast.Call(func=ast.Name(id="IF"), args=[condition, then, otherwise]):
            found = _value(condition, values)
            return None if found is None else _value(then if found else otherwise, values)
        case ast.Call(func=ast.Name(id="MAX"), args=[ast.List(elts=several)]):
            return max((point for each in several if (point := _value(each, values)) is not None), default=None)
        case ast.BinOp(left=one, op=op, right=other) | ast.Compare(left=one, ops=[op], comparators=[other]):
            return _both(op, _value(one, values), _value(other, values))
        case ast.BoolOp(op=op, values=[one, other]):
            return _both(op, _value(one, values), _value(other, values))
    raise AssertionError(f"no expression of CloudWatch: {ast.unparse(node)}")


def _both(op: ast.AST, one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else _OPERATORS[type(op)](one, other)
