"""What an answer of CometAPI can mean, one class per meaning."""

from dataclasses import dataclass, field

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
    code: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownTask(_Answer):
    """The account of this key does not know the id: a wrong id, a wrong key, or a task a moment old."""

    message: str


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


type Answer = Report | UnknownTask | Unclear | KeyRejected | Throttled | Unavailable | Unreadable | Misdirected
