"""A bad hour in two minutes: every condition that an alarm watches for is made to happen, and cured by the runbook."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from infra.local import sam
from infra.local.cometapi import Request
from infra.local.notifications import Queue
from tests.e2e.alarms import logged
from tests.e2e.shell import Shell
from tests.e2e.tasks import Tasks
from tests.template import FUNCTIONS

if TYPE_CHECKING:
    from infra.local.stack import LocalStack

HOUR = 3600
LARGEST_ITEM_BYTES = 400 * 1024
NEW_KEY = "sk-rotated"
# Asked about in every round, at any age: their lease is over.
DUE = {"lease_until": 1}
# More than are known, so that the rounds are suspicious.
FOREIGN = [f"task_foreign_{number}" for number in range(14)]
LARGE = 5


class Incident:
    """What went wrong, by the name of the case; the queue `endings` hears what is announced meanwhile."""

    def __init__(self, stack: "LocalStack") -> None:
        self.stack, self.tasks, self.shell = stack, Tasks(stack), Shell(stack)
        self.endings = Queue.behind(stack.outputs["TaskEndedTopicArn"], stack.aws, "endings")
        self.began = datetime.now(UTC)
        self.ids: dict[str, str] = {}
        self.waiting = ""

    def run(self) -> None:
        """Let it all happen, and cure it."""
        self._tasks_in_trouble()
        self._key_rotated_by_the_provider()
        self._cure()
        self._functions_that_fail()
        self._copier_throttled()
        self._await_metrics()

    def asked(self, about: Callable[[Request], bool], times: int, what: str) -> None:
        """Wait until CometAPI was asked so often; the local AWS shows a log when its invocation ends, not before."""
        wait_until(lambda: sum(map(about, self.stack.cometapi.requests)) >= times, what)

    def _tasks_in_trouble(self) -> None:
        now, create = int(time.time()), self.stack.cometapi.create
        renders = {"name": "documented_in_progress", "times": 2}
        self.ids["late"] = create(answers=[renders, "life"], render_seconds=0)
        self.ids["unstored"] = create(render_seconds=0)
        self.ids["old"] = create(video={"name": "error", "status": 418}, render_seconds=0)
        items = [
            {"task_id": self.ids["late"], "status": "IN_PROGRESS", "pending_since": now - 25 * HOUR},
            {"task_id": self.ids["unstored"], "status": "SUCCESS", "pending_since": now - HOUR, "handoffs": 12},
            {"task_id": self.ids["old"], "status": "SUCCESS", "pending_since": now - 7 * HOUR},
            *({"task_id": task_id, "pending_since": now} for task_id in FOREIGN),
        ]
        for item in items:
            self.tasks.put({**item, **DUE, "project": "trailer"})
        for number in range(LARGE):
            task_id = self.ids[f"large {number}"] = create(answers="documented_in_progress")
            bare = {"task_id": task_id, "pending_since": now, **DUE}
            self.tasks.put({**bare, "script": "x" * (LARGEST_ITEM_BYTES - len(task_id) - 60)})
        self.stack.tick()
        self.tasks.wait_for("ended_at", [self.ids["late"], self.ids["unstored"]], seconds=90)
        self.tasks.wait_for("error", [self.ids["old"]], seconds=90)
        large = {task_id for case, task_id in self.ids.items() if case.startswith("large")}
        self.asked(lambda request: request.task_id in large, 3 * LARGE, "three rounds")

    def _key_rotated_by_the_provider(self) -> None:
        changed = time.time()
        self.stack.cometapi.configure(api_key=NEW_KEY)
        self.asked(lambda request: request.answer == "unauthorized" and request.at > changed, 1, "a rejected key")
        self.shell.follow("Rotate the key", NEW_KEY=NEW_KEY)

    def _cure(self) -> None:
        self.waiting = self.shell.follow("See what waits")
        self.shell.follow("Cancel one task", TASK_ID=self.ids["old"])
        large = [task_id for case, task_id in self.ids.items() if case.startswith("large")]
        for task_id in [*FOREIGN, *large]:
            self.tasks.delete(task_id)
        self.shell.follow("Retry one task", TASK_ID=self.ids["late"])
        self.shell.follow("Retry all of one error", CODE="handoffs_exhausted")
        self.stack.tick()
        self.tasks.wait_for("s3_uri", [self.ids["late"], self.ids["unstored"]], seconds=120)

    def _functions_that_fail(self) -> None:
        functions, outputs = self.stack.aws.functions, self.stack.outputs
        for output, event in (
            ("PollerFunctionName", b'{"segment": "first"}'),
            ("IntakeFunctionName", b"{}"),
            ("AnnouncerFunctionName", b"{}"),
        ):
            for _ in range(3):
                assert functions.invoke(FunctionName=outputs[output], Payload=event).get("FunctionError")
        self._version_that_does_not_work()

    def _version_that_does_not_work(self) -> None:
        """Deploy a mistake, and then go back as the runbook says, by deploying what worked."""
        functions, handler = self.stack.aws.functions, FUNCTIONS["CopierFunction"]["Handler"]
        worked = sam.build()
        broken = worked.with_name("broken.yaml")
        broken.write_text(worked.read_text().replace(handler, "copier.handler.settle"))
        self.stack.deploy(broken)
        copier = self.stack.outputs["CopierFunctionName"]
        for _ in range(5):
            assert functions.invoke(FunctionName=copier, Payload=b"{}").get("FunctionError")
        self.stack.deploy(worked)
        assert "FunctionError" not in functions.invoke(FunctionName=copier, Payload=b"{}")

    def _copier_throttled(self) -> None:
        functions, copier = self.stack.aws.functions, self.stack.outputs["CopierFunctionName"]
        functions.put_function_concurrency(FunctionName=copier, ReservedConcurrentExecutions=0)
        for _ in range(4):  # botocore asks three times each
            with pytest.raises(functions.exceptions.TooManyRequestsException):
                functions.invoke(FunctionName=copier, Payload=b"{}")
        self.shell.follow("Free the Copier")
        assert "FunctionError" not in functions.invoke(FunctionName=copier, Payload=b"{}")

    def _await_metrics(self) -> None:
        """Wait for the ticks to end, for only then are their metrics written."""
        expected = {"AnswersKeyRejected", "SuspiciousRounds", "TasksExpired", "TasksCopyFailed", "TableErrors"}
        wait_until(
            lambda: expected <= {point.name for point in logged(self.stack) if point.at > self.began},
            f"the metrics {expected}",
        )


def wait_until(ready: Callable[[], bool], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            pytest.fail(f"after {seconds} s still without: {what}", pytrace=False)
        time.sleep(1)
