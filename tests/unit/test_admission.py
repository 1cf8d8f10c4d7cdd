"""Which items become pending tasks, and what the others are told."""

import json
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import Binary
from hypothesis import given
from hypothesis import strategies as st

from intake.admission import admit, problem_of
from shared.lifecycle import Limits
from shared.task import ABSENT, HEADER_NAME, WORKING_ATTRIBUTES, Task
from shared.task_table import read_item
from tests.template import ROOT
from tests.unit.conftest import NOW

STREAM = json.loads((ROOT / "events/stream.json").read_text())["Records"]
IMAGES = {
    record["dynamodb"]["Keys"]["task_id"]["S"]: read_item(record["dynamodb"].get("NewImage", {})) for record in STREAM
}
ADMITTED = ("task_bare", "task_body", "task_body_with_metadata", "task_put_again", "task_retried")
LAST_RUN = {
    "ended_at": 1, "expires_at": 2, "error": {}, "completed_at": 3, "copy_attempts": 12, "result": {"seed": 1},
    "s3_uri": "s", "size": 1, "etag": "e", "stored_at": 1, "lease": "w", "lease_until": NOW + 9, "denied_since": 1,
    "no_url_since": 1,
}  # fmt: skip


@pytest.mark.parametrize("task_id", ADMITTED)
def test_new_put_again_and_retried_items_are_admitted(task_id: str, limits: Limits) -> None:
    change = admit(IMAGES[task_id], NOW, limits)
    assert change
    assert change.set == {
        "status": "SUBMITTED",
        "progress": 0,
        "pending_since": NOW,
        "s3_key": f"videos/{task_id}.mp4",
        "updated_at": NOW,
    }
    assert not change.remove & {"project", "model", "object", "created_at", "metadata"}


def test_the_samples_are_those_of_these_tests() -> None:
    assert IMAGES.keys() == {*ADMITTED, "task_invalid", "task_pending", "task_deleted"}


@pytest.mark.parametrize("status", ["RETRY", "SUCCESS", None])
def test_a_new_run_forgets_the_last_one(status: str | None, limits: Limits) -> None:
    put = {name: value for name, value in LAST_RUN.items() if name != "ended_at"}  # by hand, from an ended item
    item = {"task_id": "t", "status": status, "mine": 1, "reported_at": 5, **(LAST_RUN if status == "RETRY" else put)}
    change = admit(item, NOW, limits)
    assert change
    assert not change.remove & change.set.keys()
    kept = {"task_id", "status", "mine"} | ({"reported_at"} if status == "RETRY" else set())
    assert item.keys() & change.remove == item.keys() - kept - change.set.keys(), "what was known once is never unknown"
    assert not change.remove & {"task_id", "mine"}


@pytest.mark.parametrize("status", ["RETRY", None])
def test_a_new_run_forgets_what_the_record_does_not_show(status: str | None, limits: Limits) -> None:
    """Until Intake reads it, a Copier of the run before may have left its word and its attempts."""
    change = admit({"task_id": "t", **({"status": status} if status else {})}, NOW, limits)
    assert change
    assert change.remove >= {*WORKING_ATTRIBUTES, "copy_attempts", "error", "ended_at", "result"}
    assert ("reported_at" in change.remove) == (status is None)


def test_a_retry_of_a_pending_task_takes_the_lease_away(limits: Limits) -> None:
    item = {"task_id": "t", "status": "RETRY", "pending_since": 5, **dict.fromkeys(WORKING_ATTRIBUTES, 1)}
    change = admit(item, NOW, limits)
    assert change
    assert change.set["pending_since"] == NOW
    assert change.remove >= set(WORKING_ATTRIBUTES)
    assert change.expected["status"] == "RETRY"


@pytest.mark.parametrize(
    "item",
    [
        {"task_id": "t", "pending_since": 1, "status": "SUBMITTED"},
        {"task_id": "t", "pending_since": 1},
        {"task_id": "t", "pending_since": 1, "status": "COPYING", "lease": "w"},
        {"task_id": "t", "ended_at": 1, "status": "FAILED"},
        {"task_id": "t", "ended_at": 1},
        {"task_id": " ", "ended_at": 1, "status": "INVALID"},
    ],
)
def test_what_was_admitted_before_is_left_alone(item: dict[str, object], limits: Limits) -> None:
    assert admit(item, NOW, limits) is None


def test_admission_rests_on_what_the_record_shows(limits: Limits) -> None:
    change = admit({"task_id": "t", "s3_key": "a.mp4"}, NOW, limits)
    assert change
    assert change.task_id == "t"
    assert change.expected == {
        "status": ABSENT,
        "pending_since": ABSENT,
        "ended_at": ABSENT,
        "s3_key": "a.mp4",
        "metadata": ABSENT,
    }


def test_what_is_invalid_is_not_pending(limits: Limits) -> None:
    change = admit({"task_id": "a/b", "status": "RETRY", "pending_since": 1}, NOW, limits)
    assert change
    assert "pending_since" in change.remove


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        (
            {},
            (
                "task_id must be the id that POST /v1/videos returned: 1 to 256 visible ASCII characters without "
                "spaces and without any of / \\ ? # %. Insert the item again with the right id."
            ),
        ),
        (
            {"task_id": "t", "s3_key": ""},
            "s3_key must be a string of 1 to 1024 bytes; change it, or remove it for videos/{task_id}.mp4.",
        ),
        (
            {"task_id": "t", "s3_key": "/"},
            (
                "s3_key must not start or end with / and must not hold control characters or the path segments . and "
                ".. ; {task_id} in it stands for the id."
            ),
        ),
        (
            {"task_id": "t", "metadata": 7},
            "metadata must be a map of texts, numbers, true and false, for example {'project': 'trailer'}.",
        ),
        (
            {"task_id": "t", "metadata": {"model": "m"}},
            (
                "metadata has the name 'model'; names are lower-case letters, digits, '-', '_' and '.', and not "
                "completed-at, created-at, model, task-id, which the service sets itself."
            ),
        ),
        (
            {"task_id": "t", "notes": "x" * 400_000},
            (
                "the item is larger than 384 KB, which leaves no room for what the service writes on it; keep large "
                "texts elsewhere, and put the item again with a reference to them."
            ),
        ),
    ],
    ids=lambda said: str(said)[:20],
)
def test_the_sentence_says_what_would_be_right(item: dict[str, object], sentence: str) -> None:
    assert problem_of(item) == sentence


@pytest.mark.parametrize("item", [{"task_id": "X.X"}, {"task_id": "t", "s3_key": "a"}])
def test_the_shortest_and_the_strangest_are_valid(item: dict[str, object]) -> None:
    assert problem_of(item) is None


@pytest.mark.parametrize(
    ("item", "word"),
    [
        *(({"task_id": task_id}, "task_id") for task_id in (" ", "", "a/b", "a\\b", ".", "..", "a?b", "a#", "a%20")),
        ({"task_id": "a" * 257}, "task_id"),
        ({"task_id": "tâche"}, "task_id"),
        *(({"s3_key": key}, "s3_key") for key in ("", 7, ["a"], "a" * 1025, "é" * 513, "/a", "a/", "/", "a/../b")),
        *(({"s3_key": key}, "s3_key") for key in (".", "a/.", "a\nb", "a\x7fb", "a\ud800b", "{task_id}/")),
        ({"s3_key": "{task_id}" * 114}, "1024"),  # 1026 bytes as it is written
        ({"s3_key": "{task_id}/" * 3, "task_id": "a" * 256}, "end with /"),
        ({"s3_key": "{task_id}" * 5, "task_id": "a" * 256}, "1024"),
        *(({"metadata": value}, "metadata") for value in ("no map", 7, ["a"], {"a", "b"})),
        *(({"metadata": {"a": value}}, "true and false") for value in ([], ["x"], b"x", {"x"}, {"b": 1})),
        *(({"metadata": {name: "b"}}, "lower-case") for name in ("A", "", "-a", "a b", "ä", "a:b")),
        *(({"metadata": {name: "b"}}, "sets itself") for name in ("task-id", "model", "created-at", "completed-at")),
        ({"metadata": {"a": "é"}}, "ASCII"),
        ({"metadata": {"a": "b\n"}}, "ASCII"),
        ({"metadata": {"a": "b" * 1200}}, "1200"),
        ({"metadata": {"a": "b" * 600, "c": "d" * 599}}, "1200"),
        ({"metadata": {"a": 10**1199}}, "1200"),
    ],
)
def test_a_malformed_item_is_told_what_to_change(item: dict[str, object], word: str, limits: Limits) -> None:
    whole = {"task_id": "task_x", "reported_at": 1, **item}
    if item.get("s3_key") == "{task_id}" * 114:
        whole["task_id"] = "123456789"
    change = admit(whole, NOW, limits)
    assert change
    assert change.set["status"] == "INVALID"
    assert change.set["error"]["code"] == "invalid_item"
    assert word in change.set["error"]["message"]
    assert change.set["ended_at"] == NOW
    assert "pending_since" not in change.set


@pytest.mark.parametrize(
    "item",
    [
        *({"task_id": task_id} for task_id in ("task_" + "a" * 32, "video_0f", "a.b:c=d", "...a", "a" * 256)),
        {"s3_key": "a/é/..b.mp4"},
        {"s3_key": "a" * 1024},
        {"s3_key": "é" * 512},
        {"metadata": {}},
        {"metadata": None, "s3_key": None, "error": None, "video_url": None},
        {"metadata": {"project": "trailer", "x-y_z.1": "b" * 1000}},
        {"metadata": {"a": "b" * 600, "c": "d" * 598}},
        {"metadata": {"take": Decimal(7), "fps": Decimal("23.976"), "final": True, "draft": False, "note": None}},
        {"metadata": {"a": Decimal("1e3"), "b": "", "0": "~ !"}},
    ],
)
def test_a_sound_item_is_admitted(item: dict[str, Any], limits: Limits) -> None:
    change = admit({"task_id": "task_x", **item}, NOW, limits)
    assert change
    assert change.set["pending_since"] == NOW
    assert change.set["s3_key"] == (item.get("s3_key") or f"videos/{item.get('task_id', 'task_x')}.mp4")


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ("{task_id}", "task_x"),
        ("clips/{task_id}/{task_id}.mp4", "clips/task_x/task_x.mp4"),
        ("clips/{other}.mp4", "clips/{other}.mp4"),
        ("{task_id}" * 170, "task_x" * 170),  # longer as it is written than as it becomes
    ],
)
def test_the_id_takes_its_place_in_the_key(asked: str, key: str, limits: Limits) -> None:
    change = admit({"task_id": "task_x", "s3_key": asked}, NOW, limits)
    assert change
    assert change.set.get("s3_key") == key


def test_an_intake_that_was_late_admits_what_the_posted_answer_says(limits: Limits) -> None:
    """The body of POST is a valid item whatever else it holds, though its `status` may be any word."""
    for status in ("queued", "completed", "", 7, None):
        change = admit({"task_id": "t", "object": "video", "status": status}, NOW, limits)
        assert change
        assert change.set["status"] == "SUBMITTED"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
names = st.sampled_from([*LAST_RUN, "status", "pending_since", "s3_key", "metadata", "reported_at", "object"])


@given(anything)
def test_the_whole_answer_of_post_is_valid_whatever_its_metadata_holds(metadata: object) -> None:
    item = {"task_id": "task_x", "id": "task_x", "object": "video", "status": "queued", "metadata": metadata}
    change = admit(item, NOW, Limits(0, 0))
    assert change
    assert change.set["pending_since"] == NOW
    assert "metadata" not in change.set, "it is the owner's"
    taken = Task.from_item(item).metadata
    assert all(HEADER_NAME.fullmatch(name) for name in taken)
    assert all(value.isascii() and (value.isprintable() or not value) for value in taken.values())


@given(st.dictionaries(names, anything))
def test_any_item_is_admitted_or_told_or_left_alone(attributes: dict[str, Any]) -> None:
    item = {"task_id": "task_x", **attributes}
    change = admit(item, NOW, Limits(0, 86400))
    if change is None:
        assert "pending_since" in item or "ended_at" in item
        return
    assert not change.remove & change.set.keys()
    after = Task.from_item({name: value for name, value in item.items() if name not in change.remove}).after(change)
    is_pending = problem_of(item) is None
    assert (after.pending_since is not None) is is_pending
    assert ("ended_at" in after.item) is not is_pending
    assert after.lease is None
    assert after.copy_attempts == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"), (True, "true"), (False, "false"), (None, "null"), (Decimal(7), "7"),
        (Decimal("23.976"), "23.976"), ("é\n", "??"),
    ],
)  # fmt: skip
def test_scalars_are_taken_as_text(value: object, text: str) -> None:
    assert Task.from_item({"task_id": "t", "metadata": {"a": value}}).metadata == {"a": text}


@pytest.mark.parametrize(
    ("notes", "is_valid"),
    [
        ("x" * 392_000, True), ("x" * 394_000, False), ("é" * 196_000, True), ("é" * 197_000, False),
        ([Decimal(1)] * 98_000, True), ([Decimal(1)] * 99_000, False), ({"a": b"x" * 394_000}, False),
        ({f"{number:06}": None for number in range(48_000)}, True),
        ({f"{number:06}": None for number in range(50_000)}, False),
        ({"x" * 1000, "y" * 393_000}, False), (Binary(b"x" * 394_000), False), (Decimal("1E+100"), True),
    ],
)  # fmt: skip
def test_an_item_leaves_room_for_what_is_written_on_it(notes: object, *, is_valid: bool) -> None:
    problem = problem_of({"task_id": "t", "notes": notes})
    assert (problem is None) is is_valid
    assert is_valid or "384 KB" in str(problem)


def test_what_no_object_can_carry_is_left_out() -> None:
    metadata = {"A": "b", "": "c", "list": [], "map": {}, "bytes": b"x", "fine": "f"}
    assert Task.from_item({"task_id": "t", "metadata": metadata}).metadata == {"fine": "f"}
    assert Task.from_item({"task_id": "t", "metadata": "no map"}).metadata == {}
