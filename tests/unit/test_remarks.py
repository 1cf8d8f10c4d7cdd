"""What somebody hears about an answer: each kind once in an environment's life, with the task that it is about."""

from typing import Any

import pytest

from poller import remarks
from poller.remarks import remark
from shared.comet_api import (
    Answer,
    Forbidden,
    KeyRejected,
    Misdirected,
    Report,
    Throttled,
    Unavailable,
    Unclear,
    UnknownTask,
    Unreadable,
)
from shared.task import Status
from tests.logs import logged

SAID: list[tuple[Answer, dict[str, Any]]] = [
    (
        Report(status=None, word="upscaling", request_id="r"),
        {"message": "unknown status word; its tasks are kept waiting", "word": "upscaling"},
    ),
    (
        UnknownTask(message="task_not_exist", request_id="r"),
        {"message": "CometAPI does not know a task under this key", "said": "task_not_exist"},
    ),
    (
        Unclear(code="bad", message="No.", request_id="r"),
        {"message": "CometAPI refused to report", "code": "bad", "said": "No."},
    ),
    (
        Forbidden(message="No access.", request_id="r"),
        {"message": "CometAPI refused to report", "code": "forbidden", "said": "No access."},
    ),
    (Throttled(retry_after=7, request_id="r"), {"message": "CometAPI asks for fewer questions (HTTP 429)"}),
    *(
        (answer, {"message": "CometAPI gave no report", "reason": f"{said} The task waits and is asked about again."})
        for answer, said in (
            (Unavailable(reason="HTTP 502", request_id="r"), "The last question got HTTP 502."),
            (Unreadable(reason="no JSON", request_id="r"), "The last question got no report: no JSON."),
            (
                Misdirected(reason="HTTP 302", request_id="r"),
                "The last question got HTTP 302, a redirect; check CometApiBaseUrl.",
            ),
        )
    ),
]


@pytest.fixture(autouse=True)
def _new_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remarks, "_heard", set())


def test_each_kind_is_heard_once(caplog: pytest.LogCaptureFixture) -> None:
    for task_id in ("task_x", "task_y"):
        for answer, _ in SAID:
            remark(task_id, answer)
    assert logged(caplog, "WARNING") == [{"task_id": "task_x", "request_id": "r", **said} for _, said in SAID]
    assert logged(caplog, "ERROR") == []


def test_another_word_and_another_code_are_another_kind(caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a", "b", "a"):
        remark("task_x", Report(status=None, word=name))
        remark("task_x", Unclear(code=name, message="No."))
    assert len(logged(caplog, "WARNING")) == 4


def test_other_words_of_one_kind_are_none(caplog: pytest.LogCaptureFixture) -> None:
    """A refusal may name its task or its moment, and comes with every poll."""
    for name in ("a", "b"):
        remark("task_x", Unclear(code="bad", message=name))
        remark("task_x", Forbidden(message=name))
        remark("task_x", UnknownTask(message=name))
    assert len(logged(caplog, "WARNING")) == 3


def test_a_report_is_nothing_to_remark_on(caplog: pytest.LogCaptureFixture) -> None:
    remark("task_x", Report(status=Status.IN_PROGRESS, word="running"))
    assert caplog.records == []


def test_a_rejected_key_is_an_error_each_time(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        remark("task_x", KeyRejected(message="Invalid token.", request_id="r"))
    said = (
        "CometAPI rejects the API key; no task is changed. Store a valid key in the SSM parameter that "
        "CometApiKeyParameter names; no deploy is needed."
    )
    line = {"message": said, "answer": "Invalid token.", "task_id": "task_x", "request_id": "r"}
    assert logged(caplog, "ERROR") == [line, line]
