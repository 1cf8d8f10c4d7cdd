"""The README, typed by a newcomer on the local stack: every block that does not need AWS itself, in its order."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.notifications import seen_by_consumer
from tests.e2e.shell import bash
from tests.e2e.tasks import Item, Tasks
from tests.readme import BLOCKS
from tests.template import ROOT

if TYPE_CHECKING:
    from infra.local.stack import LocalStack

pytestmark = pytest.mark.timeout(600)

PLACEHOLDERS = ("TASK_ID_1", "TASK_ID_2", "TASK_ID_3")
# The files that a newcomer makes belong into the test's own folder.
MAKE = f'make() {{ command make --no-print-directory -C {ROOT} "${{@/FILE=/FILE=$PWD/}}"; }}'
PATIENCE_SECONDS = 240


@pytest.fixture(scope="module")
def typed(stack: "LocalStack", tmp_path_factory: pytest.TempPathFactory) -> dict[str, Item]:
    """Type all that the README says; returns the tasks that are in the table for it, once they have ended."""
    folder, tasks = tmp_path_factory.mktemp("newcomer"), Tasks(stack)
    ids = {placeholder: stack.cometapi.create() for placeholder in PLACEHOLDERS}
    before = set(tasks.ids())
    bash(stack, script(folder, ids), folder=folder)
    stack.tick()
    return tasks.wait_for("ended_at", set(tasks.ids()) - before, PATIENCE_SECONDS)


def script(folder: Path, ids: dict[str, str]) -> str:
    (folder / "infra").symlink_to(ROOT / "infra")
    lines = [MAKE]
    for number, block in enumerate(BLOCKS):
        code = block.code
        for placeholder, task_id in ids.items():
            code = code.replace(placeholder, task_id)
        if block.language == "csv":
            (folder / block.purpose).write_text(code)
        elif (block.language, block.purpose) == ("python", "run"):
            (folder / f"block_{number}.py").write_text(code)
            lines.append(f"python block_{number}.py")
        elif block.purpose == "run":
            lines.append(code)
    return "\n".join(lines)


def test_every_task_of_the_readme_is_stored(typed: dict[str, Item]) -> None:
    assert {item["status"] for item in typed.values()} == {"SUCCESS"}
    keys = {str(item["s3_uri"]).split("/", 3)[3] for item in typed.values()}
    assert len(typed) == len(keys) == len(PLACEHOLDERS) + 2
    assert {"trailer/1.mp4", "trailer/2.mp4"} <= keys


def test_the_consumers_of_the_readme_hear_of_a_video(stack: "LocalStack", typed: dict[str, Item]) -> None:
    assert typed
    tasks = Tasks(stack)
    task_id = tasks.put({"task_id": stack.cometapi.create(), "metadata": {"project": "trailer"}})
    tasks.wait_for("pending_since", [task_id], 30)
    stack.tick()
    tasks.wait_for("ended_at", [task_id], PATIENCE_SECONDS)
    key = f"videos/{task_id}.mp4"
    for name in ("seedance-consumer", "seedance-queue"):
        stack.outputs |= stack.outputs_of(name)

    def arrivals() -> int:
        return seen_by_consumer(stack.logs("ConsumerFunctionName"))[key]

    assert eventually(arrivals) == 1
    said = [line for line in stack.logs("ConsumerFunctionName") if task_id in line]
    assert json.loads(said[0])["metadata"]["project"] == "trailer"
    records = eventually(lambda: [r for r in received(stack) if r["s3"]["object"]["key"] == key])
    assert len(records) == 1


def received(stack: "LocalStack") -> list[dict[str, Any]]:
    url = stack.outputs["QueueUrl"]
    messages = stack.aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [record for message in messages for record in json.loads(message["Body"]).get("Records", [])]


def eventually[T](find: Callable[[], T], seconds: float = 30) -> T:
    deadline = time.monotonic() + seconds
    while not (found := find()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found
