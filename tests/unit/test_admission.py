"""Which items become pending tasks, and what the others are told."""

import json
from pathlib import Path

import pytest

from intake.admission import admit
from shared.lifecycle import Limits
from shared.task import ABSENT
from shared.task_table import read_item
from tests.unit.conftest import NOW

STREAM = json.loads(Path("events/stream.json").read_text())["Records"]
IMAGES = [read_item(record["dynamodb"].get("NewImage", {})) for record in STREAM]


@pytest.mark.parametrize("image", IMAGES[:4], ids=lambda image: image["task_id"])
def test_new_put_again_and_retried_items_are_admitted(image: dict[str, object], limits: Limits) -> None:
    change = admit(image, NOW, limits)
    assert change
    assert change.set == {
        "status": "SUBMITTED",
        "progress": 0,
        "pending_since": NOW,
        "s3_key": f"videos/{image['task_id']}.mp4",
        "updated_at": NOW,
    }
    assert not change.remove & {"project", "model", "object", "created_at"}


def test_a_retry_forgets_the_last_run(limits: Limits) -> None:
    item = {
        "task_id": "t",
        "status": "RETRY",
        "ended_at": 1,
        "expires_at": 2,
        "error": {},
        "handoffs": 3,
        "s3_uri": "s",
        "mine": 1,
    }
    change = admit(item, NOW, limits)
    assert change
    assert change.remove == {"ended_at", "expires_at", "error", "handoffs", "s3_uri"}


@pytest.mark.parametrize(
    "item",
    [
        {"task_id": "t", "pending_since": 1, "status": "SUBMITTED"},
        {"task_id": "t", "pending_since": 1},
        {"task_id": "t", "ended_at": 1, "status": "FAILED"},
    ],
)
def test_what_was_admitted_before_is_left_alone(item: dict[str, object], limits: Limits) -> None:
    assert admit(item, NOW, limits) is None


def test_admission_rests_on_what_the_record_shows(limits: Limits) -> None:
    change = admit({"task_id": "t", "s3_key": "a.mp4"}, NOW, limits)
    assert change
    assert change.expected == {
        "status": ABSENT,
        "pending_since": ABSENT,
        "ended_at": ABSENT,
        "s3_key": "a.mp4",
        "metadata": ABSENT,
    }


@pytest.mark.parametrize(
    ("item", "word"),
    [
        ({"task_id": " "}, "task_id"),
        ({"task_id": ""}, "task_id"),
        ({"task_id": "a/b"}, "task_id"),
        ({"task_id": ".."}, "task_id"),
        ({"task_id": "a?b"}, "task_id"),
        ({"task_id": "a" * 257}, "task_id"),
        ({"task_id": "tâche"}, "task_id"),
        ({"s3_key": ""}, "s3_key"),
        ({"s3_key": 7}, "s3_key"),
        ({"s3_key": "a" * 1025}, "s3_key"),
        ({"s3_key": "é" * 513}, "s3_key"),
        ({"s3_key": "/a"}, "s3_key"),
        ({"s3_key": "a/../b"}, "s3_key"),
        ({"s3_key": "a\nb"}, "s3_key"),
        ({"metadata": "no map"}, "metadata"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"metadata": {"A": "b"}}, "metadata"),
        ({"metadata": {"task-id": "b"}}, "metadata"),
        ({"metadata": {"a": "é"}}, "ASCII"),
        ({"metadata": {"a": "b" * 1200}}, "1200"),
    ],
)
def test_a_malformed_item_is_told_what_to_change(item: dict[str, object], word: str, limits: Limits) -> None:
    change = admit({"task_id": "task_x", **item}, NOW, limits)
    assert change
    assert change.set["status"] == "INVALID"
    assert word in change.set["error"]["message"]
    assert change.set["ended_at"] == NOW
    assert "pending_since" not in change.set


@pytest.mark.parametrize(
    "item",
    [
        {"task_id": "task_" + "a" * 32},
        {"task_id": "video_0f"},
        {"task_id": "a.b:c=d"},
        {"task_id": "a" * 256},
        {"s3_key": "a/é/..b.mp4"},
        {"s3_key": "a" * 1024},
        {"metadata": {}},
        {"metadata": None, "s3_key": None, "error": None, "video_url": None},
        {"metadata": {"project": "trailer", "x-y_z.1": "b" * 1000}},
    ],
)
def test_a_sound_item_is_admitted(item: dict[str, object], limits: Limits) -> None:
    change = admit({"task_id": "task_x", **item}, NOW, limits)
    assert change
    assert change.set["pending_since"] == NOW
    assert change.set["s3_key"] == (item.get("s3_key") or f"videos/{item.get('task_id', 'task_x')}.mp4")
