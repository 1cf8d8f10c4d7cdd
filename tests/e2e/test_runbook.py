"""Every alarm is raised, and every command of the runbook carried out, on the local stack."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from infra.local.notifications import Queue
from infra.local.stack import STACK_NAME
from tests import runbook
from tests.e2e import alarms
from tests.e2e.incident import FOREIGN, NEW_KEY, Incident, wait_until
from tests.template import ROOT

if TYPE_CHECKING:
    from infra.local.stack import LocalStack

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def incident(stack: "LocalStack") -> Iterator[Incident]:
    incident = Incident(stack)
    old_key = stack.cometapi.api_key
    try:
        incident.run()
        alarms.take_to_cloudwatch(stack)
        yield incident
    finally:
        stack.cometapi.configure(api_key=old_key)
        stack.put_api_key()


def before(stack: "LocalStack") -> datetime:
    """Return a time when the stack was not there yet."""
    return min(point.at for point in alarms.logged(stack)) - timedelta(minutes=10)


@pytest.mark.parametrize("alarm", runbook.alarms())
def test_the_alarm_is_raised(incident: Incident, alarm: str) -> None:
    """For five minutes without a tick it takes those before the stack was there."""
    found = alarms.deployed(incident.stack)[alarm]
    assert alarms.was_raised(incident.stack, found, before(incident.stack), datetime.now(UTC))


@pytest.mark.parametrize("alarm", sorted(runbook.alarms().keys() - {"PollerNotRunning"}))
def test_the_alarm_is_not_raised_before(incident: Incident, alarm: str) -> None:
    found = alarms.deployed(incident.stack)[alarm]
    began = before(incident.stack)
    assert not alarms.was_raised(incident.stack, found, began - timedelta(hours=1), began)


def test_no_alarm_says_that_the_poller_does_not_run_while_it_does(incident: Incident) -> None:
    now = datetime.now(UTC)
    assert not alarms.was_raised(incident.stack, alarms.deployed(incident.stack)["PollerNotRunning"], now, now)


def test_whoever_is_on_call_hears_every_alarm_in_its_own_words(stack: "LocalStack") -> None:
    on_call = Queue.behind(stack.outputs["AlarmTopicArn"], stack.aws, "on-call")
    deployed = alarms.deployed(stack)
    for alarm in deployed.values():
        stack.aws.cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="OK", StateReason="test")
        stack.aws.cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="ALARM", StateReason="test")
    heard: Counter[str] = Counter()

    def all_heard() -> bool:
        heard.update(json.loads(body["Message"])["AlarmDescription"] for body in on_call.receive())
        return heard.total() >= len(deployed)

    wait_until(all_heard, "the alarms on their topic", seconds=20)
    assert heard == Counter(alarm["AlarmDescription"] for alarm in deployed.values())


@pytest.mark.parametrize("alarm", runbook.alarms())
def test_the_query_finds_what_the_alarm_is_about(incident: Incident, alarm: str) -> None:
    entry, logs = runbook.alarms()[alarm], incident.stack.aws.logs
    function = incident.stack.outputs[f"{entry.function.title()}FunctionName"]
    settings = incident.stack.aws.functions.get_function_configuration(FunctionName=function)["LoggingConfig"]
    (query,) = re.findall(r'--query-string "(.*)"', runbook.PREAMBLE)
    started = logs.start_query(
        logGroupName=settings["LogGroup"],
        startTime=int(time.time()) - 10800,
        endTime=int(time.time()) + 1,
        queryString=query.replace("$2", entry.pattern),
    )
    rows = logs.get_query_results(queryId=started["queryId"])["results"]
    assert rows
    messages = [cell["value"] for row in rows for cell in row if cell["field"] == "@message"]
    assert all(re.search(entry.pattern, message) for message in messages)


def test_asking_from_the_shell(incident: Incident) -> None:
    assert "no task is changed" in incident.shell.run("""ask "$POLLER" 'rejects the API key'""")


def test_what_waits_is_listed_oldest_first_with_its_trouble(incident: Incident) -> None:
    first, *others = [line.split("\t") for line in incident.waiting.splitlines()]
    assert first[1:3] == [incident.ids["old"], "SUCCESS"]
    assert "HTTP 418" in first[3]
    assert {other[1] for other in others} >= set(FOREIGN)


def test_what_was_retried_is_stored_and_what_was_cancelled_stays_gone(incident: Incident) -> None:
    for case in ("late", "unstored"):
        item = incident.tasks.get(incident.ids[case])
        assert item["status"] == "SUCCESS"
        assert item["s3_uri"]
    assert incident.tasks.get(incident.ids["old"]) == {}


def test_every_ending_is_announced_once(incident: Incident) -> None:
    late, unstored = incident.ids["late"], incident.ids["unstored"]
    messages: list[dict[str, str]] = []

    def all_told() -> bool:
        heard = [json.loads(body["Message"]) for body in incident.endings.receive()]
        messages.extend(message for message in heard if message["task_id"] in {late, unstored})
        return len(messages) >= 4

    wait_until(all_told, "the announcements")
    incident.tasks.put({**incident.tasks.get(late), "reviewed": True})  # an ended item may change without ending anew
    time.sleep(3)
    all_told()
    told = Counter((message["task_id"], message["status"]) for message in messages)
    assert told == {(late, "EXPIRED"): 1, (late, "SUCCESS"): 1, (unstored, "COPY_FAILED"): 1, (unstored, "SUCCESS"): 1}
    stored = next(message for message in messages if (message["task_id"], message["status"]) == (late, "SUCCESS"))
    uri = incident.tasks.get(late)["s3_uri"]
    assert stored == {"task_id": late, "status": "SUCCESS", "error": None, "s3_uri": uri}
    assert "X-Tos" not in json.dumps(messages)
    assert NEW_KEY not in json.dumps(messages)


def test_every_metric_that_was_emitted_is_documented(incident: Incident) -> None:
    points = list(alarms.logged(incident.stack))
    assert {point.name for point in points} <= runbook.metrics().keys()
    assert {(point.namespace, *point.dimensions) for point in points} == {("SeedancePoller", "service")}


def test_a_script_watches_a_stack_by_its_name(incident: Incident) -> None:
    seen = json.loads(incident.shell.run(f'make --no-print-directory -C {ROOT} watch STACK="$stack" JSON=1'))
    (late,) = [task for task in seen["tasks"] if task["task_id"] == incident.ids["late"]]
    assert late["outcome"] == "stored"
    assert seen["counts"]["STORED"] >= 2


def test_pause_and_resume(incident: Incident) -> None:
    aws, logical_id = incident.stack.aws, "PollerFunctionTick"
    resource = aws.cloudformation.describe_stack_resource(StackName=STACK_NAME, LogicalResourceId=logical_id)
    name = resource["StackResourceDetail"]["PhysicalResourceId"]
    before = aws.scheduler.get_schedule(Name=name)
    incident.shell.follow("Pause")
    assert aws.scheduler.get_schedule(Name=name)["State"] == "DISABLED"
    incident.shell.follow("Resume")
    after = aws.scheduler.get_schedule(Name=name)
    kept = ("State", "Description", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    assert [after.get(name) for name in kept] == [before.get(name) for name in kept]


def test_drain_and_admit_again(incident: Incident) -> None:
    incident.shell.follow("Drain")
    task_id = incident.tasks.put({"task_id": "inserted while drained"})
    time.sleep(3)
    assert "ended_at" not in incident.tasks.get(task_id)
    incident.shell.follow("Admit again")
    assert incident.tasks.wait_for("ended_at", [task_id], 30)[task_id]["status"] == "INVALID"
