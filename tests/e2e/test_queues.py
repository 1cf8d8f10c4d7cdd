"""What waits in a queue is kept, what is lost in one is found again, and what does not belong there is gone."""

import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from shared.queues import CopyMessage, RoundMessage
from tests.e2e.queues import DeployedQueue
from tests.e2e.tasks import Item, Tasks

if TYPE_CHECKING:
    from infra.local.stack import LocalStack, Say


PATIENCE_SECONDS = 90
MANY = 300
MANY_SECONDS = 180
DAY = 86_400
SECOND_SENDING_SECONDS = 2
"""When a lease is there its message may be sent once more, but not later than this."""
WORK_SECONDS = 5
"""So long a mapping that is on would need at the most."""


@dataclass(frozen=True)
class Outage:
    """What became of two pairs of tasks whose copies were sent while the mapping was off; one pair's were purged."""

    kept: dict[str, Item]
    messages: int
    lost: dict[str, Item]
    waited: dict[str, Item]
    stored: dict[str, Item]
    found_again: dict[str, Item]


@pytest.fixture(scope="module")
def outage(stack: "LocalStack") -> Outage:
    tasks, copies = Tasks(stack), DeployedQueue.of_copies(stack)
    stack.tick()
    # Whose copy waits would lose it, too.
    tasks.wait_for("ended_at", tasks.ids(), PATIENCE_SECONDS)
    copies.wait_until_empty(PATIENCE_SECONDS)
    copies.pause()
    try:
        lost = hand_off(stack, tasks)
        time.sleep(SECOND_SENDING_SECONDS)
        copies.purge()
        kept = hand_off(stack, tasks)
        time.sleep(WORK_SECONDS)
        messages, waited = copies.messages(), {task_id: tasks.get(task_id) for task_id in kept}
    finally:
        copies.resume()
    stored = tasks.wait_for("ended_at", kept, PATIENCE_SECONDS)
    lost = {task_id: tasks.get(task_id) for task_id in lost}
    for item in lost.values():
        tasks.end_lease(item)
    stack.tick()
    return Outage(kept, messages, lost, waited, stored, tasks.wait_for("ended_at", lost, PATIENCE_SECONDS))


def hand_off(stack: "LocalStack", tasks: Tasks) -> dict[str, Item]:
    """Return two tasks whose renders are done, once their copies are sent."""
    task_ids = [tasks.put({"task_id": task_id}) for task_id in stack.cometapi.create_many(2, render_seconds=0)]
    tasks.wait_for("pending_since", task_ids, PATIENCE_SECONDS)
    # Nobody asks about a task in the first seconds of its life.
    time.sleep(WORK_SECONDS)
    stack.tick()
    return tasks.wait_for("lease", task_ids, PATIENCE_SECONDS)


def test_while_the_mapping_is_off_the_messages_wait(outage: Outage) -> None:
    assert outage.messages >= len(outage.kept)  # a hand-off that took long was sent twice
    assert {item["status"] for item in outage.waited.values()} == {"COPYING"}
    assert not any("s3_uri" in item for item in outage.waited.values())


def test_what_waited_is_stored_and_waiting_was_no_attempt(outage: Outage) -> None:
    assert {(item["status"], item["copy_attempts"]) for item in outage.stored.values()} == {("SUCCESS", 1)}
    assert {item["task_id"]: item["lease"] for item in outage.waited.values()} == {
        item["task_id"]: item["lease"] for item in outage.kept.values()
    }


def test_what_a_purge_lost_is_handed_off_again_when_its_lease_is_over(outage: Outage) -> None:
    assert {item["status"] for item in outage.lost.values()} == {"COPYING"}
    assert {(item["status"], item["copy_attempts"]) for item in outage.found_again.values()} == {("SUCCESS", 1)}


def bad_rounds(now: int) -> dict[str, str]:
    good = RoundMessage(0, 1, now - 15, now, now + 15)
    changed: dict[str, dict[str, int | str]] = {
        "segment that there is not": {"segment": 1},
        "less than no segment": {"segment": -1},
        "no window": {"after": now},
        "window of yesterday": {
            "after": now - DAY - 15,
            "until": now - DAY,
            "ends_at": now - DAY,
        },
        "time that is text": {"until": str(now)},
    }
    rounds = {name: json.dumps({**json.loads(good.body()), **change}) for name, change in changed.items()}
    return rounds | {"copy among rounds": CopyMessage("task_1", "word", "https://example.com/v.mp4").body()}


def bad_copies(now: int) -> dict[str, str]:
    good = json.loads(CopyMessage("task_1", "word", "https://example.com/v.mp4").body())
    return {
        "copy without a word": json.dumps({name: good[name] for name in ("task_id", "video_url")}),
        "copy without an id": json.dumps({**good, "task_id": ""}),
        "URL that is a list": json.dumps({**good, "video_url": [good["video_url"]]}),
        "round among copies": RoundMessage(0, 1, now - 15, now, now + 15).body(),
    }


NO_MESSAGES = {
    "blank": " ",
    "100 KB of text": "x" * 100_000,
    "empty object": "{}",
    "list": "[]",
    "null": "null",
    "JSON that is deep": "[" * 50_000,
}


@dataclass(frozen=True)
class Dropped:
    """The messages that are none, as they were sent, and what their function has said since."""

    sent: dict[str, str]
    errors: dict[str, str]
    counted: int


@pytest.fixture(scope="module", params=["PollerFunctionName", "CopierFunctionName"])
def dropped(stack: "LocalStack", request: pytest.FixtureRequest) -> Dropped:
    output = str(request.param)
    of_rounds = output == "PollerFunctionName"
    queue = DeployedQueue.of_rounds(stack) if of_rounds else DeployedQueue.of_copies(stack)
    bad = NO_MESSAGES | (bad_rounds if of_rounds else bad_copies)(int(time.time()))
    before = len(stack.logs(output))
    sent = {name: queue.send(body) for name, body in bad.items()}
    if not of_rounds:  # those of a minute are always among the others
        queue.wait_until_empty(PATIENCE_SECONDS)
    deadline = time.monotonic() + PATIENCE_SECONDS
    errors: dict[str, str] = {}
    counted = 0  # after it was said, by the same invocation
    while (errors.keys() != set(sent.values()) or counted < len(sent)) and time.monotonic() < deadline:
        time.sleep(0.3)
        said = [json.loads(line) for line in stack.logs(output)[before:] if line.startswith("{")]
        errors = {entry["message_id"]: entry["message"] for entry in said if entry.get("message_id") in sent.values()}
        counted = sum(sum_of(entry["BadMessages"]) for entry in said if "BadMessages" in entry)
    return Dropped(sent, errors, counted)


def sum_of(value: float | list[float]) -> int:
    return int(sum(value) if isinstance(value, list) else value)


def test_what_is_no_message_is_logged_with_its_id_and_counted(dropped: Dropped) -> None:
    assert {name for name, message_id in dropped.sent.items() if message_id not in dropped.errors} == set()
    assert dropped.counted == len(dropped.sent)


def test_no_log_repeats_what_a_bad_message_said(dropped: Dropped) -> None:
    assert not any("xxx" in error or "example.com" in error for error in dropped.errors.values())


def test_a_copy_of_a_task_that_there_is_not_is_gone(stack: "LocalStack") -> None:
    copies = DeployedQueue.of_copies(stack)
    copies.send(CopyMessage("task_gone", "word", stack.cometapi.base_url).body())
    copies.wait_until_empty(PATIENCE_SECONDS)
    assert not Tasks(stack).get("task_gone")


@dataclass(frozen=True)
class Rush:
    """Many ids that were inserted at once, and after how many seconds all were stored."""

    items: dict[str, Item]
    seconds: float
    environments: int


@pytest.fixture(scope="module")
def rush(stack: "LocalStack") -> Rush:
    tasks = Tasks(stack)
    task_ids = stack.cometapi.create_many(MANY, render_seconds=1)
    began = time.monotonic()
    tasks.put_many(task_ids)
    stack.tick()
    items = wait_for_all(tasks, set(task_ids))
    seconds = time.monotonic() - began
    copier = stack.outputs["CopierFunctionName"]
    environments = [*stack.folder.glob(f"tmpdir/ministack-lambda-{copier}-*")]
    return Rush(items, seconds, len(environments))


def wait_for_all(tasks: Tasks, task_ids: set[str]) -> dict[str, Item]:
    deadline = time.monotonic() + MANY_SECONDS
    while True:
        items = {task_id: item for task_id, item in tasks.all().items() if task_id in task_ids}
        pending = [item for item in items.values() if "ended_at" not in item]
        if not pending or time.monotonic() > deadline:
            return items
        time.sleep(1)


def test_many_ids_inserted_at_once_are_stored_in_time(rush: Rush, say: "Say") -> None:
    say(f"\n{MANY} videos stored {rush.seconds:.0f} s after their ids were inserted, {rush.environments} Copiers")
    statuses = Counter((item.get("status"), item.get("copy_attempts")) for item in rush.items.values())
    assert statuses == {("SUCCESS", 1): MANY}
    assert rush.seconds < MANY_SECONDS


def test_no_more_copiers_work_at_once_than_allowed(stack: "LocalStack", rush: Rush) -> None:
    assert 2 <= rush.environments <= DeployedQueue.of_copies(stack).most_at_once
