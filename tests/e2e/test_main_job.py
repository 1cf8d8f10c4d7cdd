"""The whole job on the local AWS: the real deploy, the real schedule, the real stream."""

import hashlib
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from cometapi import CometAPI

from infra.local.cometapi import Expected
from infra.local.notifications import Notifications
from infra.local.stack import API_KEY_PARAMETER
from tests.e2e.tasks import Item, Tasks

if TYPE_CHECKING:
    from infra.local.stack import LocalStack
    from tests.e2e.conftest import KeylessTick

# The first test waits for the whole job, which takes two minutes on an idle machine.
pytestmark = pytest.mark.timeout(900)

MODEL = "doubao-seedance-2-0-fast"
# The schedule's first tick comes up to 70 s after the deploy.
PATIENCE_SECONDS = 240

OWN = {"project": "trailer", "shots": [1, 2], "note": {"by": "ann"}}
METADATA = {"project": "trailer", "scene": "7b"}
INVALID: dict[str, tuple[Item, str]] = {
    "blank id": ({"task_id": " "}, "task_id must be the id that POST /v1/videos returned"),
    "id with a slash": ({"task_id": "tasks/1"}, "task_id must be the id that POST /v1/videos returned"),
    "key with a slash first": ({"task_id": "task_k", "s3_key": "/a.mp4"}, "s3_key must not start with /"),
    "key that is a number": ({"task_id": "task_n", "s3_key": 7}, "s3_key must be a string"),
    "metadata that is a string": ({"task_id": "task_s", "metadata": "trailer"}, "metadata must be a map of strings"),
    "metadata of numbers": ({"task_id": "task_m", "metadata": {"take": 3}}, "metadata must be a map of strings"),
}


@dataclass
class Job:
    """What was inserted, by the name of the case, and what became of it."""

    stack: "LocalStack"
    notifications: Notifications
    ids: dict[str, str] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)

    def item(self, case: str) -> Item:
        return self.items[self.ids[case]]

    def expected(self, case: str) -> Expected:
        return self.stack.cometapi.expected(self.ids[case])


@pytest.fixture(scope="module")
def job(stack: "LocalStack", keyless_tick: "KeylessTick") -> Job:
    """Everything inserted at once, and waited for together: the schedule ticks but once a minute."""
    topic, bucket = stack.outputs["VideoStoredTopicArn"], stack.outputs["VideosBucketName"]
    job, tasks = Job(stack, Notifications(stack.aws, topic, bucket)), Tasks(stack)
    job.ids["inserted before the key"] = str(keyless_tick.before["task_id"])
    job.ids["bare"] = tasks.put({"task_id": create(stack, "A lighthouse at dawn")["id"]})
    job.ids["whole answer"] = tasks.put(create(stack, "A paper boat in a gutter"))
    job.ids["refused"] = tasks.put({"task_id": create(stack, "Something refused")["id"], **OWN})
    job.ids["official client"] = tasks.put(
        {"task_id": create_with_official_client(stack), "s3_key": "trailer/7b.mp4", "metadata": METADATA, **OWN}
    )
    job.ids |= {case: tasks.put(item) for case, (item, _) in INVALID.items()}
    job.items = tasks.wait_for("ended_at", job.ids.values(), PATIENCE_SECONDS)
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
    # OpenAI's types know its own models only.
    model: Any = MODEL
    with CometAPI(base_url=f"{stack.cometapi.base_url}/v1", api_key=stack.cometapi.api_key) as client:
        return client.videos.create(model=model, prompt="A fox crosses a snowy field").id


STORED = ["bare", "whole answer", "official client", "inserted before the key"]


@pytest.mark.parametrize("case", STORED)
def test_the_video_is_in_the_bucket_and_the_item_says_where(job: Job, case: str) -> None:
    item = job.item(case)
    bucket, _, key = str(item["s3_uri"]).removeprefix("s3://").partition("/")
    found = job.stack.aws.s3.get_object(Bucket=bucket, Key=key)
    video = found["Body"].read()

    assert Expected(sha256=hashlib.sha256(video).hexdigest(), size=len(video)) == job.expected(case)
    assert (item["status"], item["progress"], item["size"]) == ("SUCCESS", 100, len(video))
    assert item["etag"] == found["ETag"].strip('"')
    assert abs(float(item["stored_at"]) - time.time()) < 600
    assert "pending_since" not in item
    assert "error" not in item


def test_the_default_key_is_the_task_id(job: Job) -> None:
    bucket = job.stack.outputs["VideosBucketName"]
    assert job.item("bare")["s3_uri"] == f"s3://{bucket}/videos/{job.ids['bare']}.mp4"


def test_the_object_carries_the_metadata_of_the_contract(job: Job) -> None:
    item = job.item("official client")
    head = job.stack.aws.s3.head_object(Bucket=job.stack.outputs["VideosBucketName"], Key="trailer/7b.mp4")
    assert head["ContentType"] == "video/mp4"
    assert head["Metadata"] == METADATA | {
        "task-id": job.ids["official client"],
        "model": MODEL,
        "created-at": str(item["created_at"]),
        "completed-at": str(item["completed_at"]),
    }


def test_each_video_is_announced_once_on_each_way(job: Job) -> None:
    keys = [str(job.item(case)["s3_uri"]).split("/", 3)[3] for case in STORED]
    deadline = time.monotonic() + 20
    while not job.notifications.at_least(len(keys)) and time.monotonic() < deadline:
        time.sleep(0.5)
        job.notifications.collect()
    assert job.notifications.by_sns == Counter(keys)
    assert job.notifications.by_eventbridge == Counter(keys)


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
