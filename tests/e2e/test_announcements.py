"""An ending that SNS does not take is announced again, and nothing beside it is."""

import json
import time
from collections.abc import Iterator
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


@pytest.fixture(scope="module")
def told(stack_in_trouble: "LocalStack", proxy: Proxy) -> Iterator[list[str]]:
    """What the topic told of a batch of endings, in its order."""
    stack = stack_in_trouble
    ground, shell, now = Ground(stack), Shell(stack), int(time.time())
    topic = Queue.behind(stack.outputs["TaskEndedTopicArn"], stack.aws, "announcements")
    ground.ids = {case: f"task_{case}_{now}" for case in CASES}
    about = f"Message && contains(Message, '{ground.ids['refused']}')"
    refused = {**by(ANNOUNCER), "operation": "Publish", "body": about, "times": REFUSALS}
    shell.run('reading "$ANNOUNCER" --no-enabled')
    try:
        proxy.set({"SNS refuses": {**refused, "error": {"code": "Throttling", "status": 400}}})
        for task_id in ground.ids.values():
            ground.tasks.put({"task_id": task_id, "status": "SUBMITTED", "pending_since": now})
            ground.tasks.put({"task_id": task_id, "status": "FAILED", "ended_at": now})
        shell.run('reading "$ANNOUNCER" --enabled')
        heard: list[str] = []

        def hear() -> bool:
            heard.extend(json.loads(body["Message"])["task_id"] for body in topic.receive())
            return set(heard) >= set(ground.ids.values())

        ground.until(hear, "all announced", ask=pause)
        ground.until(lambda: ground.counted("AnnounceFailures") >= 2, "counted", ask=ground.wake(ANNOUNCER))
        hear()
        yield heard
    finally:
        shell.run('reading "$ANNOUNCER" --enabled')
        proxy.set({})
        ground.cancel(*CASES)


def test_each_of_a_batch_is_announced_once_though_one_of_them_failed_twice(told: list[str]) -> None:
    assert [task_id.split("_")[1] for task_id in told if task_id.startswith("task_")] == CASES
