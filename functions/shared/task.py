"""A task, as the table holds it, and the one kind of write that may change it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Self

type Item = Mapping[str, Any]

RETRY = "RETRY"
"""What a user sets `status` to, to have an ended task tried again."""


ABSENT: Final = object()
"""Stands for an attribute that an item lacks; None is DynamoDB's NULL, which the JSON of an answer may bring."""


class Status(StrEnum):
    """Where a task stands: CometAPI's words, but COPYING until a finished video is stored; then our own endings."""

    SUBMITTED = "SUBMITTED"
    IN_PROGRESS = "IN_PROGRESS"
    COPYING = "COPYING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    ERROR = "ERROR"
    INVALID = "INVALID"
    NOT_FOUND = "NOT_FOUND"
    EXPIRED = "EXPIRED"
    COPY_FAILED = "COPY_FAILED"


DEFAULT_S3_KEY = "videos/{task_id}.mp4"

TASK_ID = re.compile(r"[!-~]{1,256}")
"""What an id looks like: visible ASCII, which DynamoDB takes as a key whatever it is."""
HEADER_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
"""Names that S3 gives back as they were put, since HTTP knows no capitals in the names of headers."""
_NOT_PRINTABLE = re.compile(r"[^ -~]")

WORKING_ATTRIBUTES = ("lease", "lease_until", "denied_since", "no_url_since")
"""What we note on a task while work is left; of no use to its reader once it has ended."""

_GUARDS = ("pending_since", "status", "progress", "reported_at", "copy_attempts", *WORKING_ATTRIBUTES)

_DISPENSABLE = ("result", "model", "created_at", "completed_at")
_BRIEF_MESSAGE = 60

POLLED_ATTRIBUTES = ("task_id", *_GUARDS, "error", "model", "created_at", "completed_at", "updated_at")
"""All that an answer of CometAPI is compared with, and all that the index holds: what else an item carries is its
owner's, may be large, and would be billed at every scan and written twice."""


@dataclass(frozen=True, slots=True)
class Task:
    """One item, read totally: an attribute of an unexpected type counts as missing."""

    item: Item = field(repr=False)
    task_id: str
    pending_since: int | None
    status: str | None
    progress: int
    error: Mapping[str, Any]
    reported_at: int | None
    denied_since: int | None
    no_url_since: int | None
    lease: str | None
    lease_until: int
    copy_attempts: int
    updated_at: int

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read a task from its item; never raises."""
        error = item.get("error")
        return cls(
            item=item,
            task_id=str(item.get("task_id", "")),
            pending_since=_number(item, "pending_since"),
            status=_text(item, "status"),
            progress=_number(item, "progress") or 0,
            error=error if isinstance(error, Mapping) else {},
            reported_at=_number(item, "reported_at"),
            denied_since=_number(item, "denied_since"),
            no_url_since=_number(item, "no_url_since"),
            lease=_text(item, "lease"),
            lease_until=_number(item, "lease_until") or 0,
            copy_attempts=_number(item, "copy_attempts") or 0,
            updated_at=_number(item, "updated_at") or 0,
        )

    def after(self, change: "Change") -> "Task":
        """Return the task as it is once `change` was made."""
        kept = {name: value for name, value in self.item.items() if name not in change.remove}
        return Task.from_item({**kept, **change.set})

    @property
    def s3_key(self) -> str:
        """The object key that the item asks for, else the default."""
        return _text(self.item, "s3_key") or DEFAULT_S3_KEY.replace("{task_id}", self.task_id)

    @property
    def metadata(self) -> dict[str, str]:
        """What its owner wants the object to carry, as far as S3 can take it: scalars, as text in printable ASCII."""
        metadata = self.item.get("metadata")
        return {
            name: printable(_as_text(value))
            for name, value in (metadata.items() if isinstance(metadata, Mapping) else ())
            if HEADER_NAME.fullmatch(str(name)) and is_scalar(value)
        }

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

    def in_brief(self) -> Self | None:
        """Return the change for an item without room: without what nothing rests on; None where there is no less."""
        brief = {name: value for name, value in self.set.items() if name not in _DISPENSABLE}
        if "error" in brief:
            brief["error"] = {**brief["error"], "message": brief["error"]["message"][:_BRIEF_MESSAGE]}
        return replace(self, set=brief) if brief != self.set else None


@dataclass(frozen=True, slots=True)
class HandOff(Change):
    """A change after which a Copier fetches the video; the URLs are credentials and never shown."""

    video_url: str | None = field(default=None, repr=False)
    """None where CometAPI gave none: the Copier asks its content route."""
    last_frame_url: str | None = field(default=None, repr=False)

    def under(self, lease: str) -> Self:
        """Return the hand-off with the word that its message carries, too."""
        return replace(self, set={**self.set, "lease": lease})


def printable(text: str) -> str:
    """Return a text as S3 takes it in metadata: in printable ASCII, with a question mark for anything else."""
    return _NOT_PRINTABLE.sub("?", text)


def is_scalar(value: object) -> bool:
    """Tell whether a value is a text, a number, a boolean or nothing, and no list, map or bytes."""
    return value is None or isinstance(value, str | int | float | Decimal)


def _as_text(value: object) -> str:
    """Write a scalar as JSON does."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


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
