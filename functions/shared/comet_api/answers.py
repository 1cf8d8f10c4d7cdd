"""What an answer of CometAPI can mean, one class per meaning."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.task import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(_Answer):
    """A report on the task asked for; None where CometAPI did not say, times in epoch seconds."""

    status: Status | None
    """None for a word that nobody has seen yet: the task is still waiting."""
    word: str
    progress: int | None = None
    model: str | None = None
    created_at: int | None = None
    completed_at: int | None = None
    video_url: str | None = field(default=None, repr=False)
    last_frame_url: str | None = field(default=None, repr=False)
    code: str | None = None
    reason: str | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    """What the render was and cost, once it has ended: fit for DynamoDB, and never a reason for anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownTask(_Answer):
    """The account of this key does not know the id: a wrong id, a wrong key, or a task a moment old."""

    message: str
    key_reported_at: float | None = None
    """When this very key last got a report on any task, in epoch seconds; None where it never did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear(_Answer):
    """A refusal that says nothing certain about the task."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRejected(_Answer):
    """The key is missing, wrong or blocked; nothing is said about the task."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden(_Answer):
    """A key that gets reports on other tasks gets none on this one: a trouble of this task."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled(_Answer):
    """Too many requests; `retry_after` in seconds from now, None where CometAPI did not say."""

    retry_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable(_Answer):
    """The gateway did not do its work: a transport failure, a time-out or a transient status code."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable(_Answer):
    """The gateway worked, but what it sent is no report on this task."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Misdirected(_Answer):
    """A redirect: a wrong base URL or a proxy. It is never followed, the key would go with it."""

    reason: str


type Answer = (
    Report | UnknownTask | Unclear | KeyRejected | Forbidden | Throttled | Unavailable | Unreadable | Misdirected
)
