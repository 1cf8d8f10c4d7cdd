"""Bugs to put into the functions, one at a time, to see that the simulation finds each of them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from copier import copy
from copier.transfer import Inspection
from copier.video_bucket import StoredVideo
from poller.round import Round
from shared import lifecycle, task_table
from shared.comet_api import Answer, Report, Unavailable
from shared.task import Change, HandOff, Status, Task
from tests.simulation.s3 import S3

type Patch = AbstractContextManager[object]

_request = task_table.update_request
_decide = lifecycle.decide
_put, _complete = S3.put_object, S3.complete_multipart_upload
_own, _hand_off, _end_from_copier = copy._own, Round._hand_off, lifecycle._end_from_copier  # noqa: SLF001 - to break


def _lease_dropped() -> Patch:
    return patch("shared.lifecycle.LEASE_SECONDS", 0)


def _lease_too_short() -> Patch:
    return patch("shared.lifecycle.LEASE_SECONDS", 600)


def _conditions_removed() -> Patch:
    return patch("shared.task_table.update_request", lambda name, change: _request(name, replace(change, expected={})))


def _existence_not_checked() -> Patch:
    def request(name: str, change: Change) -> dict[str, Any]:
        built = _request(name, change)
        built["ConditionExpression"] = built["ConditionExpression"].removeprefix("attribute_exists(task_id)")
        return {**built, "ConditionExpression": built["ConditionExpression"].removeprefix(" AND ")}

    return patch("shared.task_table.update_request", request)


@contextmanager
def _if_none_match_removed() -> Iterator[None]:
    def put(client: S3, **request: Any) -> Any:
        return _put(client, **{**request, "IfNoneMatch": ""})

    def complete(client: S3, **request: Any) -> Any:
        return _complete(client, **{**request, "IfNoneMatch": ""})

    with patch.multiple(S3, put_object=put, complete_multipart_upload=complete):
        yield


def _closed_before_copied() -> Patch:
    def settle(tools: Any, task_id: str, video_url: str, seconds: float) -> None:
        from copier.handler import _now, _outcome  # noqa: PLC0415 - they meet the simulation's clock

        if task := tools.table.get(task_id):
            stored = StoredVideo(f"s3://videos/{task.s3_key}", 1, "0", task_id)
            tools.table.write(lifecycle.close(task, stored.uri, stored.size, stored.etag, _now(), tools.limits))
            _outcome(tools, task, video_url, seconds)

    return patch("copier.handler.settle", settle)


def _sent_before_recorded() -> Patch:
    def settle(self: Any, task: Task, answer: Answer) -> None:
        tools = self._tools
        now = int(tools.clock.now())
        change = _decide(task, answer, now, tools.limits)
        if isinstance(change, HandOff):
            tools.lambdas.copy(task.task_id, change.video_url)
        if change:
            tools.table.write(change)

    return patch.object(Round, "_settle", settle)


def _hand_off_not_guarded() -> Patch:
    def decide(*arguments: Any) -> Change | None:
        change = _decide(*arguments)
        if isinstance(change, HandOff):
            return replace(change, expected={"pending_since": change.expected["pending_since"]})
        return change

    return patch("poller.round.decide", decide)


def _admitted_by_kind_of_event() -> Patch:
    def passes(record: dict[str, Any]) -> bool:
        return bool(record["eventName"] == "INSERT")

    return patch("tests.simulation.stream.passes", passes)


def _not_found_at_once() -> Patch:
    return patch("shared.lifecycle.NOT_FOUND_ANSWERS", 1)


def _ended_tasks_changeable() -> Patch:
    def end_from_copier(*arguments: Any) -> Change:
        return replace(_end_from_copier(*arguments), expected={})

    return patch("shared.lifecycle._end_from_copier", end_from_copier)


def _generation_not_guarded() -> Patch:
    def decide(*arguments: Any) -> Change | None:
        change = _decide(*arguments)
        unguarded = {"pending_since", "status"}
        return change and replace(change, expected={n: v for n, v in change.expected.items() if n not in unguarded})

    return patch("poller.round.decide", decide)


def _progress_not_guarded() -> Patch:
    def advance(task: Task, report: Report, now: int) -> Change | None:
        values = {"status": (report.status or Status.SUBMITTED).value, "progress": report.progress or 0}
        return lifecycle._change(task, values, set(), now)  # noqa: SLF001 - the place of the bug

    return patch("shared.lifecycle._advance", advance)


def _own_object_not_known() -> Patch:
    def own(stored: StoredVideo | None, task: Task) -> StoredVideo:
        return _own(replace(stored, task_id=None) if stored else None, task)

    return patch("copier.copy._own", own)


def _others_object_accepted() -> Patch:
    def own(stored: StoredVideo | None, task: Task) -> StoredVideo:
        return _own(replace(stored, task_id=task.task_id) if stored else None, task)

    return patch("copier.copy._own", own)


def _short_video_accepted() -> Patch:
    return patch.object(Inspection, "finish", lambda _: None)


def _trouble_ends_tasks() -> Patch:
    def decide(task: Task, answer: Answer, now: int, limits: lifecycle.Limits) -> Change | None:
        if isinstance(answer, Unavailable):
            return lifecycle.end(task, Status.ERROR, {"code": "unavailable", "message": answer.reason}, now, limits)
        return _decide(task, answer, now, limits)

    return patch("poller.round.decide", decide)


def _url_logged() -> Patch:
    def hand_off(self: Any, task: Task, video_url: str, now: int) -> None:
        from poller.round import logger  # noqa: PLC0415 - it is the simulation's meanwhile

        logger.info("handing off", task_id=task.task_id, video_url=video_url)
        _hand_off(self, task, video_url, now)

    return patch.object(Round, "_hand_off", hand_off)


BUGS: dict[str, Callable[[], Patch]] = {
    "lease-dropped": _lease_dropped,
    "lease-too-short": _lease_too_short,
    "conditions-removed": _conditions_removed,
    "existence-not-checked": _existence_not_checked,
    "if-none-match-removed": _if_none_match_removed,
    "closed-before-copied": _closed_before_copied,
    "sent-before-recorded": _sent_before_recorded,
    "hand-off-not-guarded": _hand_off_not_guarded,
    "admitted-by-kind-of-event": _admitted_by_kind_of_event,
    "not-found-at-once": _not_found_at_once,
    "ended-tasks-changeable": _ended_tasks_changeable,
    "generation-not-guarded": _generation_not_guarded,
    "progress-not-guarded": _progress_not_guarded,
    "own-object-not-known": _own_object_not_known,
    "others-object-accepted": _others_object_accepted,
    "short-video-accepted": _short_video_accepted,
    "trouble-ends-tasks": _trouble_ends_tasks,
    "url-logged": _url_logged,
}
