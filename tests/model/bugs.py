"""Bugs of the protocol, put in on purpose: the exploration has to find each."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from intake import admission
from shared import lifecycle
from shared.task import Change, HandOff, Status, Task

type Bug = Callable[[], AbstractContextManager[Any]]

_begin_copy, _decide, _close, _interrupt, _take_back = (
    lifecycle.begin_copy,
    lifecycle.decide,
    lifecycle.close,
    lifecycle.interrupt_copy,
    lifecycle.take_back,
)


def _without_condition(function: Callable[..., Change]) -> Callable[..., Change]:
    return lambda *arguments: replace(function(*arguments), expected={})


def _hand_offs(how: Callable[[Task, HandOff], Change]) -> Callable[..., Change | None]:
    def decide(task: Task, *arguments: Any) -> Change | None:
        change = _decide(task, *arguments)
        return how(task, change) if isinstance(change, HandOff) else change

    return decide


def _also(change: Change, **values: Any) -> Change:
    return replace(change, set={**change.set, **values})


def _attempt_counted_at_sending() -> AbstractContextManager[Any]:
    return patch.multiple(
        lifecycle,
        decide=_hand_offs(lambda task, change: _also(change, copy_attempts=task.copy_attempts + 1)),
        begin_copy=lambda task, *more: _also(_begin_copy(task, *more), copy_attempts=task.copy_attempts),
    )


def _kept_by_intake(*names: str) -> Bug:
    kept = admission._OF_THE_LAST_RUN - set(names)  # noqa: SLF001 - the bug is in there
    return lambda: patch.object(admission, "_OF_THE_LAST_RUN", kept)


BUGS: dict[str, Bug] = {
    "lease not conditional": lambda: patch.object(lifecycle, "begin_copy", _without_condition(_begin_copy)),
    "attempt counted at sending": _attempt_counted_at_sending,
    "close without the generation": lambda: patch.object(lifecycle, "close", _without_condition(_close)),
    "COPYING as SUCCESS": lambda: patch.object(
        lifecycle, "decide", _hand_offs(lambda _, change: _also(change, status=Status.SUCCESS.value))
    ),
    "RETRY keeps ended_at": _kept_by_intake("ended_at"),
    "RETRY keeps copy_attempts": _kept_by_intake("copy_attempts"),
    "an interruption without the generation": lambda: patch.object(
        lifecycle, "interrupt_copy", _without_condition(_interrupt)
    ),
    "a lease kept whose message was not sent": lambda: patch.object(
        lifecycle, "take_back", lambda *arguments: replace(_take_back(*arguments), set={})
    ),
    "a lease taken back from anybody": lambda: patch.object(lifecycle, "take_back", _without_condition(_take_back)),
    "a hand-off without a condition": lambda: patch.object(
        lifecycle, "decide", _hand_offs(lambda _, change: replace(change, expected={}))
    ),
}
