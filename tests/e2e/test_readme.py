"""The README, typed by a newcomer on the local stack: every block that does not need AWS itself, in its order."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.patience import eventually
from tests.e2e.shell import bash
from tests.e2e.tasks import Item, Tasks
from tests.readme import BLOCKS, README
from tests.template import ROOT

if TYPE_CHECKING:
    from infra.local.stack import LocalStack


PLACEHOLDERS = sorted(set(re.findall(r"TASK_ID_\d+", README)))
# The files that a newcomer makes belong into the test's own folder.
MAKE = f"""
make() {{
  local word words=()
  for word in "$@"; do
    [[ $word == FILE=- ]] || word=${{word/#FILE=/FILE=$PWD/}}
    words+=("$word")
  done
  command make --no-print-directory -C {ROOT} "${{words[@]}}"
}}
"""
QUEUE = f"""
aws cloudformation deploy --stack-name seedance-queue --template-file {ROOT}/infra/examples/queue.yaml \\
  --parameter-overrides VideoStoredTopicArn="$TOPIC"
"""
COMMANDS = dict(re.findall(r"^\| `(make (\w+)[^`]*)` \|", README, re.MULTILINE))
"""What the README has for every day."""
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
    assert len(typed) == len(keys) == len(PLACEHOLDERS) + 1
    assert {"trailer/1.mp4", "lighthouse/1.mp4"} < keys


def test_the_consumers_of_the_readme_hear_of_a_video(stack: "LocalStack", typed: dict[str, Item]) -> None:
    assert typed
    tasks = Tasks(stack)
    bash(stack, QUEUE, {"TOPIC": stack.outputs["VideoStoredTopicArn"]})
    queue = stack.outputs_of("seedance-queue")["QueueUrl"]
    task_id = tasks.put({"task_id": stack.cometapi.create(), "metadata": {"project": "trailer"}})
    tasks.wait_for("pending_since", [task_id], PATIENCE_SECONDS)
    stack.tick()
    stored = tasks.wait_for("ended_at", [task_id], PATIENCE_SECONDS)[task_id]

    def arrivals() -> list[Item]:
        arrived = json.loads(bash(stack, f"{MAKE}make arrivals JSON=1"))["arrived"]
        return [video for video in arrived if video["s3_uri"] == stored["s3_uri"]]

    arrived = eventually(arrivals, "not arrived", PATIENCE_SECONDS)
    assert [video["metadata"]["project"] for video in arrived] == ["trailer"]
    said = bash(stack, f"python {ROOT}/infra/examples/read_queue.py {queue}").splitlines()
    assert said.count(f"a video arrived: {stored['s3_uri']}") == 1


def test_the_commands_of_every_day(stack: "LocalStack", typed: dict[str, Item], tmp_path: Path) -> None:
    tasks, stored = Tasks(stack), min(typed)
    ids = dict.fromkeys(COMMANDS.values(), stored) | {
        "cancel": tasks.put({"task_id": stack.cometapi.create(render_seconds=600)}),
        "retry": tasks.put({"task_id": stack.cometapi.create(), "status": "EXPIRED", "ended_at": 1}),
    }
    tasks.wait_for("pending_since", [ids["cancel"]], PATIENCE_SECONDS)
    # Without a terminal `make watch` would go on for ever.
    more = {"watch": " JSON=1", "get": f" TO={tmp_path}"}
    said = {
        name: bash(stack, f"{MAKE}{command.replace('task_1', ids[name])}{more.get(name, '')}")
        for command, name in COMMANDS.items()
    }
    assert set(said) == {"watch", "list", "show", "get", "retry", "cancel", "gallery", "smoke"}
    assert json.loads(said["watch"])
    assert said["show"].startswith(f"{stored} is SUCCESS")
    assert (tmp_path / f"{stored}.mp4").stat().st_size == typed[stored]["size"]
    assert said["retry"] == "1 task asked for again\n"
    assert said["cancel"] == "1 task cancelled\n"
    assert not tasks.get(ids["cancel"])
    tasks.wait_until(lambda item: item["status"] == "SUCCESS", "not stored", [ids["retry"]], PATIENCE_SECONDS)
