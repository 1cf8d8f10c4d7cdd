"""A stack of the first edition, with tasks in every state, is upgraded to this one as CHANGELOG.md says."""

import re
import subprocess
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest

from infra.local import sam
from infra.local.demo_report import read_object
from infra.local.ministack import ROOT
from infra.local.notifications import Notifications
from infra.sam import parameters as sam_parameters
from tests.e2e.tasks import Item, Tasks
from tests.template import TEMPLATE

if TYPE_CHECKING:
    from infra.local.cometapi.script import Step
    from infra.local.stack import LocalStack


FIRST_EDITION = "dd991f8"
NAME = "seedance-poller-upgraded"
SIZE = 1_500_000
PATIENCE_SECONDS = 240
EVERY_SECONDS = 2.0
"""So often somebody inserts a task while the stack is upgraded."""
ENDED_LATE = ("ERROR", "NOT_FOUND", "EXPIRED", "COPY_FAILED")
"""Endings that took the first edition minutes or hours, so that their items are put as it left them."""
WAITING: dict[str, Callable[[Item], bool]] = {
    "COPYING": lambda item: item.get("handoffs") == 1,
    "copied in vain": lambda item: item.get("handoffs") == 1 and "error" in item,
    "without a URL": lambda item: "no_url_since" in item,
    "denied": lambda item: item.get("not_found_answers", 0) > 0,
    "IN_PROGRESS": lambda item: item.get("status") == "IN_PROGRESS",
}
"""How the items of the first edition say that tasks are in a state; the others are, from their insertion."""


@dataclass(frozen=True)
class Upgraded:
    """A stack that was upgraded: what was pending then, by its state, and what had ended."""

    stack: "LocalStack"
    outputs: dict[str, str]
    tasks: Tasks
    heard: Notifications
    pending: dict[str, str]
    ended: dict[str, Item]


def first_edition() -> Path:
    """Return the built template of the first edition; the test is skipped where git does not have it."""
    folder = ROOT / ".local" / f"first-edition-{FIRST_EDITION}"
    if not folder.exists():
        archive = subprocess.run(["git", "archive", FIRST_EDITION], cwd=ROOT, capture_output=True, check=False)  # noqa: S607 - whichever git
        if archive.returncode:
            pytest.skip(f"a shallow clone does not have {FIRST_EDITION}: git fetch --unshallow")
        folder.parent.mkdir(exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=folder.parent))
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
            files.extractall(unfinished, filter="data")
        unfinished.rename(folder)
    return sam.build(replace(sam.SERVICE, folder=folder))


def steps() -> list[dict[str, str]]:
    """Return the parameters of each deploy that CHANGELOG.md asks for."""
    typed = re.findall(r'^make deploy PARAMETERS="(.*)"$', (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    return [sam_parameters(words.split()) for words in typed]


@pytest.fixture(scope="module")
def upgraded(stack: "LocalStack") -> Upgraded:
    outputs = stack.deploy_second(first_edition(), NAME)
    tasks = Tasks(stack, outputs["TasksTableName"])
    heard = Notifications(stack.aws, outputs["VideoStoredTopicArn"], outputs["VideosBucketName"])
    ending, pending = end_in_every_way(stack, tasks), wait_in_every_way(stack, tasks)
    tasks.wait_for("pending_since", pending.values(), PATIENCE_SECONDS)
    tick(stack, outputs)
    ended = tasks.wait_for("ended_at", ending, PATIENCE_SECONDS)
    for state, is_so in WAITING.items():
        tasks.wait_until(is_so, f"not {state}", [pending[state]], PATIENCE_SECONDS)
    with inserting(stack, tasks) as inserted:
        for parameters in steps():
            stack.deploy_second(sam.build(), NAME, **parameters)
    tick(stack, outputs)
    pending |= {f"inserted meanwhile, {number}": task_id for number, task_id in enumerate(inserted)}
    return Upgraded(stack, stack.outputs_of(NAME), tasks, heard, pending, ended)


def tick(stack: "LocalStack", outputs: dict[str, str]) -> None:
    """Start the Poller as the schedule does, without waiting for the minute."""
    stack.aws.functions.invoke(FunctionName=outputs["PollerFunctionName"], InvocationType="Event", Payload=b"{}")


def end_in_every_way(stack: "LocalStack", tasks: Tasks) -> list[str]:
    """Insert tasks that the first edition ends, one in each way; returns their ids."""
    late = {"progress": 40, "handoffs": 12, "ended_at": 1, "error": {"code": "code", "message": "Why."}}
    return [
        tasks.put({"task_id": stack.cometapi.create(render_seconds=0), "metadata": {"project": "trailer"}}),
        tasks.put({"task_id": stack.cometapi.create(render_seconds=0, fails="refused")}),
        tasks.put({"task_id": "task_k", "s3_key": "/a.mp4"}),
        *(tasks.put({"task_id": f"task_{status}", "status": status, **late}) for status in ENDED_LATE),
    ]


def wait_in_every_way(stack: "LocalStack", tasks: Tasks) -> dict[str, str]:
    """Insert tasks that get into every state before an ending; returns their ids by this state."""
    denials: Step = {"name": "task_not_exist_flat", "times": 6}
    broken: Step = {"name": "error", "times": 12}
    queued: Step = {"name": "documented_submitted", "times": 8}
    slow: Step = {"name": "throttled", "bytes_per_second": SIZE // 25}
    create = stack.cometapi.create
    ids = {
        "COPYING": create(render_seconds=0, size=SIZE, video=slow),
        "copied in vain": create(render_seconds=0, video=[broken, "fine"]),
        "without a URL": create(render_seconds=0, answers="success_without_url"),
        "denied": create(render_seconds=0, answers=[denials, "life"]),
        "IN_PROGRESS": create(render_seconds=90),
        "SUBMITTED": create(answers=[queued, "life"], render_seconds=90),
        "set to RETRY": create(render_seconds=90),
    }
    again = {"set to RETRY": {"status": "RETRY", "ended_at": 1, "progress": 40}}
    return {state: tasks.put({"task_id": task_id, **again.get(state, {})}) for state, task_id in ids.items()}


@contextmanager
def inserting(stack: "LocalStack", tasks: Tasks) -> Iterator[list[str]]:
    """Insert a task now and then, and yield the ids so far."""
    inserted: list[str] = []
    over = Event()

    def insert() -> None:
        while not over.wait(EVERY_SECONDS):
            inserted.append(tasks.put({"task_id": stack.cometapi.create(render_seconds=1)}))

    with ThreadPoolExecutor(1) as thread:
        work = thread.submit(insert)
        try:
            yield inserted
        finally:
            over.set()
    work.result()


def test_what_was_pending_ends_with_its_video_exactly_once(upgraded: Upgraded) -> None:
    items = upgraded.tasks.wait_for("ended_at", upgraded.pending.values(), PATIENCE_SECONDS)
    endings = {
        state: (items[task_id]["status"], items[task_id].get("error")) for state, task_id in upgraded.pending.items()
    }
    assert endings == dict.fromkeys(upgraded.pending, ("SUCCESS", None))
    for task_id, item in items.items():
        assert read_object(upgraded.stack.aws, item["s3_uri"]) == upgraded.stack.cometapi.expected(task_id)


def test_what_had_ended_is_untouched(upgraded: Upgraded) -> None:
    assert {task_id: upgraded.tasks.get(task_id) for task_id in upgraded.ended} == upgraded.ended


def test_every_video_is_announced_exactly_once(upgraded: Upgraded) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    videos = [f"videos/{task_id}.mp4" for task_id, item in upgraded.tasks.all().items() if item["status"] == "SUCCESS"]
    while not upgraded.heard.at_least(len(videos)) and time.monotonic() < deadline:
        time.sleep(0.5)
        upgraded.heard.collect()
    assert upgraded.heard.by_sns == upgraded.heard.by_eventbridge == Counter(videos)
    assert len(videos) > len(upgraded.pending)


def test_the_stack_has_this_editions_defaults(upgraded: Upgraded) -> None:
    found = upgraded.stack.aws.cloudformation.describe_stacks(StackName=NAME)["Stacks"][0]["Parameters"]
    values = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in found}
    local = {"CometApiBaseUrl", "AllowInsecureVideoUrls", "PollIntervalSeconds"}
    assert all(values[name] == str(p["Default"]) for name, p in TEMPLATE["Parameters"].items() if name not in local)
    assert upgraded.outputs["Version"] == TEMPLATE["Outputs"]["Version"]["Value"]
