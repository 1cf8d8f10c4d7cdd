"""The whole job on the local AWS: the real deploy, the real stream, the real queues."""

import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from infra.local.cometapi import Expected
from infra.local.notifications import Notifications, Queue
from infra.local.stack import API_KEY_PARAMETER
from tests.e2e.ground import statuses
from tests.e2e.stream import Stream
from tests.e2e.tasks import Item, Tasks

if TYPE_CHECKING:
    from infra.local.stack import LocalStack
    from tests.e2e.conftest import KeylessTick


MODEL = "doubao-seedance-2-0-fast"
PATIENCE_SECONDS = 120

OWN = {"project": "trailer", "shots": [1, 2], "note": {"by": "ann"}}
METADATA = {"project": "trailer", "scene": "7b", "take": 3, "final": True}
INVALID: dict[str, tuple[Item, str]] = {
    "blank id": ({"task_id": " "}, "task_id must be the id that POST /v1/videos returned"),
    "id with a slash": ({"task_id": "tasks/1"}, "task_id must be the id that POST /v1/videos returned"),
    "key with a slash first": ({"task_id": "task_k", "s3_key": "/a.mp4"}, "s3_key must not start or end with /"),
    "key that is a number": ({"task_id": "task_n", "s3_key": 7}, "s3_key must be a string"),
    "metadata that is a string": ({"task_id": "task_s", "metadata": "trailer"}, "metadata must be a map of texts"),
    "metadata in metadata": ({"task_id": "task_m", "metadata": {"a": {"b": 3}}}, "metadata must be a map of texts"),
}


@dataclass
class Job:
    """What was inserted, by the name of the case, and what became of it."""

    stack: "LocalStack"
    notifications: Notifications
    endings: Queue
    ids: dict[str, str] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    histories: dict[str, list[Item]] = field(default_factory=dict)
    """Each item as it was after each of its changes."""

    def item(self, case: str) -> Item:
        return self.items[self.ids[case]]

    def expected(self, case: str) -> Expected:
        return self.stack.cometapi.expected(self.ids[case])


@pytest.fixture(scope="module")
def job(stack: "LocalStack") -> Job:
    """Everything inserted at once, and waited for together."""
    topic, bucket = stack.outputs["VideoStoredTopicArn"], stack.outputs["VideosBucketName"]
    endings = Queue.behind(stack.outputs["TaskEndedTopicArn"], stack.aws, "endings")
    job, tasks = Job(stack, Notifications(stack.aws, topic, bucket), endings), Tasks(stack)
    job.ids["bare"] = tasks.put({"task_id": create(stack, "A lighthouse at dawn")["id"]})
    job.ids["whole answer"] = tasks.put(create(stack, "A paper boat in a gutter"))
    job.ids["refused"] = tasks.put({"task_id": create(stack, "Something refused")["id"], **OWN})
    job.ids["official client"] = tasks.put(
        {"task_id": create_with_official_client(stack), "s3_key": "trailer/7b.mp4", "metadata": METADATA, **OWN}
    )
    job.ids |= {case: tasks.put(item) for case, (item, _) in INVALID.items()}
    stack.tick()
    job.items = tasks.wait_for("ended_at", job.ids.values(), PATIENCE_SECONDS)
    job.histories = Stream(stack).images()
    return job


def create(stack: "LocalStack", prompt: str) -> Item:
    answer = urllib3.request(
        "POST",
        f"{stack.cometapi.base_url}/v1/videos",
        json={"model": MODEL, "prompt": prompt},
        headers={"Authorization": f"Bearer {stack.cometapi.api_key}"},
    )
    assert answer.status == 200
    body: Item = answer.json()
    return body


def create_with_official_client(stack: "LocalStack") -> str:
    from cometapi import CometAPI  # noqa: PLC0415 - each process that shares the tests would wait for it

    # OpenAI's types know its own models only.
    model: Any = MODEL
    with CometAPI(base_url=f"{stack.cometapi.base_url}/v1", api_key=stack.cometapi.api_key) as client:
        return client.videos.create(model=model, prompt="A fox crosses a snowy field").id


STORED = ["bare", "whole answer", "official client"]


@pytest.mark.parametrize("case", STORED)
def test_the_video_is_in_the_bucket_and_the_item_says_where(job: Job, case: str) -> None:
    item = job.item(case)
    bucket, _, key = str(item["s3_uri"]).removeprefix("s3://").partition("/")
    found = job.stack.aws.s3.get_object(Bucket=bucket, Key=key)
    video = found["Body"].read()

    assert Expected(sha256=hashlib.sha256(video).hexdigest(), size=len(video)) == job.expected(case)
    assert (item["status"], item["progress"], item["size"]) == ("SUCCESS", 100, len(video))
    assert item["etag"] == found["ETag"].strip('"')
    admitted_at = next(then["pending_since"] for then in job.histories[job.ids[case]] if "pending_since" in then)
    assert admitted_at <= item["stored_at"] <= item["ended_at"]
    assert "pending_since" not in item
    assert "error" not in item


@pytest.mark.parametrize("case", STORED)
def test_success_is_said_only_when_the_video_is_there(job: Job, case: str) -> None:
    history = job.histories[job.ids[case]]
    assert all("s3_uri" in item for item in history if item.get("status") == "SUCCESS")
    order = statuses(history)
    assert order[-2:] == ["COPYING", "SUCCESS"]
    assert set(order[:-2]) <= {order[0], "SUBMITTED", "IN_PROGRESS"}
    assert job.item(case)["copy_attempts"] == 1


def test_every_ending_is_announced(job: Job) -> None:
    told: set[tuple[Any, ...]] = set()
    ended = {(task_id, item["status"], item.get("s3_uri")) for task_id, item in job.items.items()}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while told < ended and time.monotonic() < deadline:
        heard = [json.loads(body["Message"]) for body in job.endings.receive()]
        told |= {(m["task_id"], m["status"], m["s3_uri"]) for m in heard if m["task_id"] in job.items}
        time.sleep(0.5)
    assert told == ended


def test_the_default_key_is_the_task_id(job: Job) -> None:
    bucket = job.stack.outputs["VideosBucketName"]
    assert job.item("bare")["s3_uri"] == f"s3://{bucket}/videos/{job.ids['bare']}.mp4"


def test_the_object_carries_the_metadata_of_the_contract(job: Job) -> None:
    item = job.item("official client")
    head = job.stack.aws.s3.head_object(Bucket=job.stack.outputs["VideosBucketName"], Key="trailer/7b.mp4")
    assert head["ContentType"] == "video/mp4"
    assert head["Metadata"] == {
        "project": "trailer",
        "scene": "7b",
        "take": "3",
        "final": "true",
        "task-id": job.ids["official client"],
        "model": MODEL,
        "created-at": str(item["created_at"]),
        "completed-at": str(item["completed_at"]),
    }


def test_each_video_is_announced_once_on_each_way(job: Job) -> None:
    keys = [str(job.item(case)["s3_uri"]).split("/", 3)[3] for case in STORED]
    deadline = time.monotonic() + PATIENCE_SECONDS
    ways = (job.notifications.by_sns, job.notifications.by_eventbridge)
    while not all(way[key] for way in ways for key in keys) and time.monotonic() < deadline:
        time.sleep(0.5)
        job.notifications.collect()
    assert [{key: way[key] for key in keys} for way in ways] == [dict.fromkeys(keys, 1)] * 2


def test_a_failed_render_ends_with_the_words_of_the_provider(job: Job) -> None:
    item = job.item("refused")
    assert item["status"] == "FAILED"
    assert item["error"] == {
        "code": "InputTextSensitiveContentDetected",
        "message": "The request failed because the input text may contain sensitive information.",
    }
    assert "pending_since" not in item
    assert "s3_uri" not in item


@pytest.mark.parametrize("case", INVALID)
def test_a_malformed_item_says_what_to_change(job: Job, case: str) -> None:
    item = job.item(case)
    assert item["status"] == "INVALID"
    assert item["error"]["code"] == "invalid_item"
    assert INVALID[case][1] in item["error"]["message"]
    assert "pending_since" not in item
    assert item.items() >= INVALID[case][0].items()


@pytest.mark.parametrize("case", ["official client", "refused"])
def test_the_attributes_of_the_user_are_untouched(job: Job, case: str) -> None:
    assert {name: job.item(case)[name] for name in OWN} == OWN


def test_without_the_api_key_the_tick_says_what_is_missing_and_changes_no_task(keyless_tick: "KeylessTick") -> None:
    said = [json.loads(line) for line in keyless_tick.log if line.startswith("{")]
    errors = [str(entry["message"]) for entry in said if entry.get("level") == "ERROR"]
    assert len(set(errors)) == 1  # the schedule ticks too
    assert API_KEY_PARAMETER in errors[0]
    assert "aws ssm put-parameter" in errors[0]
    assert keyless_tick.after == keyless_tick.before


def test_with_the_api_key_what_was_inserted_before_is_stored(stack: "LocalStack", keyless_tick: "KeylessTick") -> None:
    task_id = str(keyless_tick.before["task_id"])
    stack.tick()
    assert Tasks(stack).wait_for("ended_at", [task_id], PATIENCE_SECONDS)[task_id]["status"] == "SUCCESS"


def test_an_object_of_somebody_else_is_never_overwritten(stack: "LocalStack") -> None:
    tasks, bucket, key = Tasks(stack), stack.outputs["VideosBucketName"], "taken/1.mp4"
    stack.aws.s3.put_object(Bucket=bucket, Key=key, Body=b"somebody else's")
    task_id = tasks.put({"task_id": stack.cometapi.create(render_seconds=0), "s3_key": key})
    tasks.wait_for("pending_since", [task_id], 30)
    stack.tick()
    item = tasks.wait_for("ended_at", [task_id], PATIENCE_SECONDS)[task_id]
    assert (item["status"], item["error"]["code"]) == ("COPY_FAILED", "key_taken")
    assert stack.aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"somebody else's"
