"""`make smoke` on the local stack: all is well, each fault is found, and nothing of it is left."""

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from infra import smoke
from infra.command import run
from infra.local.stack import API_KEY_PARAMETER, STACK_NAME, LocalStack, Say
from infra.smoke_check import Check, State
from infra.target import Target
from tests.e2e.proxy import COPIER, INTAKE, POLLER, Proxy, by
from tests.e2e.queues import DeployedQueue
from tests.e2e.tasks import Tasks

FAULT_SECONDS = 25
THROTTLED = {"status": 400, "code": "ProvisionedThroughputExceededException"}

type Found = dict[str, Check]


def target(stack: LocalStack) -> Target:
    return Target._described(stack.aws.session, stack.aws.url, STACK_NAME)  # noqa: SLF001 - as `find` does it


def smoked(stack: LocalStack, seconds: float = FAULT_SECONDS, **options: str | None) -> Found:
    chosen: dict[str, Any] = {"seconds": seconds, "video_url": None, "task_id": None, "minutes": 3, **options}
    return {check.name: check for check in smoke.checks(target(stack), argparse.Namespace(**chosen))}


def bad(found: Found) -> list[str]:
    return [name for name, check in found.items() if check.state is State.FAILED]


def made_by_smoke(stack: LocalStack) -> list[str]:
    bucket, sqs, sns = stack.outputs["VideosBucketName"], stack.aws.sqs, stack.aws.sns
    items = [task_id for task_id in Tasks(stack).ids() if task_id.startswith("smoke-")]
    objects = [one["Key"] for one in stack.aws.s3.list_objects_v2(Bucket=bucket, Prefix="smoke/").get("Contents", [])]
    queues = sqs.list_queues(QueueNamePrefix="smoke-").get("QueueUrls", [])
    heard = [one["Endpoint"] for one in sns.list_subscriptions()["Subscriptions"]]
    return [*items, *objects, *queues, *(endpoint for endpoint in heard if ":smoke-" in endpoint)]


@contextmanager
def without_key(stack: LocalStack) -> Iterator[None]:
    stack.aws.ssm.delete_parameter(Name=API_KEY_PARAMETER)
    try:
        yield
    finally:
        stack.put_api_key()


@contextmanager
def without_copier(stack: LocalStack) -> Iterator[None]:
    copies = DeployedQueue.of_copies(stack)
    copies.pause()
    try:
        yield
    finally:
        copies.resume()


@contextmanager
def without_schedule(stack: LocalStack) -> Iterator[None]:
    (name,) = [one["Name"] for one in stack.aws.scheduler.list_schedules()["Schedules"]]
    known = stack.aws.scheduler.get_schedule(Name=name)
    kept: Any = {key: known[key] for key in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
    stack.aws.scheduler.update_schedule(**kept, State="DISABLED")
    try:
        yield
    finally:
        stack.aws.scheduler.update_schedule(**kept, State="ENABLED")


@contextmanager
def elsewhere(stack: LocalStack) -> Iterator[None]:
    name = stack.outputs[POLLER]
    known = stack.aws.functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    wrong = known | {"COMETAPI_BASE_URL": f"{stack.aws.url}/elsewhere"}
    stack.aws.functions.update_function_configuration(FunctionName=name, Environment={"Variables": wrong})
    try:
        yield
    finally:
        stack.aws.functions.update_function_configuration(FunctionName=name, Environment={"Variables": known})


def test_a_stack_that_works_passes_and_nothing_is_left(stack: LocalStack, say: Say) -> None:
    task_id = stack.cometapi.create()
    found = smoked(stack, seconds=120, task_id=task_id)
    for check in found.values():
        say(check.line)
    assert bad(found) == []
    assert [name for name, check in found.items() if check.state is State.SKIPPED] == []
    assert Tasks(stack).get(task_id)["status"] == "SUCCESS", "a real render is kept"
    assert made_by_smoke(stack) == []


@pytest.mark.parametrize(
    ("fault", "name", "said"),
    [
        (without_key, "key", f"--name {API_KEY_PARAMETER} --value YOUR_KEY"),
        (without_copier, "mapping Copier", "update-event-source-mapping --enabled"),
        (without_schedule, "schedule", "`Resume`"),
        (elsewhere, "cometapi", "CometApiBaseUrl"),
    ],
)
def test_a_fault_is_found(
    stack: LocalStack, fault: Callable[[LocalStack], Any], name: str, said: str, say: Say
) -> None:
    with fault(stack):
        found = smoked(stack, seconds=75 if fault is elsewhere else FAULT_SECONDS)
    say(found[name].line)
    assert bad(found) == [name]
    assert said in found[name].line
    assert made_by_smoke(stack) == []


@pytest.mark.parametrize(
    ("rules", "name", "said"),
    [
        (
            {"throttled": {**by(INTAKE), "service": "dynamodb", "error": THROTTLED}},
            "intake",
            "ProvisionedThroughputExceededException",
        ),
        (
            {
                "denied": {
                    **by(COPIER),
                    "service": "s3",
                    "operation": "PutObject",
                    "error": {"code": "AccessDenied", "status": 403},
                }
            },
            "copy",
            "AccessDenied",
        ),
    ],
)
def test_a_fault_between_functions_and_aws_is_found(
    stack_in_trouble: LocalStack, proxy: Proxy, rules: dict[str, dict[str, Any]], name: str, said: str
) -> None:
    proxy.set(rules)
    try:
        found = smoked(stack_in_trouble)
    finally:
        proxy.set({})
    assert name in bad(found)
    assert said in found[name].text
    assert found[name].cure
    assert made_by_smoke(stack_in_trouble) == []


def test_the_command_speaks_to_scripts(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(Target, "announced", lambda _: target(stack))
    monkeypatch.setattr(sys, "argv", ["smoke", "--json", "--seconds", str(FAULT_SECONDS)])
    monkeypatch.setattr(sys, "stdout", out)
    with without_schedule(stack):
        assert run(smoke.main) == 1
    said = json.loads(out.getvalue())
    assert said["passed"] is False
    assert {check["name"]: check["state"] for check in said["checks"]}["schedule"] == "FAIL"
