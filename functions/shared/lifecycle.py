"""The life of a task: `(task, what happened, now) -> change`, pure and total.

The rule above all others: a doubtful answer never becomes an ending. A wrong "still waiting" costs one
more poll, a wrong ending loses a video that was paid for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.comet_api import Answer, Report, Unclear, UnknownTask
from shared.errors import CopyError
from shared.task import WORKING_ATTRIBUTES, Change, HandOff, Item, Status, Task

NOT_FOUND_ANSWERS = 3
"""How many `task_not_exist` in a row it takes to end a task."""

NOT_FOUND_AGE_SECONDS = 120
"""How old a task must be for that: CometAPI does not know a task that was created a moment ago."""

NO_URL_SECONDS = 600
"""How long a finished task may have no URL; gateways fill it in late."""

LEASE_SECONDS = 1260
"""How long the Copier is left alone: its time-out of 900 s, 300 s of queueing and a minute to spare."""

MAX_HANDOFFS = 12
"""Hand-offs before a copy is given up; with the backoff that is 7 h, the signed URL lives for 24 h."""

_FIRST_BACKOFF_SECONDS = 60
_LONGEST_BACKOFF_SECONDS = 3600
_SILENCE_FACTOR = 2
_AGAIN = " The copy is tried again later."
_RANK = {Status.SUBMITTED: 0, Status.IN_PROGRESS: 1, Status.SUCCESS: 2}


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a task may wait for its video and how long its item is kept once it has ended, in seconds."""

    deadline_seconds: int
    retention_seconds: int
    """0 keeps it for ever."""


def decide(task: Task, answer: Answer, now: int, limits: Limits) -> Change | None:
    """Decide what an answer means for a task; None where nothing changes, HandOff where its video is ready."""
    if task.pending_since is None or now < task.lease_until:
        return None  # it has ended, or the Copier is at work
    if task.handoffs >= MAX_HANDOFFS:
        return end(task, Status.COPY_FAILED, _handoffs_exhausted(task), now, limits)
    match answer:
        case Report(status=Status.SUCCESS):
            return _succeed(task, answer, now, limits)
        case Report(status=Status.FAILED | Status.ERROR as status):
            return end(task, status, _providers_reason(answer), now, limits, _reported(task, answer))
        case Report():
            change = _advance(task, answer, now)
        case UnknownTask():
            return _miss(task, answer, now, limits)
        case Unclear():
            change = _note_error(task, answer.code, answer.message, now)
        case _:  # nothing was said about the task: it gets as much time again for somebody to say it
            return _expire(task, now, limits) if _age(task, now) >= _SILENCE_FACTOR * limits.deadline_seconds else None
    return _expire(task, now, limits) if _age(task, now) >= limits.deadline_seconds else change


def miss_handoff(task: Task, error: CopyError, now: int) -> Change:
    """Give the lease back after a hand-off came to nothing, so that another one follows after a backoff."""
    backoff = min(_FIRST_BACKOFF_SECONDS * 2 ** max(0, task.handoffs - 1), _LONGEST_BACKOFF_SECONDS)
    return Change(
        task_id=task.task_id,
        expected={name: task.seen[name] for name in ("pending_since", "handoffs")},
        set={"lease_until": now + backoff, "error": _error(error.code, error.message + _AGAIN), "updated_at": now},
    )


def refuse_copy(task: Task, error: CopyError, now: int, limits: Limits) -> Change:
    """End a task whose video can never be stored; `error` says why."""
    return _end_from_copier(task, Status.COPY_FAILED, now, limits, {"error": _error(error.code, error.message)})


def close(task: Task, s3_uri: str, size: int, etag: str, now: int, limits: Limits) -> Change:
    """End a task whose video is stored at `s3_uri`; `size` in bytes."""
    stored = {"s3_uri": s3_uri, "size": size, "etag": etag, "stored_at": now, "progress": 100}
    return _end_from_copier(task, Status.SUCCESS, now, limits, stored)


def end(task: Task, status: Status, error: Item, now: int, limits: Limits, also: Item | None = None) -> Change:
    """End a task without a video; nothing changes it any more, except RETRY."""
    return Change(
        task_id=task.task_id,
        expected=task.seen,
        set={**(also or {}), **ending(status, now, limits), "error": error},
        remove=frozenset({"pending_since", *WORKING_ATTRIBUTES}),
    )


def ending(status: Status, now: int, limits: Limits) -> dict[str, Any]:
    """Return the attributes that every ended item has."""
    kept = {"expires_at": now + limits.retention_seconds} if limits.retention_seconds else {}
    return {"status": status.value, "updated_at": now, "ended_at": now, **kept}


def _end_from_copier(task: Task, status: Status, now: int, limits: Limits, also: Item) -> Change:
    # Only the generation must be the one that was copied: what the Poller noted meanwhile does not matter.
    return Change(
        task_id=task.task_id,
        expected={"pending_since": task.seen["pending_since"]},
        set={**ending(status, now, limits), **also},
        remove=frozenset({"pending_since", *WORKING_ATTRIBUTES, *({"error"} - also.keys())}),
    )


def _succeed(task: Task, report: Report, now: int, limits: Limits) -> Change | None:
    seen = {"status": Status.SUCCESS.value, "progress": 100, **_reported(task, report)}
    if report.video_url:
        return HandOff(
            task_id=task.task_id,
            expected=task.seen,
            set={
                **seen,
                "handoff_at": now,
                "handoffs": task.handoffs + 1,
                "lease_until": now + LEASE_SECONDS,
                "updated_at": now,
            },
            remove=frozenset({"no_url_since", "not_found_answers"}),
            video_url=report.video_url,
        )
    since = now if task.no_url_since is None else task.no_url_since
    if now - since >= NO_URL_SECONDS:
        return end(task, Status.COPY_FAILED, _no_video_url(), now, limits, seen)
    return _change(task, {**seen, "no_url_since": since}, {"not_found_answers"}, now)


def _advance(task: Task, report: Report, now: int) -> Change | None:
    """Follow a report of a task that still renders; nothing of it ever goes backwards."""
    status = max(_known(task.status), report.status or Status.SUBMITTED, key=_RANK.__getitem__)
    seen = {
        "status": status.value,
        "progress": max(task.progress, report.progress or 0),
        **_reported(task, report),
    }
    remove = {"not_found_answers", "no_url_since"} | (set() if task.handoffs else {"error"})
    return _change(task, seen, remove, now)


def _miss(task: Task, answer: UnknownTask, now: int, limits: Limits) -> Change | None:
    answers = min(task.not_found_answers + 1, NOT_FOUND_ANSWERS)
    if answers == NOT_FOUND_ANSWERS and _age(task, now) >= NOT_FOUND_AGE_SECONDS:
        return end(task, Status.NOT_FOUND, _not_found(answer), now, limits)
    return _change(task, {"not_found_answers": answers}, set(), now)


def _note_error(task: Task, code: str, message: str, now: int) -> Change | None:
    """Note a reason on a task that goes on; again only when it has another code, words may vary each time."""
    return None if task.error.get("code") == code else _change(task, {"error": _error(code, message)}, set(), now)


def _expire(task: Task, now: int, limits: Limits) -> Change:
    hours = round(limits.deadline_seconds / 3600)
    last = f" The last trouble was: {task.error['message']}" if task.error.get("message") else ""
    message = (
        f"CometAPI did not finish this task within {hours} hours of its insertion. The render may still succeed or "
        f"have succeeded: set status to RETRY to ask again for as long.{last}"
    )
    return end(task, Status.EXPIRED, _error("deadline", message), now, limits)


def _change(task: Task, values: Mapping[str, Any], remove: set[str], now: int) -> Change | None:
    """Make a change of what differs from the item; None where nothing does, an unchanged answer costs no write."""
    differing = {name: value for name, value in values.items() if task.item.get(name) != value}
    present = frozenset(name for name in remove if name in task.item)
    if not differing and not present:
        return None
    return Change(task.task_id, task.seen, {**differing, "updated_at": now}, present)


def _reported(task: Task, report: Report) -> dict[str, Any]:
    """Return what CometAPI says about the render itself, where it says something new."""
    said: dict[str, Any] = {"model": report.model, "created_at": report.created_at}
    if report.status not in {None, Status.SUBMITTED, Status.IN_PROGRESS}:
        said["completed_at"] = report.completed_at  # while it renders, this field is filled with anything
    return {name: value for name, value in said.items() if value is not None and task.item.get(name) != value}


def _known(status: str | None) -> Status:
    return next((known for known in _RANK if known.value == status), Status.SUBMITTED)


def _age(task: Task, now: int) -> int:
    return now - (now if task.pending_since is None else task.pending_since)


def _error(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message}


def _providers_reason(report: Report) -> dict[str, str]:
    return _error(report.code or "no_code", report.reason or "CometAPI gave no reason.")


def _not_found(answer: UnknownTask) -> dict[str, str]:
    advice = "Check that the id is right and that the API key belongs to the account that created the task."
    return _error("task_not_exist", f"CometAPI does not know this task: {answer.message} {advice}")


def _no_video_url() -> dict[str, str]:
    message = (
        f"CometAPI reports success but gave no video URL for {NO_URL_SECONDS // 60} minutes. "
        "Set status to RETRY to ask again, or ask CometAPI's support for the video."
    )
    return _error("no_video_url", message)


def _handoffs_exhausted(task: Task) -> dict[str, str]:
    last = str(task.error.get("message") or "the Copier never reported; see its log.").removesuffix(_AGAIN)
    message = (
        f"The video was not stored in {task.handoffs} attempts. Set status to RETRY to try again, or ask CometAPI's "
        f"support for the video. Last ({task.error.get('code') or 'no_report'}): {last}"
    )
    return _error("handoffs_exhausted", message)
