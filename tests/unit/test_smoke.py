"""What `make smoke` says of a deployed stack, and what it promises: cures that exist, and nothing left behind."""

import json
import re
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from copier.media import video_type
from infra import smoke_check, smoke_deployed, smoke_render, smoke_steps, smoke_tasks
from infra.smoke_check import Check, State, guarded, ok
from infra.smoke_deployed import FUNCTIONS, Deployed, deployed
from infra.smoke_ear import Ear
from infra.smoke_render import followed
from infra.smoke_steps import Steps
from infra.smoke_tasks import BAD_KEY, VIDEO, SmokeTasks
from infra.smoke_traces import Traces
from infra.trouble import TroubleError
from intake.admission import problem_of
from tests.template import ROOT
from tests.unit.conftest import NOW

ALARM_TOPIC, EMAIL = "arn:aws:sns:eu-west-1:1:alarms", "me@example.com"
QUEUES = ("RoundsQueue", "CopiesQueue", "StreamFailuresQueue")

type World = dict[str, Any]


def world() -> World:
    """Return what AWS says of a stack that is well."""
    return {
        "schedule": {
            "State": "ENABLED",
            "ScheduleExpression": "cron(* * * * ? *)",
            "Target": {"Arn": "arn:x:f-Poller"},
        },
        "function": {"State": "Active"},
        "concurrency": {},
        "mapping": {"State": "Enabled", "UUID": "4711", "EventSourceArn": "arn:aws:sqs:eu-west-1:1:copies"},
        "messages": "0",
        "alarm": {"AlarmName": "prod-PollerSlow-1", "ActionsEnabled": True, "StateValue": "OK"},
        "subscription": {"Endpoint": EMAIL, "SubscriptionArn": "arn:aws:sns:eu-west-1:1:alarms:1"},
        "notified": "arn:stored",
        "parameter": {"Name": "/cometapi/api-key", "Type": "SecureString"},
    }


def stack_of(world: World) -> Deployed:
    target = MagicMock()
    target.name, target.deployed_at = "prod", 0.0
    target.outputs = {f"{name}FunctionName": f"f-{name}" for name in FUNCTIONS} | {
        "AlarmTopicArn": ALARM_TOPIC,
        "VideoStoredTopicArn": "arn:stored",
        "TaskEndedTopicArn": "arn:ended",
        "VideosBucketName": "videos",
        "TasksTableName": "tasks",
    }
    target.parameters = {"AlarmEmail": EMAIL}
    names = {"PollerFunctionTick": "AWS::Scheduler::Schedule", **dict.fromkeys(QUEUES, "AWS::SQS::Queue")}
    names |= {"Observability": "AWS::CloudFormation::Stack", "PollerSlow": "AWS::CloudWatch::Alarm"}
    found = [
        {"LogicalResourceId": name, "ResourceType": kind, "PhysicalResourceId": f"prod-{name}-1"}
        for name, kind in names.items()
    ]
    target.cloudformation.get_paginator().paginate.return_value = [{"StackResourceSummaries": found}]
    target.scheduler.get_schedule.return_value = world["schedule"]
    target.functions.get_function_configuration.return_value = world["function"]
    target.functions.get_function_concurrency.return_value = world["concurrency"]
    mappings = [world["mapping"]] if world["mapping"] else []
    target.functions.list_event_source_mappings.return_value = {"EventSourceMappings": mappings}
    target.sqs.get_queue_attributes.return_value = {
        "Attributes": {"ApproximateNumberOfMessages": world["messages"], "QueueArn": "arn:q"}
    }
    alarms = [world["alarm"]] if world["alarm"] else []
    target.cloudwatch.get_paginator().paginate.return_value = [{"MetricAlarms": alarms}]
    target.sns.get_paginator().paginate.return_value = [{"Subscriptions": [world["subscription"]]}]
    told = {"TopicConfigurations": [{"TopicArn": world["notified"]}]}
    target.s3.get_bucket_notification_configuration.return_value = told
    parameters = [world["parameter"]] if world["parameter"] else []
    # SSM may find something only after an empty page.
    target.ssm.get_paginator().paginate.return_value = [{"Parameters": []}, {"Parameters": parameters}]
    return Deployed(target)


def mocked(stack: Deployed) -> Any:
    return stack.target


def test_a_stack_that_is_well_has_no_complaint() -> None:
    assert {check.state for check in deployed(stack_of(world()))} == {State.OK}


@pytest.mark.parametrize(
    ("change", "name", "state", "said"),
    [
        ({"schedule": {"State": "DISABLED", "Target": {"Arn": ""}}}, "schedule", State.FAILED, "nothing is polled"),
        ({"schedule": {"State": "ENABLED", "Target": {"Arn": "other"}}}, "schedule", State.FAILED, "another function"),
        ({"function": {"State": "Failed"}}, "functions", State.FAILED, "Intake is Failed"),
        ({"concurrency": {"ReservedConcurrentExecutions": 0}}, "functions", State.FAILED, "stopped Intake, Poller"),
        ({"mapping": None}, "mapping Copier", State.FAILED, "there is no mapping"),
        (
            {"mapping": {"State": "Disabled", "UUID": "4711", "EventSourceArn": ""}},
            "mapping Copier",
            State.FAILED,
            "--uuid 4711",
        ),
        ({"messages": "2"}, "queues", State.NOTE, "given up 2 batches"),
        ({"alarm": None}, "alarms", State.FAILED, "removed PollerSlow"),
        (
            {"alarm": {"AlarmName": "prod-PollerSlow-1", "ActionsEnabled": False, "StateValue": "OK"}},
            "alarms",
            State.FAILED,
            "enable-alarm-actions --alarm-names prod-PollerSlow-1",
        ),
        (
            {"alarm": {"AlarmName": "prod-PollerSlow-1", "ActionsEnabled": True, "StateValue": "ALARM"}},
            "alarms",
            State.NOTE,
            "ring: PollerSlow",
        ),
        (
            {"subscription": {"Endpoint": EMAIL, "SubscriptionArn": "PendingConfirmation"}},
            "subscription",
            State.FAILED,
            "has not confirmed",
        ),
        ({"notified": "arn:other"}, "topics", State.FAILED, "does not tell"),
        ({"parameter": None}, "key", State.FAILED, "put-parameter --type SecureString"),
        ({"parameter": {"Name": "/cometapi/api-key", "Type": "String"}}, "key", State.FAILED, "plain text"),
    ],
)
def test_what_is_wrong_is_said_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, change: World, name: str, state: State, said: str
) -> None:
    monkeypatch.setattr(smoke_deployed, "_CHANGING_SECONDS", 0)
    found = {check.name: check for check in deployed(stack_of({**world(), **change}))}
    assert found[name].state is state
    assert said in found[name].line
    assert found[name].cure


def test_a_mapping_that_is_just_changing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke_deployed, "_EACH_SECONDS", 0)
    stack = stack_of(world())
    states = cycle(["Creating", "Enabling", "Updating", "Enabled"])
    mocked(stack).functions.list_event_source_mappings.side_effect = (
        {"EventSourceMappings": [{**world()["mapping"], "State": state}]} for state in states
    )
    assert {check.state for check in deployed(stack)} == {State.OK}


def test_a_stack_without_its_parts_is_told_in_sentences() -> None:
    stack = stack_of(world())
    mocked(stack).cloudformation.get_paginator().paginate.return_value = [{"StackResourceSummaries": []}]
    found = {check.name: check for check in deployed(stack)}
    assert found["schedule"].text == "The stack has no PollerFunctionTick. `make deploy` brings it up to this version."
    assert found["alarms"].state is State.FAILED


def denied(operation: str, code: str = "AccessDenied") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


NO_QUEUE = "AWS.SimpleQueueService.NonExistentQueue"
NO_ANSWER = ReadTimeoutError(endpoint_url="https://aws.invalid")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (denied("GetSchedule"), "may not do that"),
        (denied("PutObject"), "get-bucket-policy"),
        (denied("GetSchedule", "ResourceNotFoundException"), "Somebody removed it"),
        (denied("GetQueueAttributes", NO_QUEUE), "Somebody removed it"),
        (NO_ANSWER, "AWS does not answer"),
        (TroubleError("There is no such thing."), "no such thing"),
    ],
)
def test_what_cannot_be_looked_at_is_a_failure_in_a_sentence(error: Exception, said: str) -> None:
    (check,) = guarded("topics", MagicMock(side_effect=error))
    assert check.state is State.FAILED
    assert said in check.line


def test_every_place_in_the_runbook_that_a_cure_names_is_there() -> None:
    runbook = (ROOT / "infra" / "README.md").read_text()
    modules = (smoke_check, smoke_deployed, smoke_steps, smoke_tasks)
    source = "".join(Path(str(module.__file__)).read_text() for module in modules)
    named = set(re.findall(r"`([A-Z][A-Za-z ]+)`", source)) - set(QUEUES)
    assert "Resume" in named
    assert [name for name in named if f"### {name}\n" not in runbook and f"| `{name}` |" not in runbook] == []


def test_its_tasks_are_what_they_must_be() -> None:
    tasks = SmokeTasks(stack_of(world()), Traces("smoke-1"), deadline=0)
    assert problem_of({"task_id": tasks.id("bad-key"), "s3_key": BAD_KEY})
    assert problem_of({"task_id": tasks.id("copy"), "s3_key": tasks.key}) is None
    assert video_type("application/octet-stream", VIDEO) == "video/mp4"


@pytest.mark.parametrize("kind", ["bad-key", "unknown", "copy"])
def test_its_items_expire_within_the_hour(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(smoke_tasks, "time", SimpleNamespace(time=lambda: NOW))
    stack = stack_of(world())
    tasks = SmokeTasks(stack, Traces("smoke-1"), deadline=0, video_url="https://example.com/a.mp4", began=NOW)
    {"bad-key": tasks.put_bad, "unknown": tasks.put_unknown, "copy": tasks.send_copy}[kind]()
    (put,) = mocked(stack).dynamodb.put_item.call_args_list
    assert put.kwargs["Item"]["expires_at"] == {"N": str(NOW + 3600)}


def test_its_queue_takes_messages_of_two_topics_alone() -> None:
    stack = stack_of(world())
    Ear(stack, Traces("smoke-1")).listen()
    policy = json.loads(mocked(stack).sqs.set_queue_attributes.call_args.kwargs["Attributes"]["Policy"])
    (statement,) = policy["Statement"]
    assert statement["Resource"] == "arn:q"
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": ["arn:ended", "arn:stored"]}}


@pytest.mark.parametrize(("at", "said"), [(NOW - 1, ""), (NOW + 1, " Poller says: it fails.")])
def test_only_what_was_logged_since_it_began_is_said(at: int, said: str) -> None:
    stack = stack_of(world())
    line = {"timestamp": at * 1000, "message": '{"level": "ERROR", "message": "it fails"}'}
    mocked(stack).logs.get_paginator().paginate.side_effect = lambda **asked: [
        {"events": [line] if line["timestamp"] >= asked["startTime"] else []}
    ]
    tasks = SmokeTasks(stack, Traces("smoke-1"), deadline=0, began=NOW)
    assert tasks.in_vain("Poller").endswith(f" s.{said}")


def test_everything_is_removed_the_last_first() -> None:
    removed: list[str] = []
    traces = Traces("smoke-1")
    for name in ("one", "two", "three"):
        traces.add(name, lambda name=name: removed.append(name))  # type: ignore[misc]
    traces.add("one", lambda: removed.append("one again"))
    assert traces.remove().state is State.OK
    assert removed == ["three", "two", "one"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (denied("DeleteQueue"), "These are left: the queue (These credentials may not do that"),
        (NO_ANSWER, "These are left: the queue (AWS does not answer"),
    ],
)
def test_what_stays_is_named_and_all_else_is_removed(error: Exception, said: str) -> None:
    traces, remove_first = Traces("smoke-1"), MagicMock()
    traces.add("the first", remove_first)
    traces.add("the queue", MagicMock(side_effect=error))
    assert traces.remove().text.startswith(said)
    remove_first.assert_called_once()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Check]]:
    """Runs the steps without waiting, over a table in which nothing ever happens."""
    monkeypatch.setattr(smoke_tasks, "_AT_LEAST_SECONDS", 0)
    monkeypatch.setattr(smoke_tasks, "_EACH_SECONDS", 0)
    monkeypatch.setattr(smoke_tasks, "signer", lambda _: lambda key: f"https://example.com/{key}?signature")

    def quick(stack: Deployed, *bad: str) -> dict[str, Check]:
        mocked(stack).dynamodb.get_item.return_value = {}
        mocked(stack).sqs.receive_message.return_value = {}
        traces = Traces("smoke-1")
        tasks = SmokeTasks(stack, traces, deadline=0)
        return {check.name: check for check in Steps(tasks, Ear(stack, traces), set(bad)).run()}

    return quick


def test_a_stack_that_does_nothing_is_found_out(quick: Callable[..., dict[str, Check]]) -> None:
    found = quick(stack_of(world()))
    failed = {name for name, check in found.items() if check.state is State.FAILED}
    assert failed == {"intake", "copy", "cometapi"}
    assert {name for name, check in found.items() if check.state is State.SKIPPED} == {
        "overwrite",
        "endings",
        "notification",
    }
    assert "signature" not in "".join(check.line for check in found.values())


def test_what_cannot_work_is_not_tried(quick: Callable[..., dict[str, Check]]) -> None:
    stack = stack_of(world())
    found = quick(stack, "functions")
    assert {name for name, check in found.items() if check.state is not State.OK} == {*found} - {"listening"}
    assert found["copy"].text == "not tried: functions failed"
    mocked(stack).dynamodb.put_item.assert_not_called()


@pytest.mark.parametrize("error", [denied("CreateQueue"), NO_ANSWER])
def test_a_step_that_aws_refuses_does_not_end_the_others(
    quick: Callable[..., dict[str, Check]], error: Exception
) -> None:
    stack = stack_of(world())
    mocked(stack).sqs.create_queue.side_effect = error
    found = quick(stack)
    assert found["listening"].state is State.FAILED
    assert found["endings"].text == "not tried: listening failed"
    assert found["intake"].state is State.FAILED


@pytest.mark.parametrize("error", [denied("FilterLogEvents"), NO_ANSWER])
def test_a_log_that_cannot_be_read_hides_no_failure(quick: Callable[..., dict[str, Check]], error: Exception) -> None:
    stack = stack_of(world())
    mocked(stack).logs.get_paginator().paginate.side_effect = error
    found = quick(stack, "schedule")
    assert found["intake"].text.startswith("An item with a bad s3_key is not admitted, not INVALID, after")


def test_a_render_is_followed_for_its_minutes_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(monotonic=MagicMock(side_effect=[1000, 1179, 1181]), sleep=lambda _: None, time=time.time)
    monkeypatch.setattr(smoke_render, "time", clock)
    stack = stack_of(world())
    mocked(stack).dynamodb.get_item.return_value = {"Item": {"task_id": {"S": "task_1"}, "pending_since": {"N": "1"}}}
    (check,) = followed(stack, "task_1", 3)
    assert check.state is State.FAILED
    assert check.text.endswith(" after 3 minutes.")


def test_a_line_says_all() -> None:
    assert ok("key", "it is there").line == "ok    key                it is there"
