"""An ending that SNS does not take is announced again, and nothing beside it is."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import pytest

from infra.local.notifications import Queue
from tests.e2e.ground import Ground, pause
from tests.e2e.proxy import ANNOUNCER, Proxy, by
from tests.e2e.shell import Shell

if TYPE_CHECKING:
    from infra.local.stack import LocalStack


CASES = ["first", "refused", "third", "last"]
REFUSALS = 8
"""Each of two deliveries is tried four times."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of a batch of endings, by the names of the cases."""

    told: list[str]
    """What the topic told, in its order."""
    deliveries: list[list[str]]
    """What each invocation tried to announce."""


@pytest.fixture(scope="module")
def batch(stack_in_trouble: "LocalStack", proxy: Proxy) -> Iterator[Batch]:
    stack = stack_in_trouble
    ground, shell, now = Ground(stack), Shell(stack), int(time.time())
    topic = Queue.behind(stack.outputs["TaskEndedTopicArn"], stack.aws, "announcements")
    ground.ids = {case: f"task_{case}_{now}" for case in CASES}
    cases = {task_id: case for case, task_id in ground.ids.items()}
    about = f"Message && contains(Message, '{ground.ids['refused']}')"
    refused = {**by(ANNOUNCER), "operation": "Publish", "body": about, "times": REFUSALS}
    shell.run('reading "$ANNOUNCER" --no-enabled')
    try:
        proxy.set({"SNS refuses": {**refused, "error": {"code": "Throttling", "status": 400}}})
        for task_id in ground.ids.values():
            ground.tasks.put({"task_id": task_id, "status": "SUBMITTED", "pending_since": now})
            ground.tasks.put({"task_id": task_id, "status": "FAILED", "ended_at": now})
        shell.run('reading "$ANNOUNCER" --enabled')
        told: list[str] = []

        def hear() -> bool:
            heard = [json.loads(body["Message"])["task_id"] for body in topic.receive()]
            told.extend(cases[task_id] for task_id in heard if task_id in cases)
            return set(told) >= set(CASES)

        def deliveries() -> list[list[str]]:
            said = [line for line in ground.log(ANNOUNCER) if line.get("task_id") in cases]
            invocations = groupby(said, key=lambda line: line["function_request_id"])
            return [[cases[line["task_id"]] for line in lines] for _, lines in invocations]

        ground.until(hear, "all announced", ask=pause)
        ground.until(lambda: any("last" in tried for tried in deliveries()), "logged", ask=ground.wake(ANNOUNCER))
        ground.until(lambda: ground.counted("AnnounceFailures") >= 2, "counted", ask=ground.wake(ANNOUNCER))
        hear()
        yield Batch(told, deliveries())
    finally:
        shell.run('reading "$ANNOUNCER" --enabled')
        proxy.set({})
        ground.cancel(*CASES)


def test_a_batch_goes_on_with_the_one_that_failed_however_often(batch: Batch) -> None:
    assert batch.deliveries == [["first", "refused"], ["refused"], ["refused", "third", "last"]]


def test_each_is_told_in_its_order(batch: Batch) -> None:
    # The SDK asks again where an answer takes 10 s or is lost, which may tell of an ending twice.
    assert list(dict.fromkeys(batch.told)) == CASES
