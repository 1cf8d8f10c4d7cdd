"""The life of a task: `(task, what happened, now) -> change`, pure and total.

The rule above all others: only what is certain ends a task. A wrong "still waiting" costs one more poll, a wrong
ending loses a video that was paid for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared import endings
from shared.comet_api import KEY_PROVEN_SECONDS, Answer, Forbidden, Report, Unclear, UnknownTask
from shared.errors import CopyError
from shared.task import WORKING_ATTRIBUTES, Change, HandOff, Item, Status, Task

DENIED_SECONDS = 600
"""How long CometAPI must have denied a task to end it: it does not know one that was created a moment ago."""

NO_URL_SECONDS = 3600
"""How long a finished task may have neither URL nor content; gateways fill it in late."""

SILENCE_SECONDS = 7 * 86400
"""How long nothing need be said about a task; by then the URL of its video is dead for certain, it lives for 24 h."""

QUIET_SECONDS = 900
"""How long an item says nothing before a useless answer is noted on it."""

PROGRESS_SECONDS = 60
"""How often an item is written while only its progress moves."""

QUEUE_SECONDS = 12 * 3600
"""How long a message may wait for a Copier (the retention of the queue); a signed URL lives for twice as long."""

MAX_COPY_ATTEMPTS = 12
"""Copies that are begun before a video is given up; with the backoff that is 7 h."""

LONGEST_URL = 8192
"""Characters of a URL; longer ones are refused by most servers."""

_LEASE_SECONDS = QUEUE_SECONDS + 60
_FIRST_BACKOFF_SECONDS = 60
_LONGEST_BACKOFF_SECONDS = 3600
_RANK = {Status.SUBMITTED: 0, Status.IN_PROGRESS: 1, Status.COPYING: 2}
_ASKED_IN_VAIN = "content_not_ready"
"""The code of a copy that found no video yet; any other trouble, or none, says nothing about whether it is there."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a task may wait for its video and how long its item is kept once it has ended, in seconds."""

    deadline_seconds: int
    retention_seconds: int
    """0 keeps it for ever."""


def decide(task: Task, answer: Answer, now: int, limits: Limits) -> Change | None:
    """Decide what an answer means for a task; None where nothing changes, HandOff where its video is ready."""
    if task.pending_since is None or now < task.lease_until:
        return None  # it has ended, or a Copier has it
    if task.copy_attempts >= MAX_COPY_ATTEMPTS:
        return end(task, Status.COPY_FAILED, endings.copies_exhausted(task), now, limits)
    match answer:
        case Report(status=Status.SUCCESS):
            return _succeed(task, answer, now, limits)
        case Report(status=Status.FAILED | Status.ERROR as status):
            return end(task, status, endings.providers_reason(answer), now, limits, _reported(task, answer, now))
        case UnknownTask() if _is_certain(task, answer, now):
            return end(task, Status.NOT_FOUND, endings.not_found(answer.message), now, limits)
    patience = _patience(task, answer, limits)
    if now - task.pending_since >= patience:
        return end(task, Status.EXPIRED, endings.deadline(task, patience), now, limits)
    return _wait(task, answer, now)


def take_back(task_id: str, word: str, now: int) -> Change:
    """Let the lease that has `word` pass, whose message was not sent; a Copier that got it after all has another."""
    return Change(task_id, {"lease": word}, {"lease_until": now, "updated_at": now})


def begin_copy(task: Task, word: str, own: str, now: int, seconds: float) -> Change:
    """Take the lease that has `word` for a copy of at most `seconds`, under the word `own`; it counts as an attempt.

    The lease outlasts the copy by the pause that follows it, so that a video that kills Copiers leaves their places
    to others.
    """
    attempts = task.copy_attempts + 1
    lease = {"lease": own, "lease_until": now + int(seconds) + _backoff(attempts)}
    return Change(task.task_id, {"lease": word}, {**lease, "copy_attempts": attempts, "updated_at": now})


def interrupt_copy(task: Task, error: CopyError, now: int) -> Change:
    """Give the lease back after a copy came to nothing, so that another one follows after a pause."""
    lease_until = now + (_backoff(task.copy_attempts) if task.copy_attempts < MAX_COPY_ATTEMPTS else 0)
    noted = {"lease_until": lease_until, "error": endings.interrupted(error), "updated_at": now}
    return Change(task.task_id, {"lease": task.lease}, noted)


def refuse_copy(task: Task, error: CopyError, now: int, limits: Limits) -> Change:
    """End a task whose video can never be stored; `error` says why."""
    refused = {"error": endings.error(error.code, error.message)}
    return _end(task, {"lease": task.lease}, Status.COPY_FAILED, now, limits, refused)


def close(task: Task, stored: Item, now: int, limits: Limits) -> Change:
    """End a task whose video is stored; `stored` is what to say of it: s3_uri, size in bytes, etag, perhaps result."""
    said = {**stored, "stored_at": now, "progress": 100}
    return _end(task, {"lease": task.lease}, Status.SUCCESS, now, limits, said)


def end(task: Task, status: Status, error: Item, now: int, limits: Limits, also: Item | None = None) -> Change:
    """End a task without a video; nothing changes it any more, except RETRY."""
    return _end(task, task.seen, status, now, limits, {**(also or {}), "error": error})


def ending(status: Status, now: int, limits: Limits) -> dict[str, Any]:
    """Return the attributes that every ended item has."""
    kept = {"expires_at": now + limits.retention_seconds} if limits.retention_seconds else {}
    return {"status": status.value, "updated_at": now, "ended_at": now, **kept}


def _end(task: Task, expected: Item, status: Status, now: int, limits: Limits, also: Item) -> Change:
    over = {"pending_since", *WORKING_ATTRIBUTES, *({"error"} - also.keys())}
    return Change(task.task_id, expected, {**also, **ending(status, now, limits)}, frozenset(over))


def _wait(task: Task, answer: Answer, now: int) -> Change | None:
    """Follow a report of a render that goes on, or leave a word about what kept CometAPI from one."""
    match answer:
        case Report():
            return _advance(task, answer, now)
        case UnknownTask():
            return _deny(task, answer, now)
        case Unclear():
            return _note(task, endings.error(answer.code, answer.message), now)
        case Forbidden():
            return _note(task, endings.silence(answer), now)
    return _note(task, endings.silence(answer), now) if now - task.updated_at >= QUIET_SECONDS else None


def _succeed(task: Task, report: Report, now: int, limits: Limits) -> Change | None:
    """Hand a finished video off, through the content route where a second answer still has no URL."""
    if report.video_url and len(report.video_url) > LONGEST_URL:
        return end(
            task, Status.COPY_FAILED, endings.url_too_long(LONGEST_URL), now, limits, _reported(task, report, now)
        )
    seen = {"status": Status.COPYING.value, "progress": 100, **_reported(task, report, now)}
    over = _over(task) | ({"no_url_since"} if report.video_url else set())
    if report.video_url is None:
        if task.no_url_since is None:
            return _change(task, {**seen, "no_url_since": now}, over, now)
        if now - task.no_url_since >= NO_URL_SECONDS and task.error.get("code") == _ASKED_IN_VAIN:
            return end(task, Status.COPY_FAILED, endings.no_video_url(NO_URL_SECONDS), now, limits, seen)
    return HandOff(
        task_id=task.task_id,
        expected=task.seen,
        set={**seen, "lease_until": now + _LEASE_SECONDS, "updated_at": now},
        remove=frozenset(over),
        video_url=report.video_url,
        last_frame_url=report.last_frame_url,
    )


def _advance(task: Task, report: Report, now: int) -> Change | None:
    """Follow a report of a task that still renders; nothing of it ever goes backwards."""
    status = max(_known(task.status), report.status or Status.SUBMITTED, key=_RANK.__getitem__)
    seen = {
        "status": status.value,
        "progress": max(task.progress, report.progress or 0),
        **_reported(task, report, now),
    }
    change = _change(task, seen, _over(task), now)
    if change and not change.remove and change.set.keys() == {"progress", "updated_at"}:
        return change if now - task.updated_at >= PROGRESS_SECONDS else None
    return change


def _is_certain(task: Task, answer: UnknownTask, now: int) -> bool:
    """Tell whether a denial is about the id and not the key, which told of other tasks before this row and in it."""
    since = task.denied_since
    if task.reported_at is not None or since is None or now - since < DENIED_SECONDS:
        return False
    return answer.key_reported_at is not None and answer.key_reported_at > since


def _deny(task: Task, answer: UnknownTask, now: int) -> Change | None:
    """Note a denial; a row begins with one of a proven key, since what was said to another key counts for nothing."""
    is_proven = answer.key_reported_at is not None and now - answer.key_reported_at <= KEY_PROVEN_SECONDS
    since = {"denied_since": now} if is_proven and task.denied_since is None else {}
    return _change(task, {**since, **_other_error(task, endings.denied(task))}, set(), now)


def _note(task: Task, error: endings.Error, now: int) -> Change | None:
    return _change(task, _other_error(task, error), set(), now)


def _other_error(task: Task, error: endings.Error) -> dict[str, Any]:
    """Return a trouble to note, where it is of another kind: its words may vary from one answer to the next."""
    return {} if task.error.get("code") == error["code"] else {"error": error}


def _over(task: Task) -> set[str]:
    """Return the notes on a task that any report on it ends."""
    return {"denied_since"} | ({"error"} if endings.is_about_asking(task) else set())


def _patience(task: Task, answer: Answer, limits: Limits) -> int:
    """Return after how many seconds a task expires on such an answer: only CometAPI's own word is taken early.

    A finished video is never given up for its render's deadline.
    """
    if isinstance(answer, Report | Unclear) and task.status != Status.COPYING:
        return limits.deadline_seconds
    return max(SILENCE_SECONDS, 2 * limits.deadline_seconds)


def _change(task: Task, values: Mapping[str, Any], remove: set[str], now: int) -> Change | None:
    """Make a change of what differs from the item; None where nothing does, an unchanged answer costs no write."""
    differing = {name: value for name, value in values.items() if task.item.get(name) != value}
    present = frozenset(name for name in remove if name in task.item)
    if not differing and not present:
        return None
    return Change(task.task_id, task.seen, {**differing, "updated_at": now}, present)


def _reported(task: Task, report: Report, now: int) -> dict[str, Any]:
    """Return what CometAPI says about the render itself, where it says something new."""
    said: dict[str, Any] = {"model": report.model, "created_at": report.created_at}
    if report.status not in {None, Status.SUBMITTED, Status.IN_PROGRESS}:
        said["completed_at"] = report.completed_at  # while it renders, this field is filled with anything
        said["result"] = dict(report.result) or None
    if task.reported_at is None:
        said["reported_at"] = now
    return {name: value for name, value in said.items() if value is not None and task.item.get(name) != value}


def _known(status: str | None) -> Status:
    return next((known for known in _RANK if known.value == status), Status.SUBMITTED)


def _backoff(attempts: int) -> int:
    return min(_FIRST_BACKOFF_SECONDS << max(0, attempts - 1), _LONGEST_BACKOFF_SECONDS)
