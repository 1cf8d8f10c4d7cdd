"""Deciding from an inserted item itself whether it becomes a pending task."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from shared.endings import error
from shared.lifecycle import Limits, ending
from shared.task import (
    ABSENT,
    HEADER_NAME,
    RETRY,
    TASK_ID,
    WORKING_ATTRIBUTES,
    Change,
    Item,
    Status,
    Task,
    is_scalar,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_PRINTABLE_ASCII = re.compile(r"[ -~]*")
_RESERVED_METADATA = {"task-id", "model", "created-at", "completed-at"}
_WHOLE_ANSWER = "video"
"""The `object` of what POST /v1/videos returned: its metadata is CometAPI's, not a wish of the item's owner."""
_LONGEST_KEY_BYTES = 1024
_METADATA_BYTES = 1200
"""S3 allows 2 KB of user metadata; the rest is ours."""

_LARGEST_ITEM_BYTES = 384 * 1024
"""Of the 400 KB that DynamoDB allows, so that what the service writes of the task has room."""

_OF_THE_LAST_RUN = frozenset(
    {
        *("error", "ended_at", "expires_at", "completed_at", "copy_attempts", "result"),
        *("s3_uri", "size", "etag", "stored_at", *WORKING_ATTRIBUTES),
    }
)


def admit(item: Item, now: int, limits: Limits) -> Change | None:
    """Make an item a pending task, or end it as INVALID; None where it was admitted before.

    It rests on the item alone, not on the kind of stream record: putting an id again arrives as a modification.
    """
    if item.get("status") != RETRY and ("pending_since" in item or "ended_at" in item):
        return None
    task = Task.from_item(item)
    problem = problem_of(item)
    settled: dict[str, Any] = (
        {**ending(Status.INVALID, now, limits), "error": error("invalid_item", problem)}
        if problem
        else {
            "status": Status.SUBMITTED.value,
            "progress": 0,
            "pending_since": now,
            "s3_key": task.s3_key.replace("{task_id}", task.task_id),
            "updated_at": now,
        }
    )
    seen = {name: item.get(name, ABSENT) for name in ("status", "pending_since", "ended_at", "s3_key", "metadata")}
    # All of it, whatever the record shows: until it is read, the run before may have left more on the item. Who puts an
    # item brings no report of ours; RETRY keeps it, since a task that was known once is never unknown.
    stale = _OF_THE_LAST_RUN | {"pending_since"} | (set() if item.get("status") == RETRY else {"reported_at"})
    return Change(task.task_id, seen, settled, frozenset(stale - settled.keys()))


def problem_of(item: Item) -> str | None:
    """Return what the owner of an item must change, in a sentence; None where it is a valid task."""
    checks: tuple[Callable[[Item], str | None], ...] = (
        _task_id_problem,
        _s3_key_problem,
        _metadata_problem,
        _size_problem,
    )
    return next((problem for check in checks if (problem := check(item))), None)


def _task_id_problem(item: Item) -> str | None:
    task_id = str(item.get("task_id", ""))
    if not TASK_ID.fullmatch(task_id) or set(task_id) & set("/\\?#%") or not task_id.strip("."):
        return (
            "task_id must be the id that POST /v1/videos returned: 1 to 256 visible ASCII characters without "
            "spaces and without any of / \\ ? # %. Insert the item again with the right id."
        )
    return None


def _s3_key_problem(item: Item) -> str | None:
    if item.get("s3_key") is None:
        return None
    key = item["s3_key"].replace("{task_id}", item["task_id"]) if isinstance(item["s3_key"], str) else ""
    if not 1 <= len(key.encode("utf-8", "replace")) <= _LONGEST_KEY_BYTES:
        return "s3_key must be a string of 1 to 1024 bytes; change it, or remove it for videos/{task_id}.mp4."
    if not key.isprintable() or key.startswith("/") or key.endswith("/") or {".", ".."} & set(key.split("/")):
        return (
            "s3_key must not start or end with / and must not hold control characters or the path segments . and .. ; "
            "{task_id} in it stands for the id."
        )
    return None


def _metadata_problem(item: Item) -> str | None:
    metadata = item.get("metadata")
    if metadata is None or item.get("object") == _WHOLE_ANSWER:
        return None
    if not isinstance(metadata, dict) or not all(is_scalar(value) for value in metadata.values()):
        return "metadata must be a map of texts, numbers, true and false, for example {'project': 'trailer'}."
    for name, value in metadata.items():
        if not HEADER_NAME.fullmatch(name) or name in _RESERVED_METADATA:
            return (
                f"metadata has the name {name!r}; names are lower-case letters, digits, '-', '_' and '.', "
                f"and not {', '.join(sorted(_RESERVED_METADATA))}, which the service sets itself."
            )
        if isinstance(value, str) and not _PRINTABLE_ASCII.fullmatch(value):
            return f"metadata {name!r} holds characters that S3 does not take in metadata; use printable ASCII."
    if sum(len(name) + len(text) for name, text in Task.from_item(item).metadata.items()) > _METADATA_BYTES:
        return f"metadata is longer than {_METADATA_BYTES} bytes in all, names included; shorten it."
    return None


def _size_problem(item: Item) -> str | None:
    if _bytes_of(item) > _LARGEST_ITEM_BYTES:
        return (
            f"the item is larger than {_LARGEST_ITEM_BYTES // 1024} KB, which leaves no room for what the service "
            "writes on it; keep large texts elsewhere, and put the item again with a reference to them."
        )
    return None


def _bytes_of(value: Any) -> int:  # noqa: ANN401 - what an item holds
    """Return about how many bytes DynamoDB counts for a value (its guide: Item sizes and formats), rather too many."""
    match value:
        case Mapping():
            return 3 + sum(1 + len(str(name).encode()) + _bytes_of(inner) for name, inner in value.items())
        case list() | set():
            return 3 + sum(1 + _bytes_of(inner) for inner in value)
        case str():
            return len(value.encode("utf-8", "replace"))
        case bool() | None:
            return 1
        case Decimal() | int() | float():
            return 2 + (len(str(value)) + 1) // 2
    return len(bytes(value))
