"""Holds the code, the table of metrics, the dashboard, the alarms and the runbook to each other."""

import ast
import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from shared.comet_api import Answer
from shared.task import Status
from shared.task_table import PENDING_INDEX
from tests import runbook
from tests.cloudwatch import Alarm, Metric
from tests.template import ROOT, load, of_type

TEMPLATE = load(ROOT / "infra/observability.yaml")
ALARMS = of_type("AWS::CloudWatch::Alarm", TEMPLATE)
OURS = "SeedancePoller"
# What AWS publishes of each thing, by namespace: the name of its dimension, the things, and the metrics that we use.
FUNCTIONS = {f"{name}Function" for name in ("Intake", "Poller", "Copier", "Announcer")}
QUEUES = {"RoundsQueue", "CopiesQueue", "StreamFailuresQueue"}
MESSAGES = {"ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"}
INVOCATIONS = {"Invocations", "Errors", "Throttles", "Duration", "IteratorAge", "RecursiveInvocationsDropped"}
PUBLISHED = {
    "AWS/Lambda": ("FunctionName", FUNCTIONS, INVOCATIONS),
    "AWS/SQS": ("QueueName", QUEUES, {*MESSAGES, "ApproximateAgeOfOldestMessage"}),
}
# Names that the code puts together: f"Answers{…}" from the kinds of answers, f"Tasks{…}" from the Poller's endings.
ENDINGS = (Status.FAILED, Status.ERROR, Status.NOT_FOUND, Status.EXPIRED, Status.COPY_FAILED)
FAMILIES = {
    "Answers": {f"Answers{kind.__name__}" for kind in get_args(Answer.__value__)},
    "Tasks": {"Tasks" + status.title().replace("_", "") for status in ENDINGS},
}


def emitted() -> set[str]:
    """Return the names of all metrics in the code, from the calls, counters and reports that take them."""
    return set().union(*(emitted_by(path) for path in (ROOT / "functions").rglob("*.py")))


def emitted_by(path: Path) -> set[str]:
    found: set[str] = set()
    reports = path.match("poller/worker.py")  # what was done, by metric name
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(func=ast.Attribute(attr="add_metric" | "_count") | ast.Name(id="_count" | "_report_failure")):
                found |= names(node.args[0])
            case ast.Dict(keys=keys) if reports:
                found |= {name for key in keys if key for name in names(key)}
            case ast.DictComp(key=key) if reports:
                found |= names(key)
    return found


def names(node: ast.AST) -> set[str]:
    match node:
        case ast.Constant(value=str(name)):
            return {name}
        case ast.JoinedStr(values=[ast.Constant(value=str(family)), *_]):
            return FAMILIES[family]
        case ast.IfExp(body=one, orelse=other):
            return names(one) | names(other)
    return set()  # a variable, whose values are found where they come from


def dashboard() -> list[Any]:
    return list(json.loads(TEMPLATE["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Sub"])["widgets"])


def widgets() -> list[list[Any]]:
    """Return the metrics of all widgets in full, `.` and `...` replaced by what they stand for."""
    rows = []
    for widget in dashboard():
        before: list[Any] = []
        for metric in widget["properties"].get("metrics", []):
            row = [part for part in metric if not isinstance(part, dict)]
            if row[0] == "...":
                row = before[: len(before) - len(row) + 1] + row[1:]
            before = [
                above if part == "." else part for part, above in zip(row, before + row[len(before) :], strict=False)
            ]
            rows.append(before)
    return rows


def test_every_metric_of_the_code_is_documented_and_no_other() -> None:
    assert set(runbook.metrics()) == emitted()


def test_every_metric_has_a_widget_and_every_widget_a_metric() -> None:
    shown = [row for row in widgets() if row[0] == OURS]
    assert {row[1] for row in shown} == emitted()
    assert all(row[2:] == ["service", "${Service}"] for row in shown)


def test_the_other_widgets_show_this_stack_alone() -> None:
    for namespace, name, *dimensions in widgets():
        match namespace:
            case "AWS/Lambda" | "AWS/SQS":
                dimension, things, published = PUBLISHED[namespace]
                assert name in published
                assert dimensions[0] == dimension
                assert dimensions[1].strip("${}") in things
            case "AWS/DynamoDB":
                reads = ["GlobalSecondaryIndexName", PENDING_INDEX] if name == "ConsumedReadCapacityUnits" else []
                assert dimensions == ["TableName", "${TasksTable}", *reads]
            case _:
                assert namespace == OURS


GAUGES = {
    "PendingTasks": {"Maximum"},
    "OldestPendingSeconds": {"Maximum"},
    "RoundSeconds": {"Maximum"},
    "IteratorAge": {"Maximum"},
    "ApproximateNumberOfMessagesVisible": {"Maximum"},
    "ApproximateNumberOfMessagesNotVisible": {"Maximum"},
    "ApproximateAgeOfOldestMessage": {"Maximum"},
    "SecondsFromCompletionToStored": {"p50", "p99"},
}
"""What is no count, so that no sum of it means anything."""


def test_counts_are_summed_and_nothing_else_is() -> None:
    own = [
        row[-1].get("stat", widget["properties"]["stat"]) if isinstance(row[-1], dict) else widget["properties"]["stat"]
        for widget in dashboard()
        for row in widget["properties"].get("metrics", [])
    ]
    shown: dict[str, set[str]] = {}
    for row, stat in zip(widgets(), own, strict=True):
        shown.setdefault(row[1], set()).add(stat)
    assert shown == {name: GAUGES.get(name, {"Sum"}) for name in shown}


def test_every_widget_looks_at_the_region_of_the_stack() -> None:
    regions = {widget["properties"]["region"] for widget in dashboard() if widget["type"] == "metric"}
    assert regions == {"${AWS::Region}"}


def test_every_widget_fits_into_the_dashboard() -> None:
    """AmazonCloudWatch, CloudWatch-Dashboard-Body-Structure.html: 24 columns; a wider one is refused."""
    assert all(1 <= widget["width"] <= 24 for widget in dashboard())


def test_the_address_of_the_dashboard_names_it() -> None:
    address, _ = TEMPLATE["Outputs"]["DashboardUrl"]["Value"]["Sub"]
    assert address.endswith("#dashboards:name=${Dashboard}")


def in_partition(partition: str, value: Any) -> Any:
    """Return what CloudFormation makes of a value that depends on the partition."""
    if not isinstance(value, dict):
        return value
    condition, then, otherwise = value["If"]
    asked, wanted = TEMPLATE["Conditions"][condition]["Equals"]
    assert asked == {"Ref": "AWS::Partition"}
    return in_partition(partition, then if partition == wanted else otherwise)


@pytest.mark.parametrize(
    ("partition", "domain"),
    [("aws", "aws.amazon.com"), ("aws-cn", "amazonaws.cn"), ("aws-us-gov", "amazonaws-us-gov.com")],
)
def test_the_address_of_the_dashboard_is_in_the_console_of_its_partition(partition: str, domain: str) -> None:
    address, variables = TEMPLATE["Outputs"]["DashboardUrl"]["Value"]["Sub"]
    assert address.startswith("https://${AWS::Region}.console.${Domain}/")
    assert in_partition(partition, variables["Domain"]) == domain


def watched(alarm: str) -> list[Metric]:
    parameters = {name: name for name in TEMPLATE["Parameters"]}
    return [series.metric for series in Alarm.read(ALARMS[alarm], parameters).series.values()]


@pytest.mark.parametrize("alarm", ALARMS)
def test_every_alarm_watches_what_is_emitted(alarm: str) -> None:
    for metric in watched(alarm):
        ((dimension, thing),) = metric.dimensions
        if metric.namespace == OURS:
            assert metric.name in emitted()
            assert (dimension, thing) == ("service", "Service")
        else:
            name, things, published = PUBLISHED[metric.namespace]
            assert metric.name in published
            assert dimension == name
            assert thing in things
    assert ALARMS[alarm]["AlarmActions"] == [{"Ref": "AlarmTopic"}]


def test_every_parameter_is_given_and_used() -> None:
    given = of_type("AWS::Serverless::Application")["Observability"]["Parameters"]
    assert given.keys() == TEMPLATE["Parameters"].keys()
    text = (ROOT / "infra/observability.yaml").read_text()
    assert all(f"!Ref {name}" in text or f"${{{name}}}" in text for name in given)


@pytest.mark.parametrize("alarm", ALARMS)
def test_every_alarm_says_what_it_means_and_what_to_do(alarm: str) -> None:
    meaning, *advice = re.findall(r"[A-Z][^.]+\.", ALARMS[alarm]["AlarmDescription"])
    assert meaning
    assert any(re.match(r"(Resume|Read|Store|See|Mend|Retry|Raise|Look)\b", sentence) for sentence in advice)


@pytest.mark.parametrize("alarm", ["TasksNotFound", "TasksExpired", "CopiesFailed"])
def test_what_is_lost_while_an_alarm_rings_is_said_to_be_told_once(alarm: str) -> None:
    assert "It is told once for as long as it goes on." in ALARMS[alarm]["AlarmDescription"]


def test_the_runbook_knows_every_alarm_and_no_other() -> None:
    assert set(runbook.alarms()) == set(ALARMS)


@pytest.mark.parametrize("alarm", ALARMS)
def test_the_runbook_says_where_to_look_and_how_to_cure(alarm: str) -> None:
    entry = runbook.alarms()[alarm]
    assert f"{entry.function}=$(output " in runbook.PREAMBLE
    assert entry.cures
    assert set(entry.cures) <= set(runbook.commands())


def test_the_runbook_counts_what_is_paid_for() -> None:
    costs = runbook.section("Metrics").partition("**What it costs:**")[2]
    metrics, alarms = len(runbook.metrics()), sum(len(watched(alarm)) for alarm in ALARMS)
    assert f"{metrics} metrics are ${metrics * 0.3:.2f}" in costs
    assert f"{len(ALARMS)} alarms are ${alarms * 0.1:.2f}" in " ".join(costs.split())


@pytest.mark.parametrize("alarm", ALARMS)
def test_the_query_of_every_alarm_finds_a_text_of_the_code(alarm: str) -> None:
    """The end-to-end tests run them; this one is fast, and names the words that were changed."""
    pattern = runbook.alarms()[alarm].pattern
    code = "".join(path.read_text() for path in (ROOT / "functions").rglob("*.py"))
    assert pattern == runbook.CRASHES or pattern in re.sub(r'"\s+"', "", code)


def test_whoever_copies_a_query_out_of_the_raw_file_gets_it_right() -> None:
    """Markdown wants a `|` in a table escaped, which would then stand in the query."""
    assert "\\|" not in runbook.section("Alarms")


@pytest.mark.parametrize("line", ["TIMED_OUT", "PLATFORM", "CRASH"])
def test_the_query_for_crashes_finds_time_outs(line: str) -> None:
    lines = {
        "TIMED_OUT": "2026-04-19T03:00:00.000Z 3f1 Task timed out after 90.00 seconds",
        "PLATFORM": '{"type":"platform.report","record":{"requestId":"3f1","status":"timeout"}}',
        "CRASH": '{"level":"ERROR","errorType":"Runtime.ExitError","message":"exit status 137"}',
    }
    assert re.search(runbook.CRASHES, lines[line])
