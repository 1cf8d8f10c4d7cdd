"""What readers of the stream cannot do: Intake says so and gives it up for later, the Announcer passes it."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.notifications import Queue
from tests.e2e.ground import Ground, pause
from tests.e2e.shell import Shell
from tests.e2e.tasks import Item
from tests.template import FUNCTIONS

if TYPE_CHECKING:
    from infra.local.stack import LocalStack


INTAKE, ANNOUNCER = "IntakeFunctionName", "AnnouncerFunctionName"
READERS = {INTAKE: "Inserted", ANNOUNCER: "Ended"}
BOUNDS = ("MaximumRetryAttempts", "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError", "DestinationConfig")


@dataclass
class Failure:
    """A record that Intake could not read and gave up, and what became of it."""

    ground: Ground
    said: list[dict[str, Any]] = field(default_factory=list)
    given_up: Item = field(default_factory=dict)
    told: str = ""
    left: int = -1


@pytest.fixture(scope="module")
def failure(stack: "LocalStack") -> Failure:
    ground, shell = Ground(stack), Shell(stack)
    failure, functions, sqs = Failure(ground), stack.aws.functions, stack.aws.sqs
    queue = shell.run("resource StreamFailuresQueue").strip()
    (reader,) = functions.list_event_source_mappings(FunctionName=stack.outputs[INTAKE])["EventSourceMappings"]

    def waiting() -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]  # type: ignore[arg-type]
        return sum(map(int, found.values()))

    def lines() -> list[dict[str, Any]]:
        return [entry for entry in ground.log(INTAKE) if "delivered again" in entry.get("message", "")]

    with ground.setting(INTAKE, TASKS_TABLE=None):
        ground.ids["unread"] = ground.tasks.put({"task_id": stack.cometapi.create(render_seconds=0)})
        ground.until(lambda: len(lines()) >= 2, "said by Intake", ask=ground.wake(INTAKE))
        failure.said = lines()
        # MiniStack counts no attempts; of age it gives up, and a test has not got the 20 hours.
        functions.update_event_source_mapping(UUID=reader["UUID"], MaximumRecordAgeInSeconds=1)
        try:
            ground.until(waiting, "given up", ask=pause)
        finally:
            age = reader["MaximumRecordAgeInSeconds"]
            functions.update_event_source_mapping(UUID=reader["UUID"], MaximumRecordAgeInSeconds=age)
    failure.given_up = ground.item("unread")
    failure.told = shell.follow("Empty the queue of failures")
    failure.left = waiting()
    ground.until(lambda: ground.ended("unread"), "admitted and stored")
    return failure


def test_a_record_that_intake_cannot_read_is_logged_with_its_id_and_counted(failure: Failure) -> None:
    assert len({entry["event_id"] for entry in failure.said}) == 1
    assert all("TASKS_TABLE" in entry["cause"] for entry in failure.said)
    assert failure.ground.counted("ConfigurationErrors") >= 1


def test_what_intake_gave_up_is_admitted_by_the_command_of_the_runbook(failure: Failure) -> None:
    assert failure.given_up.keys() == {"task_id"}
    assert '"batchItemFailures": []' in failure.told
    assert failure.left == 0
    assert failure.ground.item("unread")["status"] == "SUCCESS"


@pytest.mark.parametrize("output", READERS)
def test_both_readers_are_deployed_with_bounds_and_a_place_for_what_they_give_up(
    stack: "LocalStack", output: str
) -> None:
    functions = stack.aws.functions
    (mapping,) = functions.list_event_source_mappings(FunctionName=stack.outputs[output])["EventSourceMappings"]
    written = FUNCTIONS[output.removesuffix("Name")]["Events"][READERS[output]]["Properties"]
    assert [mapping.get(name) for name in BOUNDS[:3]] == [written[name] for name in BOUNDS[:3]]
    queue = Shell(stack).run("resource StreamFailuresQueue").strip().rsplit("/", 1)[-1]
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"].endswith(f":{queue}")


@dataclass
class Told:
    """What was announced of a batch of endings, some of which can never be."""

    ground: Ground
    ids: set[str]


@pytest.fixture(scope="module")
def told(stack: "LocalStack") -> Iterator[Told]:
    ground, shell = Ground(stack), Shell(stack)
    topic = Queue.behind(stack.outputs["TaskEndedTopicArn"], stack.aws, "readers")
    now = int(time.time())
    ended: dict[str, Item] = {
        "first": {"status": "FAILED"},
        "without a status": {},
        "bytes": {"status": "FAILED", "error": {"code": b"\x00"}},
        "last": {"status": "FAILED"},
    }
    shell.run('reading "$ANNOUNCER" --no-enabled')
    try:
        for case, item in ended.items():
            task_id = ground.ids[case] = f"task_ended_{case.replace(' ', '_')}_{now}"
            ground.tasks.put({"task_id": task_id, "status": "SUBMITTED", "pending_since": now})
            ground.tasks.put({"task_id": task_id, "ended_at": now, **item})
    finally:
        shell.run('reading "$ANNOUNCER" --enabled')
    told = Told(ground, set())

    def hear() -> bool:
        told.ids.update(json.loads(body["Message"])["task_id"] for body in topic.receive())
        return ground.ids["last"] in told.ids

    ground.until(hear, "the last ending announced", ask=pause)
    yield told
    ground.cancel(*ground.ids)


def test_an_ending_that_cannot_be_announced_is_passed_and_keeps_none_back(told: Told) -> None:
    assert [case for case, task_id in told.ground.ids.items() if task_id in told.ids] == ["first", "last"]


def test_what_was_passed_is_logged_with_its_id_and_counted(told: Told) -> None:
    ground = told.ground

    def passed() -> list[dict[str, Any]]:
        return [entry for entry in ground.log(ANNOUNCER) if "is passed over" in entry.get("message", "")]

    ground.until(
        lambda: len(passed()) >= 2 and ground.counted("AnnounceRefused") >= 2, "logged", ask=ground.wake(ANNOUNCER)
    )
    assert len({entry["event_id"] for entry in passed()}) == 2
    assert ground.counted("AnnounceRefused") == 2
