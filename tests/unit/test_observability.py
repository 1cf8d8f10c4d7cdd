"""Holds the code, the table of metrics, the dashboard, the alarms and the runbook to each other."""

import ast
import json
import re
from typing import Any, get_args

import pytest

from shared.comet_api import Answer
from shared.task import Status
from tests import runbook
from tests.template import ROOT, load

TEMPLATE = load(ROOT / "infra/observability.yaml")
ALARMS = {
    name: resource["Properties"]
    for name, resource in TEMPLATE["Resources"].items()
    if resource["Type"] == "AWS::CloudWatch::Alarm"
}
OURS = "SeedancePoller"
FUNCTIONS = {f"${{{name}Function}}" for name in ("Intake", "Poller", "Copier", "Announcer")}
# Names that the code puts together: f"Answers{…}" from the kinds of answers, f"Tasks{…}" from the Poller's endings.
ENDINGS = (Status.FAILED, Status.ERROR, Status.NOT_FOUND, Status.EXPIRED, Status.COPY_FAILED)
FAMILIES = {
    "Answers": {f"Answers{kind.__name__}" for kind in get_args(Answer.__value__)},
    "Tasks": {"Tasks" + status.title().replace("_", "") for status in ENDINGS},
}


def emitted() -> set[str]:
    """Return the names of all metrics in the code, from the calls and the counters that take them."""
    found: set[str] = set()
    for path in (ROOT / "functions").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr="add_metric" | "_count") | ast.Name(id="_report_failure")):
                    found |= names(node.args[0])
                case ast.Subscript(value=ast.Attribute(attr="counts"), slice=slice_):
                    found |= names(slice_)
                case ast.Call(func=ast.Attribute(attr="update", value=ast.Attribute(attr="counts"))):
                    found |= names(next(key for key in ast.walk(node) if isinstance(key, ast.JoinedStr)))
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


def widgets() -> list[list[Any]]:
    """Return the metrics of all widgets in full, `.` and `...` replaced by what they stand for."""
    body = json.loads(TEMPLATE["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Sub"])
    rows = []
    for widget in body["widgets"]:
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
            case "AWS/Lambda":
                assert name in {"Errors", "Throttles", "Duration", "IteratorAge"}
                assert dimensions[0] == "FunctionName"
                assert dimensions[1] in FUNCTIONS
            case "AWS/DynamoDB":
                assert dimensions[:2] == ["TableName", "${TasksTable}"]
            case _:
                assert namespace == OURS


@pytest.mark.parametrize("alarm", ALARMS)
def test_every_alarm_watches_what_the_code_emits(alarm: str) -> None:
    properties = ALARMS[alarm]
    (dimension,) = properties["Dimensions"]
    if properties["Namespace"] == OURS:
        assert properties["MetricName"] in emitted()
        assert dimension == {"Name": "service", "Value": {"Ref": "Service"}}
    else:
        assert properties["Namespace"] == "AWS/Lambda"
        assert properties["MetricName"] in {"Invocations", "Errors", "Throttles"}
        assert f"${{{dimension['Value']['Ref']}}}" in FUNCTIONS
    assert properties["AlarmActions"] == [{"Ref": "AlarmTopic"}]


@pytest.mark.parametrize("alarm", ALARMS)
def test_every_alarm_says_what_it_means_and_what_to_do(alarm: str) -> None:
    meaning, *advice = re.findall(r"[A-Z][^.]+\.", ALARMS[alarm]["AlarmDescription"])
    assert meaning
    assert any(re.match(r"(Resume|Read|Store|See|Mend|Retry|Raise|Look)\b", sentence) for sentence in advice)


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
    metrics, alarms = len(runbook.metrics()), len(ALARMS)
    assert f"{metrics} metrics are ${metrics * 0.3:.2f}" in costs
    assert f"{alarms} alarms are ${alarms * 0.1:.2f}" in costs


@pytest.mark.parametrize("alarm", ALARMS)
def test_the_query_of_every_alarm_finds_a_text_of_the_code(alarm: str) -> None:
    """The end-to-end tests run them; this one is fast, and names the words that were changed."""
    pattern = runbook.alarms()[alarm].pattern
    code = "".join(path.read_text() for path in (ROOT / "functions").rglob("*.py"))
    crashes = "errorType|Traceback"  # the runtime's words
    assert pattern == crashes or pattern in re.sub(r'"\s+"', "", code)
