"""`make smoke` on the local stack: all is well, each fault is found, and nothing of it is left."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from infra import smoke
from infra.command import run
from infra.local.stack import API_KEY_PARAMETER, LocalStack, Say
from infra.smoke_check import State
from infra.target import Target
from tests.e2e.proxy import POLLER
from tests.e2e.queues import DeployedQueue
from tests.e2e.smoked import FAULT_SECONDS, bad, made_by_smoke, smoked, target
from tests.e2e.tasks import Tasks


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
