"""A task is read from whatever an item holds: what is not of its type counts as missing."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.task import HandOff, Task


@pytest.mark.parametrize(
    ("value", "number", "text"),
    [
        (None, None, None), ("", None, None), ("7", None, "7"), (b"7", None, None), (True, None, None), (7, 7, None),
        (Decimal(7), 7, None), (Decimal("7.9"), 7, None), (Decimal("NaN"), None, None),
        (Decimal("Infinity"), None, None), ([7], None, None), ({"N": "7"}, None, None), ({7}, None, None),
    ],
)  # fmt: skip
def test_an_attribute_of_another_type_counts_as_missing(value: Any, number: int | None, text: str | None) -> None:
    numbers = ("pending_since", "reported_at", "denied_since", "no_url_since")
    counts = ("progress", "lease_until", "copy_attempts", "updated_at")
    item = dict.fromkeys((*numbers, *counts, "status", "lease", "s3_key", "metadata", "error"), value)
    task = Task.from_item({**item, "task_id": "task_x"})
    assert [getattr(task, name) for name in numbers] == [number] * len(numbers)
    assert [getattr(task, name) for name in counts] == [number or 0] * len(counts)
    assert (task.status, task.lease) == (text, text)
    assert task.s3_key == (text or "videos/task_x.mp4")
    assert task.error == (value if isinstance(value, dict) else {})


def test_an_empty_item_is_a_task_too() -> None:
    task = Task.from_item({})
    assert (task.task_id, task.pending_since, task.updated_at, task.lease_until) == ("", None, 0, 0)
    assert task.metadata == {}


def test_a_change_in_brief_leaves_out_what_nothing_rests_on() -> None:
    said = {"result": {"seed": 1}, "model": "m", "created_at": 1, "completed_at": 2}
    error = {"code": "c", "message": "m" * 61}
    change = HandOff("task_x", {"lease": "w"}, {"status": "FAILED", "error": error, **said}, frozenset({"a"}), "u", "f")
    brief = change.in_brief()
    assert brief == replace(change, set={"status": "FAILED", "error": {"code": "c", "message": "m" * 60}})
    assert brief.in_brief() is None, "there is no less"
    assert replace(change, set={"status": "COPYING", **said}).in_brief() == replace(change, set={"status": "COPYING"})
