"""A task, as the table holds it, and the one kind of write that may change it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

type Item = Mapping[str, Any]

RETRY = "RETRY"
"""What a user sets `status` to, to have an ended task tried again."""


ABSENT: Final = object()
"""Stands for an attribute that an item lacks; None is DynamoDB's NULL, which the JSON of an answer may bring."""


class Status(StrEnum):
    """Where a task stands: CometAPI's five words, then our own endings."""

    SUBMITTED = "SUBMITTED"
    IN_PROGRESS = "IN_PROGRESS"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    ERROR = "ERROR"
    INVALID = "INVALID"
    NOT_FOUND = "NOT_FOUND"
    EXPIRED = "EXPIRED"
    COPY_FAILED = "COPY_FAILED"


WORKING_ATTRIBUTES = ("lease_until", "no_url_since", "not_found_answers")
"""What we note on a task while work is left; of no use to its reader once it has ended."""

_GUARDS = ("pending_since", "status", "progress", "handoffs", *WORKING_ATTRIBUTES)

POLLED_ATTRIBUTES = ("task_id", *_GUARDS, "error", "model", "created_at", "completed_at")
"""All that an answer of CometAPI is compared with; what else an item carries is its owner's, and may be large."""


@dataclass(frozen=True, slots=True)
class Task:
    """One item, read totally: an attribute of an unexpected type counts as missing."""

    item: Item = field(repr=False)
    task_id: str
    pending_since: int | None
    status: str | None
    progress: int
    error: Mapping[str, Any]
    handoffs: int
    lease_until: int
    no_url_since: int | None
    not_found_answers: int

    @classmethod
    def from_item(cls, item: Item) -> "Task":
        """Read a task from its item; never raises."""
        error = item.get("error")
        return cls(
            item=item,
            task_id=str(item.get("task_id", "")),
            pending_since=_number(item, "pending_since"),
            status=_text(item, "status"),
            progress=_number(item, "progress") or 0,
            error=error if isinstance(error, Mapping) else {},
            handoffs=_number(item, "handoffs") or 0,
            lease_until=_number(item, "lease_until") or 0,
            no_url_since=_number(item, "no_url_since"),
            not_found_answers=_number(item, "not_found_answers") or 0,
        )

    def after(self, change: "Change") -> "Task":
        """Return the task as it is once `change` was made."""
        kept = {name: value for name, value in self.item.items() if name not in change.remove}
        return Task.from_item({**kept, **change.set})

    @property
    def s3_key(self) -> str:
        """The object key that the item asks for, else the default."""
        return _text(self.item, "s3_key") or default_s3_key(self.task_id)

    @property
    def seen(self) -> Item:
        """The attributes that a decision rests on, as they were read."""
        return {name: self.item.get(name, ABSENT) for name in _GUARDS}


@dataclass(frozen=True, slots=True)
class Change:
    """One conditional write: it happens only while every attribute of `expected` still is what it was.

    An item that its owner deleted is never brought back.
    """

    task_id: str
    expected: Item
    set: Item
    remove: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class HandOff(Change):
    """A change after which the Copier is asked to fetch `video_url`, a credential: it is never shown."""

    video_url: str = field(default="", repr=False)


def default_s3_key(task_id: str) -> str:
    """Return the object key of a task that names none."""
    return f"videos/{task_id}.mp4"


def _number(item: Item, name: str) -> int | None:
    value = item.get(name)
    if value is None or isinstance(value, str | bytes | bool):
        return None
    try:
        return int(value)
    except (TypeError, ValueError, ArithmeticError):
        return None


def _text(item: Item, name: str) -> str | None:
    value = item.get(name)
    return value if isinstance(value, str) and value else None
