"""Every alarm is raised, and every command of the runbook carried out, on the local stack."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from infra.local.notifications import Queue
from infra.local.stack import STACK_NAME
from tests import runbook
from tests.cloudwatch import MINUTE, Alarm, Metrics
from tests.e2e import alarms
from tests.e2e.incident import HOUR, NEW_KEY, PATIENCE_SECONDS, UNKNOWN, Incident
from tests.e2e.patience import eventually
from tests.template import ROOT

if TYPE_CHECKING:
    from infra.local.stack import LocalStack


@pytest.fixture(scope="module")
def incident(stack: "LocalStack") -> Iterator[Incident]:
    incident = Incident(stack)
    old_key = stack.cometapi.api_key
    try:
        incident.run()
        yield incident
    finally:
        stack.cometapi.clear()
        stack.cometapi.configure(api_key=old_key, foreign_key="")
        stack.put_api_key()


@dataclass(frozen=True)
class Judged:
    """The alarms and what they are judged by; times in epoch seconds, on the minute."""

    alarms: dict[str, Alarm]
    metrics: Metrics
    first: int
    """When nothing had been published yet."""
    over: int
    """When everything was cured, those phases included that a test cannot wait for."""

    def was_raised(self, name: str) -> bool:
        return any(self.alarms[name].minutes(self.metrics, self.first, self.over, further=1))


@pytest.fixture(scope="module")
def judged(incident: Incident) -> Judged:
    points = incident.points()
    first, last = (pick(point.at for point in points) for pick in (min, max))
    on_the_minute = [int(time) // MINUTE * MINUTE for time in (first - HOUR, last)]
    return Judged(alarms.deployed(incident.stack), alarms.metrics_of(points), on_the_minute[0], on_the_minute[1])


@pytest.mark.parametrize("alarm", runbook.alarms())
def test_the_alarm_is_raised(judged: Judged, alarm: str) -> None:
    """Of the time without a tick there is that before the stack was."""
    assert judged.was_raised(alarm)


@pytest.mark.parametrize("alarm", sorted(runbook.alarms().keys() - {"PollerNotRunning"}))
def test_the_alarm_clears_when_it_is_over(judged: Judged, alarm: str) -> None:
    assert not judged.alarms[alarm].rings(judged.metrics, judged.over + 20 * MINUTE, further=1)


@pytest.mark.parametrize("alarm", sorted(runbook.alarms().keys() - {"PollerNotRunning"}))
def test_the_alarm_is_not_raised_before(incident: Incident, judged: Judged, alarm: str) -> None:
    began = int(incident.began) // MINUTE * MINUTE
    early = set(judged.alarms[alarm].minutes(judged.metrics, judged.first, began - HOUR // 2, further=1))
    assert not early


def test_no_alarm_says_that_the_poller_does_not_run_while_it_does(incident: Incident, judged: Judged) -> None:
    began, ended = (int(at) // MINUTE * MINUTE for at in (incident.began, incident.ended))
    rang = set(judged.alarms["PollerNotRunning"].minutes(judged.metrics, began + MINUTE, ended, further=1))
    assert not rang


def test_every_alarm_is_deployed_in_its_own_words(stack: "LocalStack") -> None:
    found = stack.aws.cloudwatch.describe_alarms(AlarmNamePrefix=f"{STACK_NAME}-Observability-")["MetricAlarms"]
    assert {alarm["AlarmName"].split("-")[-2]: alarm["AlarmDescription"] for alarm in found} == {
        name: alarm["AlarmDescription"] for name, alarm in alarms.WRITTEN.items()
    }


def test_whoever_is_on_call_hears_every_alarm_in_its_own_words(stack: "LocalStack") -> None:
    on_call, cloudwatch = Queue.behind(stack.outputs["AlarmTopicArn"], stack.aws, "on-call"), stack.aws.cloudwatch
    found = cloudwatch.describe_alarms(AlarmNamePrefix=f"{STACK_NAME}-Observability-")["MetricAlarms"]
    for alarm in found:
        for state in ("OK", "ALARM"):
            cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue=state, StateReason="test")
    expected = {alarm["AlarmDescription"] for alarm in found}
    heard: set[str] = set()

    def all_heard() -> bool:
        heard.update(json.loads(body["Message"])["AlarmDescription"] for body in on_call.receive())
        return heard >= expected

    eventually(all_heard, "without alarms on their topic", PATIENCE_SECONDS)
    assert heard == expected


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
    assert first[1:3] == [incident.ids["old"], "COPYING"]
    assert "HTTP 418" in first[3]
    assert {other[1] for other in others} >= set(UNKNOWN)
    since = [int(line.split("\t")[0]) for line in incident.waiting.splitlines()]
    assert since == sorted(since)


def test_what_was_retried_is_stored_and_what_was_cancelled_stays_gone(incident: Incident) -> None:
    for case in ("late", "unstored", "unasked", "held", "unsent", "given up", "forgotten"):
        item = incident.tasks.get(incident.ids[case])
        assert item["status"] == "SUCCESS"
        assert item["s3_uri"]
    assert incident.tasks.get(incident.ids["old"]) == {}


def test_every_ending_is_announced_and_no_other_change(incident: Incident) -> None:
    late, wrong = incident.ids["late"], incident.ids["wrong"]
    told: dict[tuple[str, str], dict[str, str]] = {}

    def hear() -> list[dict[str, str]]:
        heard = [json.loads(body["Message"]) for body in incident.endings.receive()]
        return [message for message in heard if message["task_id"] in {late, wrong}]

    def all_told() -> bool:
        told.update({(message["task_id"], message["status"]): message for message in hear()})
        return len(told) >= 3

    eventually(all_told, "without the announcements", PATIENCE_SECONDS)
    assert told.keys() == {(late, "EXPIRED"), (late, "SUCCESS"), (wrong, "NOT_FOUND")}
    uri = incident.tasks.get(late)["s3_uri"]
    stored = {"task_id": late, "status": "SUCCESS", "error": None, "s3_uri": uri, "result": None}
    assert told[late, "SUCCESS"] == stored
    assert "X-Tos" not in json.dumps([*told.values()])
    assert NEW_KEY not in json.dumps([*told.values()])
    incident.tasks.put({**incident.tasks.get(late), "reviewed": True})  # an ended item may change without ending anew
    time.sleep(3)
    assert not hear()


def test_every_metric_that_was_emitted_is_documented(incident: Incident) -> None:
    metrics = {point.metric for point in alarms.logged(incident.stack)}
    assert {metric.name for metric in metrics} <= runbook.metrics().keys()
    assert {(metric.namespace, *metric.dimensions) for metric in metrics} == {
        ("SeedancePoller", ("service", STACK_NAME))
    }


def test_a_script_watches_a_stack_by_its_name(incident: Incident) -> None:
    seen = json.loads(incident.shell.run(f'make --no-print-directory -C {ROOT} watch STACK="$stack" JSON=1'))
    (late,) = [task for task in seen["tasks"] if task["task_id"] == incident.ids["late"]]
    assert late["outcome"] == "stored"
    assert seen["counts"]["SUCCESS"] >= 2


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


def test_what_was_given_up_is_read_again_and_what_the_stream_has_forgotten_stays(incident: Incident) -> None:
    assert '"batchItemFailures": []' in incident.told["Empty the queue of failures"]
    sqs, wanted = incident.stack.aws.sqs, ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    left = sqs.get_queue_attributes(QueueUrl=incident.failures, AttributeNames=wanted)["Attributes"]  # type: ignore[arg-type]
    assert sum(map(int, left.values())) == 1


def test_admitting_what_was_forgotten_again_asks_nothing_of_intake(incident: Incident) -> None:
    assert "batchItemFailures" in incident.told["Admit what was forgotten"]
    assert incident.told["again"] == ""


def test_more_copies_at_once(incident: Incident) -> None:
    assert "7" in incident.told["Copy more at once"]
    assert incident.copies.most_at_once == 7


def test_a_query_that_fails_ends(incident: Incident) -> None:
    """CloudWatch Logs ends one as Failed, Cancelled, Timeout or Unknown."""
    script = """
        aws() { if [ "$2" = get-query-results ]; then echo Failed; else command aws "$@"; fi; }
        if ask "$POLLER" tick 2>&1; then echo succeeded; fi
    """
    assert incident.shell.run(script) == "The query has ended as: Failed\n"


def test_drain_and_admit_again(incident: Incident) -> None:
    incident.shell.follow("Drain")
    intake = incident.stack.outputs["IntakeFunctionName"]
    (mapping,) = incident.stack.aws.functions.list_event_source_mappings(FunctionName=intake)["EventSourceMappings"]
    assert mapping["State"] == "Disabled"
    task_id = incident.tasks.put({"task_id": "inserted while drained"})
    time.sleep(3)
    assert "ended_at" not in incident.tasks.get(task_id)
    incident.shell.follow("Admit again")
    assert incident.tasks.wait_for("ended_at", [task_id], 120)[task_id]["status"] == "INVALID"
