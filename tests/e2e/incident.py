"""A bad day in a few minutes: every condition that an alarm watches for is made to happen, and cured by the runbook."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from infra.local import sam
from infra.local.cometapi import Request
from infra.local.notifications import Queue
from tests.cloudwatch import MINUTE
from tests.e2e.alarms import Point, going_on, logged, of_function, of_queue, published
from tests.e2e.patience import eventually
from tests.e2e.queues import DeployedQueue
from tests.e2e.shell import Shell
from tests.e2e.stream import Stream
from tests.e2e.tasks import Tasks
from tests.template import FUNCTIONS

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import InvocationResponseTypeDef

    from infra.local.stack import LocalStack

HOUR = 3600
PATIENCE_SECONDS = 120
LARGEST_ITEM_BYTES = 400 * 1024
NEW_KEY = "sk-rotated"
FOREIGN_KEY = "sk-of-another-account"
# Waits like any other, but is forgotten by CometAPI, or never was known to it.
UNKNOWN = [f"task_unknown_{number}" for number in range(4)]
LARGE = 5
NOTHING_TO_DO = json.dumps(
    {
        "Records": [
            {"eventID": "1", "eventSource": "aws:dynamodb", "eventName": "REMOVE", "dynamodb": {"SequenceNumber": "0"}}
        ]
    }
)
"""A task that was cancelled, for Intake; no message of a queue for the others, so a tick for the Poller."""
FORGOTTEN = "1".zfill(21)
"""The number of a record that the stream does not have any more."""
ROUNDS = 2
"""So many whole rounds of a trouble that goes on are enough to go on with."""


class Incident:
    """What went wrong, by the name of the case; the queue `endings` hears what is announced meanwhile."""

    def __init__(self, stack: "LocalStack") -> None:
        self.stack, self.tasks, self.shell = stack, Tasks(stack), Shell(stack)
        self.endings = Queue.behind(stack.outputs["TaskEndedTopicArn"], stack.aws, "endings")
        self.copies, self.failures = DeployedQueue.of_copies(stack), ""
        self.began = self.ended = time.time()
        self.ids: dict[str, str] = {}
        self.waiting = ""
        self.told: dict[str, str] = {}
        self.phases: dict[str, tuple[float, float]] = {}
        self.brought: list[Point] = []

    def run(self) -> None:
        """Let it all happen, and cure it."""
        self._tasks_in_trouble()
        self._cometapi_out_of_order()
        self._key_rotated_by_the_provider()
        self._cure()
        self._rounds_held()
        self._copies_held()
        self._queue_refuses()
        self._stream_not_read()
        self._functions_that_fail()
        self._throttled()
        self._slow()
        self.ended = time.time()

    def points(self) -> list[Point]:
        """Return what CloudWatch would have by now, phases that a test cannot wait for going on for half an hour."""
        found = list(logged(self.stack))
        longer = [p for since, until in self.phases.values() for p in going_on(found, since, until, 30)]
        return [*found, *published(self.stack), *self.brought, *longer]

    def asked(self, about: Callable[[Request], bool], times: int, what: str) -> None:
        """Wait until CometAPI was asked so often; the local AWS shows a log when its invocation ends, not before."""
        eventually(lambda: sum(map(about, self.stack.cometapi.requests)) >= times, f"without: {what}", PATIENCE_SECONDS)

    def _tasks_in_trouble(self) -> None:
        now, create = int(time.time()), self.stack.cometapi.create
        # As if a lease had just run out: asked about in every round, at any age.
        due = {"lease_until": now - 20, "project": "trailer"}
        renders = {"name": "documented_in_progress", "times": 2}
        self.ids["late"] = create(answers=[renders, "life"], render_seconds=0)
        self.ids["unstored"] = create(render_seconds=0)
        self.ids["old"] = create(video={"name": "error", "status": 418}, render_seconds=0)
        self.ids["wrong"] = "task_that_never_was"
        for item in (
            {"task_id": self.ids["late"], "status": "IN_PROGRESS", "pending_since": now - 25 * HOUR},
            {"task_id": self.ids["unstored"], "status": "COPYING", "pending_since": now - HOUR, "copy_attempts": 12},
            {"task_id": self.ids["old"], "status": "COPYING", "pending_since": now - 7 * HOUR},
            {
                "task_id": self.ids["wrong"],
                "status": "SUBMITTED",
                "pending_since": now - HOUR,
                "denied_since": now - 700,
            },
            *({"task_id": task_id, "pending_since": now - HOUR} for task_id in UNKNOWN),
        ):
            self.tasks.put({**item, **due})
        for number in range(LARGE):
            task_id = self.ids[f"large {number}"] = create(answers="documented_in_progress")
            bare = {"task_id": task_id, "pending_since": now, **due}
            self.tasks.put({**bare, "script": "x" * (LARGEST_ITEM_BYTES - len(task_id) - 90)})
        self.stack.tick()
        self.tasks.wait_for("ended_at", [self.ids[case] for case in ("late", "unstored", "wrong")], seconds=150)
        self.tasks.wait_for("error", [self.ids["old"]], seconds=150)
        large = {task_id for case, task_id in self.ids.items() if case.startswith("large")}
        self.asked(lambda request: request.task_id in large, 3 * LARGE, "three rounds")

    def _cometapi_out_of_order(self) -> None:
        self.stack.cometapi.fault("http_503")
        with self._phase("NoReports", "http_503"):
            self.stack.tick()
        self.stack.cometapi.clear()

    def _key_rotated_by_the_provider(self) -> None:
        """First it is not valid any more, then somebody stores that of another account, then the right one."""
        cometapi = self.stack.cometapi
        cometapi.configure(api_key=NEW_KEY)
        with self._phase("KeyRejected", "unauthorized", times=ROUNDS):  # each of which it stops
            self.stack.tick()
        cometapi.configure(foreign_key=FOREIGN_KEY)
        self.stack.put_api_key(FOREIGN_KEY)
        with self._phase("SuspiciousRounds", "task_not_exist_flat"):
            self.stack.tick()
        cometapi.configure(foreign_key="")
        self.shell.follow("Rotate the key", NEW_KEY=NEW_KEY)

    @contextmanager
    def _phase(self, alarm: str, answer: str, times: int = 2 * len(UNKNOWN)) -> Iterator[None]:
        """Do what begins a trouble, and let it go on until whole rounds were answered so."""
        since = time.time()
        yield
        self.asked(lambda request: request.answer == answer and request.at > since, 1, answer)
        time.sleep(1)  # until whoever asked then is done
        began = time.time()
        self.asked(lambda request: request.answer == answer and request.at > began, times, answer)

        def rounds() -> int:
            return sum(point.metric.name == "Polls" and point.at > began for point in logged(self.stack))

        eventually(lambda: rounds() >= ROUNDS, f"without rounds: {alarm}", PATIENCE_SECONDS)
        self.phases[alarm] = (began, time.time())

    def _cure(self) -> None:
        self.waiting = self.shell.follow("See what waits")
        self.shell.follow("Cancel one task", TASK_ID=self.ids["old"])
        large = [task_id for case, task_id in self.ids.items() if case.startswith("large")]
        for task_id in [*UNKNOWN, *large]:
            self.tasks.delete(task_id)
        self.shell.follow("Retry one task", TASK_ID=self.ids["late"])
        self.shell.follow("Retry all of one error", CODE="copies_exhausted")
        self._stored(self.ids["late"], self.ids["unstored"])

    def _stored(self, *task_ids: str) -> None:
        self._pending(*task_ids)
        self.stack.tick()
        self.tasks.wait_until(lambda item: item["status"] == "SUCCESS", "without its video", task_ids, seconds=150)

    def _pending(self, *task_ids: str, seconds: float = 150) -> None:
        """Wait until tasks were admitted; a tick of the schedule may have been faster."""
        statuses = {"SUBMITTED", "IN_PROGRESS", "COPYING", "SUCCESS"}
        self.tasks.wait_until(lambda item: item.get("status") in statuses, "not admitted", task_ids, seconds)

    def _rounds_held(self) -> None:
        self.shell.run('reading "$POLLER" --no-enabled')
        held = self.ids["unasked"] = self.tasks.put({"task_id": self.stack.cometapi.create(render_seconds=0)})
        self._pending(held)
        self.stack.tick()
        rounds = DeployedQueue.of_rounds(self.stack)
        eventually(lambda: rounds.visible() > 0, "without a round that waits", PATIENCE_SECONDS)
        visible = of_queue("ApproximateNumberOfMessagesVisible", rounds.name)
        began = time.time()
        self.brought += (Point(visible, began + seconds, (1,)) for seconds in range(0, 12 * MINUTE, MINUTE))
        self.shell.follow("Let rounds go on")
        self._stored(held)

    def _copies_held(self) -> None:
        self.shell.follow("Hold the copies")
        held = self.ids["held"] = self.tasks.put({"task_id": self.stack.cometapi.create(render_seconds=0)})
        self._pending(held)
        self.stack.tick()
        self.tasks.wait_for("lease", [held], seconds=150)
        sent = time.time()
        assert self.copies.messages()
        self.stack.aws.sqs.send_message(QueueUrl=self.copies.url, MessageBody="no copy")  # read once copies go on
        age = of_queue("ApproximateAgeOfOldestMessage", self.copies.name)
        self.brought += (Point(age, sent + seconds, (seconds,)) for seconds in range(0, HOUR + 3 * MINUTE, MINUTE))
        self.told["Copy more at once"] = self.shell.follow("Copy more at once", COPIERS="7")
        self.shell.follow("Let copies go on")
        self._stored(held)

    def _queue_refuses(self) -> None:
        with self._setting("PollerFunctionName", COPIES_QUEUE=f"{self.copies.url}-that-is-not-there"):
            unsent = self.ids["unsent"] = self.tasks.put({"task_id": self.stack.cometapi.create(render_seconds=0)})
            self._pending(unsent)
            self.stack.tick()
            self._counted("QueueErrors", 3)
        self._stored(unsent)

    def _stream_not_read(self) -> None:
        """Three changes that Intake does not see: one that it gave up, and two that nobody knows of."""
        self.shell.run('reading "$INTAKE" --no-enabled')
        create, retried = self.stack.cometapi.create, self.ids["unstored"]
        given_up = self.ids["given up"] = self.tasks.put({"task_id": create(render_seconds=0)})
        forgotten = self.ids["forgotten"] = self.tasks.put({"task_id": create(render_seconds=0)})
        self.shell.follow("Retry one task", TASK_ID=retried)
        self._records_given_up(given_up)
        self.told["Empty the queue of failures"] = self.shell.follow("Empty the queue of failures")
        self._pending(given_up, seconds=10)
        assert self.tasks.get(forgotten).keys() == {"task_id"}
        self.told["Admit what was forgotten"] = self.shell.follow("Admit what was forgotten")
        self._pending(forgotten, retried, seconds=10)
        self.told["again"] = self.shell.follow("Admit what was forgotten")
        self.shell.run('reading "$INTAKE" --enabled')
        self._stored(given_up, forgotten, retried)

    def _records_given_up(self, task_id: str) -> None:
        """Send what Lambda would: of this task's record, and of one that the stream has forgotten since."""
        stream, sqs = Stream(self.stack), self.stack.aws.sqs
        intake = self.stack.outputs["IntakeFunctionName"]
        arn = self.stack.aws.functions.get_function_configuration(FunctionName=intake)["FunctionArn"]
        url = self.failures = self.shell.run("resource StreamFailuresQueue").strip()
        for number in (stream.number_of(task_id), FORGOTTEN):
            sqs.send_message(QueueUrl=url, MessageBody=stream.failure(arn, number))
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        visible = of_queue("ApproximateNumberOfMessagesVisible", url.rsplit("/", 1)[-1])
        now = time.time()
        self.brought.append(Point(visible, now, (float(attributes["Attributes"]["ApproximateNumberOfMessages"]),)))
        # What goes on waiting in the stream is read late.
        age = of_function("IteratorAge", intake)
        self.brought += (Point(age, now + seconds, (seconds * 1000,)) for seconds in range(0, 12 * MINUTE, MINUTE))

    def _functions_that_fail(self) -> None:
        with self._setting("AnnouncerFunctionName", TASK_ENDED_TOPIC=f"{self.stack.outputs['TaskEndedTopicArn']}-not"):
            with self._setting("IntakeFunctionName", TASKS_TABLE="a-table-that-is-not-there"):
                late = self.tasks.put({"task_id": "an id with spaces"})
                self._counted("IntakeFailures", 3)
            self.tasks.wait_for("ended_at", [late], seconds=150)
            self._counted("AnnounceFailures", 3)
        for name in ("pending_since", "ended_at"):  # its owner's own ending, without a status
            self.tasks.put({"task_id": "task_of_somebody", name: int(time.time())})
        self._counted("AnnounceRefused", 1)
        self._version_that_does_not_work()

    def _version_that_does_not_work(self) -> None:
        """Deploy a mistake, and then go back as the runbook says, by deploying what worked."""
        worked = sam.build()
        broken, text = worked.with_name("broken.yaml"), worked.read_text()
        for function in ("PollerFunction", "CopierFunction"):
            handler = FUNCTIONS[function]["Handler"]
            text = text.replace(handler, handler.replace(".handler.handler", ".handler.sqs_messages"))
        broken.write_text(text)
        self.stack.deploy(broken)
        for output, times in (("PollerFunctionName", 3), ("CopierFunctionName", 5)):
            for _ in range(times):
                assert self._invoke(output).get("FunctionError")
        self.stack.deploy(worked)
        assert not self._invoke("PollerFunctionName").get("FunctionError")
        assert not self._invoke("CopierFunctionName").get("FunctionError")

    def _throttled(self) -> None:
        functions = self.stack.aws.functions
        outputs = ("IntakeFunctionName", "PollerFunctionName", "CopierFunctionName")
        for output in outputs:
            name = self.stack.outputs[output]
            functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
            for _ in range(4):  # botocore asks three times each
                with pytest.raises(functions.exceptions.TooManyRequestsException):
                    self._invoke(output)
        self.shell.follow("Free concurrency")
        for output in outputs:
            assert not self._invoke(output).get("FunctionError")

    def _slow(self) -> None:
        """Bring what Lambda would publish of functions that almost ran into their time-outs, or in a circle."""
        now, outputs = time.time(), self.stack.outputs
        for output, seconds in (("PollerFunctionName", 85), ("CopierFunctionName", 885)):
            self.brought.append(Point(of_function("Duration", outputs[output]), now, (seconds * 1000,)))
        stopped = of_function("RecursiveInvocationsDropped", outputs["PollerFunctionName"])
        self.brought.append(Point(stopped, now, (1,)))

    def _invoke(self, output: str) -> "InvocationResponseTypeDef":
        return self.stack.aws.functions.invoke(FunctionName=self.stack.outputs[output], Payload=NOTHING_TO_DO)

    @contextmanager
    def _setting(self, output: str, **variables: str) -> Iterator[None]:
        """Deploy other values of a function's variables for a while."""
        functions, name = self.stack.aws.functions, self.stack.outputs[output]
        right = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": {**right, **variables}})
        try:
            yield
        finally:
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": right})

    def _counted(self, name: str, times: int) -> None:
        """Wait until the functions have counted something so often."""

        def sum_of() -> float:
            return sum(sum(p.values) for p in logged(self.stack) if p.metric.name == name and p.at > self.began)

        eventually(lambda: sum_of() >= times, f"without: {name}", PATIENCE_SECONDS)
