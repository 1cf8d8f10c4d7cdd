"""A stack at work is changed, gets a neighbour, and its neighbour goes: no task notices."""

from typing import TYPE_CHECKING

import pytest

from infra.local import sam
from tests.e2e.shell import Shell
from tests.e2e.tasks import Tasks

if TYPE_CHECKING:
    from infra.local.stack import LocalStack


PATIENCE_SECONDS = 240
NEIGHBOUR = "seedance-poller-neighbour"


def test_a_change_that_is_deployed_while_tasks_are_pending_loses_none(stack: "LocalStack") -> None:
    tasks = Tasks(stack)
    stack.cometapi.configure(render_seconds=15)
    pending = [tasks.put({"task_id": stack.cometapi.create()}) for _ in range(4)]
    tasks.wait_for("pending_since", pending, PATIENCE_SECONDS)
    stack.tick()
    before = dict(stack.outputs)
    stack.deploy(sam.build(), PollIntervalSeconds="6", RetentionDays="7")
    pending += [tasks.put({"task_id": stack.cometapi.create()}) for _ in range(2)]
    stack.tick()
    ended = tasks.wait_for("ended_at", pending, PATIENCE_SECONDS)
    assert {item["status"] for item in ended.values()} == {"SUCCESS"}
    assert stack.outputs.items() >= before.items()
    last = tasks.put({"task_id": stack.cometapi.create()})
    tasks.wait_for("pending_since", [last], PATIENCE_SECONDS)
    stack.tick()
    item = tasks.wait_for("ended_at", [last], PATIENCE_SECONDS)[last]
    assert item["expires_at"] - item["ended_at"] == 7 * 86400


def test_a_second_stack_lives_beside_the_first_and_leaves_its_data_when_it_goes(stack: "LocalStack") -> None:
    outputs = stack.deploy_second(sam.build(), NEIGHBOUR)
    names = {name for name in outputs if name.endswith(("Name", "Arn"))}
    assert all(outputs[name] != stack.outputs[name] for name in names)
    tasks, others = Tasks(stack), Tasks(stack, outputs["TasksTableName"])
    ours = tasks.put({"task_id": stack.cometapi.create()})
    theirs = others.put({"task_id": stack.cometapi.create()})
    # Nobody asks for a tick here: its own schedule has to.
    item = others.wait_for("ended_at", [theirs], PATIENCE_SECONDS)[theirs]
    assert item["s3_uri"] == f"s3://{outputs['VideosBucketName']}/videos/{theirs}.mp4"
    tasks.wait_for("ended_at", [ours], PATIENCE_SECONDS)
    assert not others.get(ours)
    assert not tasks.get(theirs)

    Shell(stack, NEIGHBOUR).follow("Delete the stack")
    with pytest.raises(stack.aws.functions.exceptions.ResourceNotFoundException):
        stack.aws.functions.get_function(FunctionName=outputs["PollerFunctionName"])
    assert others.get(theirs) == item
    video = stack.aws.s3.get_object(Bucket=outputs["VideosBucketName"], Key=f"videos/{theirs}.mp4")
    assert video["ContentLength"] == item["size"]
