"""What provider.md's answers mean: answer in, meaning out, one row per fact."""

import json
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given
from hypothesis import strategies as st
from urllib3 import HTTPHeaderDict

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
    parse,
)
from shared.comet_api.fields import STATUS_OF_WORD
from shared.task import Status

NOW = 1_800_000_000.0
URL = "https://v.volces.com/a.mp4?X-Tos-Expires=86400&X-Tos-Signature=s"


def answer(body: object, status_code: int = 200, key_reported_at: float | None = None, /, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return parse("task_x", status_code, HTTPHeaderDict(named), content, NOW, key_reported_at)


def report(body: dict[str, object], **headers: str) -> Report:
    """Read a body beside whose status our id stands."""
    found = answer({"id": "task_x", **body}, **headers)
    assert isinstance(found, Report), found
    return found


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (
            "SUBMITTED submitted queued QUEUED pending NOT_START not_start unknown UNKNOWN created preparing starting",
            "SUBMITTED",
        ),
        ("IN_PROGRESS in_progress processing running generating", "IN_PROGRESS"),
        ("SUCCESS completed succeeded succeed success done finished", "SUCCESS"),
        ("FAILED failed FAILURE failure cancelled canceled expired", "FAILED"),
        ("ERROR error", "ERROR"),
    ],
)
def test_status_words_in_any_case(words: str, status: str) -> None:
    for word in words.split():
        for spelling in (word, word.upper(), word.title(), f" {word} "):
            assert report({"status": spelling}).status == Status(status), spelling


def test_any_other_word_is_still_waiting_and_is_told() -> None:
    found = report({"status": "upscaling"})
    assert (found.status, found.word) == (None, "upscaling")


def test_no_word_has_two_meanings() -> None:
    assert len(STATUS_OF_WORD) == 24


SHAPES = {
    "documented": {
        "id": "task_x",
        "object": "video",
        "model": "m",
        "status": "IN_PROGRESS",
        "progress": 45,
        "created_at": 5,
        "completed_at": None,
    },
    "newer": {
        "id": "task_x",
        "model": "m",
        "status": "in_progress",
        "progress": 45,
        "created_at": 5,
        "completed_at": 7,
    },
    "envelope": {
        "code": "success",
        "message": "",
        "data": {"task_id": "task_x", "model": "m", "status": "IN_PROGRESS", "progress": "45%", "submit_time": 5},
    },
}


@pytest.mark.parametrize("shape", SHAPES)
def test_three_shapes_say_the_same(shape: str) -> None:
    found = answer(SHAPES[shape])
    assert isinstance(found, Report)
    assert (found.status, found.progress, found.model, found.created_at) == (Status.IN_PROGRESS, 45, "m", 5)


@pytest.mark.parametrize("progress", ["NaN", "Infinity", "null"])
def test_odd_json_is_read_for_what_it_is_worth(progress: str) -> None:
    found = answer(f'\N{BOM}{{"id": "task_x", "status": "IN_PROGRESS", "progress": {progress}}}'.encode())
    assert isinstance(found, Report)
    assert (found.status, found.progress) == (Status.IN_PROGRESS, None)


DOUBTS = {
    "failure": "a failure without the task's id beside it",
    "success": "a success with neither the task's id nor a URL",
    "report": "a report without the task's id",
    "other": "the answer is about another task",
}
OURS = {"task_id": "task_x"}


@pytest.mark.parametrize(
    ("body", "meaning"),
    [
        # The status beside our id counts.
        ({**OURS, "status": "IN_PROGRESS", "data": {"status": "done"}}, "IN_PROGRESS"),
        ({**OURS, "status": "SUCCESS", "data": {"status": "running"}}, "SUCCESS"),
        ({**OURS, "status": "SUCCESS", "data": {"status": "failed"}}, "SUCCESS"),
        ({**OURS, "status": "FAILED", "data": {"status": "running"}}, "FAILED"),
        ({**OURS, "status": "IN_PROGRESS", "data": {**OURS, "status": "failed"}}, "IN_PROGRESS"),
        ({"status": "success", "data": {**OURS, "status": "IN_PROGRESS"}}, "IN_PROGRESS"),
        ({"status": "success", "data": {**OURS, "status": "FAILURE"}}, "FAILED"),
        ({"status": "success", "data": {**OURS, "status": "SUCCESS"}}, "SUCCESS"),
        ({"status": "error", "data": {**OURS, "status": "running"}}, "IN_PROGRESS"),
        ({"status": "success", "data": {"data": {**OURS, "status": "running"}}}, "IN_PROGRESS"),
        ({"code": "success", "data": {**OURS, "status": "IN_PROGRESS", "data": {"status": "done"}}}, "IN_PROGRESS"),
        # The innermost counts where no other layer has one.
        ({"code": "success", "data": {**OURS, "data": {"status": "done"}}}, "SUCCESS"),
        ({"code": "success", "data": {**OURS, "data": {"status": "running"}}}, "IN_PROGRESS"),
        ({**OURS, "data": {"status": "done"}}, "SUCCESS"),
        # A failure needs our id beside it.
        ({"status": "error", "message": "upstream timeout"}, "failure"),
        ({"status": "expired", "message": "session expired"}, "failure"),
        ({"status": "error", "message": "upstream timeout", "data": OURS}, "failure"),
        ({"status": "failed", "data": {"status": "running"}}, "failure"),
        ({"status": "FAILED", "data": {"id": "other", "status": "FAILED"}}, "other"),
        ({"code": "success", "data": {**OURS, "data": {"status": "failed"}}}, "failure"),
        ({"data": {"data": {"id": "the renderer's own", "status": "failed"}}}, "failure"),
        # A success without our id needs a URL: an outer one may only say that the request was served.
        ({"status": "success"}, "success"),
        ({"status": "success", "data": None}, "success"),
        ({"status": "success", "data": OURS}, "success"),
        ({"status": "success", "data": {**OURS, "data": {"status": "running"}}}, "success"),
        ({"status": "success", "data": {"data": OURS}}, "success"),
        ({"data": {"data": {"id": "the renderer's own", "status": "done"}}}, "success"),
        ({"status": "completed", "url": URL}, "SUCCESS"),
        ({"status": "success", "data": {**OURS, "result_url": URL}}, "SUCCESS"),
        ({"data": {"data": {"id": "the renderer's own", "status": "done", "url": URL}}}, "SUCCESS"),
        # Without our id nothing proves that CometAPI knows the task, nor that the key is the right one.
        ({"status": "running"}, "report"),
        ({"status": "upscaling"}, "report"),
        ({**OURS, "status": "upscaling"}, "None"),
        ({"status": "queued", "data": {**OURS, "progress": 3}}, "SUBMITTED"),
        ({"data": {"data": {"id": "the renderer's own", "status": "running"}}}, "report"),
        # Another id is another task, except where the renderer has its own.
        ({"status": "running", "id": "other"}, "other"),
        ({"status": "success", "data": {"task_id": "other", "status": "SUCCESS", "url": URL}}, "other"),
        ({"status": "SUCCESS", "id": "other", "data": {**OURS, "status": "SUCCESS"}}, "other"),
        ({"data": {"id": "other", "data": {**OURS, "status": "done"}}}, "other"),
        ({"data": {"task_id": "other", "data": {"status": "done"}}}, "other"),
        ({**OURS, "status": "SUCCESS", "data": {"id": "the renderer's own", "status": "done"}}, "SUCCESS"),
        ({"data": {**OURS, "data": {"id": "the renderer's own", "status": "done"}}}, "SUCCESS"),
        ({"id": "other", "task_id": "task_x", "status": "SUCCESS"}, "SUCCESS"),
        ({"id": 123, "task_id": "task_x", "status": "FAILED"}, "FAILED"),
        ({"id": " task_x ", "status": "FAILED"}, "FAILED"),
        ({"id": "", "status": "FAILED"}, "failure"),
    ],
)
def test_the_status_beside_our_id_counts(body: object, meaning: str) -> None:
    found = answer(body, X_Cometapi_Request_Id="r1")
    if meaning in DOUBTS:
        assert found == Unreadable(reason=DOUBTS[meaning], request_id="r1")
    else:
        assert isinstance(found, Report), found
        assert str(found.status) == meaning


@pytest.mark.parametrize(
    ("progress", "percent"),
    [
        (0, 0), (1, 1), (45, 45), (100, 100), (45.4, 45), (0.3, 30), (0.99, 99), (1.0, 100), (1.5, 2), ("30%", 30),
        ("30", 30), ("0.5", 50),
        ("0.5%", 0), (" 7 % ", 7), (-3, 0), (250, 100), (None, None), ("soon", None), (True, None), ([], None),
        ({}, None),
        (float("nan"), None), (float("inf"), None), ("", None), ("1e999", None), (10**400, None),
    ],
)  # fmt: skip
def test_progress_is_an_int_of_0_to_100_or_nothing(progress: object, percent: int | None) -> None:
    found = report({"status": "running", "progress": progress})
    assert found.progress == percent
    assert found.progress is None or type(found.progress) is int


def nested(path: str, value: object) -> dict[str, object]:
    head, _, rest = path.partition(".")
    return {head: nested(rest, value) if rest else value}


@pytest.mark.parametrize(
    "path",
    [
        "video_url", "metadata.url", "url", "result_url", "result.video_url", "data.result_url", "data.video_url",
        "data.data.video.url", "data.data.content.video_url", "data.fail_reason", "data.data.url",
    ],
)  # fmt: skip
def test_the_url_is_found_wherever_it_was_seen(path: str) -> None:
    assert report({"status": "SUCCESS", **nested(path, f" {URL} ")}).video_url == URL


@pytest.mark.parametrize("url", ["http://v.volces.com/a.mp4", "HTTPS://v.volces.com/a.mp4", URL.ljust(8193, "s")])
def test_any_web_address_is_a_url_its_reader_judges_it(url: str) -> None:
    assert report({"status": "SUCCESS", "video_url": url}).video_url == url


@pytest.mark.parametrize(
    "value", ["", None, 7, "soon", "file:///etc/passwd", "ftp://a/b", {"url": 7}, ["https://a/b"], "see https://a/b"]
)
def test_what_is_no_url_is_none(value: object) -> None:
    assert report({"status": "SUCCESS", "video_url": value}).video_url is None


@pytest.mark.parametrize("word", ["IN_PROGRESS", "FAILED", "queued", "upscaling"])
def test_a_url_counts_on_success_only(word: str) -> None:
    assert report({"status": word, "video_url": URL}).video_url is None


def test_a_url_is_never_shown() -> None:
    assert "volces" not in repr(report({"status": "SUCCESS", "video_url": URL, "last_frame_url": URL}))


@pytest.mark.parametrize(
    "path",
    [
        "last_frame_url", "content.last_frame_url", "metadata.last_frame_url", "data.last_frame_url",
        "data.data.content.last_frame_url", "data.data.last_frame_url", "result.last_frame_url",
    ],
)  # fmt: skip
def test_the_last_frame_is_found_wherever_it_may_be(path: str) -> None:
    said = nested(path, f" {URL} ")
    assert report({"status": "SUCCESS", **said}).last_frame_url == URL
    assert report({"status": "SUCCESS", **said}).video_url is None
    assert report({"status": "IN_PROGRESS", **said}).last_frame_url is None


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("http://10.0.0.1/a.png", True), (URL.ljust(8192, "s"), True), (URL.ljust(8193, "s"), False), ("a.png", False),
        ("file:///etc/passwd", False), (None, False), (7, False), ([URL], False), ({"url": URL}, False), ("", False),
    ],
)  # fmt: skip
def test_a_last_frame_is_a_web_address_its_reader_judges_it(value: object, *, kept: bool) -> None:
    found = report({"status": "SUCCESS", "video_url": URL, "last_frame_url": value})
    assert found.last_frame_url == (value if kept else None)
    assert found.video_url == URL


def test_a_last_frame_that_is_too_long_does_not_hide_another() -> None:
    both = {"last_frame_url": URL.ljust(8193, "s"), "content": {"last_frame_url": URL}}
    assert report({"status": "SUCCESS", **both}).last_frame_url == URL


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        ({"error": {"code": "c", "message": "m"}}, "c", "m"),
        ({"error": {"type": "t", "code": "", "message": "m"}}, "t", "m"),
        ({"error": "m"}, None, "m"),
        ({"error": None}, None, None),
        ({}, None, None),
        ({"fail_reason": "m"}, None, "m"),
        ({"data": {"fail_reason": "m"}, "code": "success", "message": "ok"}, None, "m"),
        ({"data": {"fail_reason": "m"}, "code": "", "message": "ok"}, None, "m"),
        ({"data": {"fail_reason": "m"}, "code": 0, "message": "ok"}, None, "m"),
        ({"data": {"fail_reason": "m"}, "code": 200, "message": "ok"}, None, "m"),
        ({"error": {"message": "m (request id: abc)"}}, None, "m"),
        ({"error": {"message": f"see {URL} please"}}, None, "see https://v.volces.com/a.mp4?… please"),
        ({"error": {"message": "key sk-abcdef123456 is bad"}}, None, "key sk-… is bad"),
        ({"error": {"message": "key sk-a-b.c~d+e/f= is bad"}}, None, "key sk-… is bad"),
        ({"error": {"message": "got bearer abcdefgh"}}, None, "got bearer …"),
        ({"error": {"message": "HTTP://v.x/a?s=1 http://v.x/b#t"}}, None, "HTTP://v.x/a?… http://v.x/b?…"),
        ({"error": {"message": "x" * 2000}}, None, "x" * 999 + "…"),
        ({"error": {"message": "x" * 1000}}, None, "x" * 1000),
        ({"error": {"message": "a\ud800b"}}, None, "a?b"),
    ],
)
def test_a_failure_keeps_the_providers_words(body: dict[str, object], code: str | None, reason: str | None) -> None:
    found = report({"status": "FAILED", **body})
    assert (found.code, found.reason) == (code, reason)


@pytest.mark.parametrize("word", ["SUCCESS", "IN_PROGRESS", "upscaling"])
def test_only_a_failure_has_a_reason(word: str) -> None:
    found = report({"status": word, "fail_reason": URL, "error": {"code": "c", "message": "m"}})
    assert (found.code, found.reason) == (None, None)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (1776567610, 1776567610), (1776567610.9, 1776567610), ("1776567610", 1776567610), (1, 1),
        (1776567610000, 1776567610), (100_000_000_000, 100_000_000_000), (100_000_001_000, 100_000_001),
        (1776567610000000, None), (1e300, None), (0, None), (-1, None), (None, None),
        ("soon", None), (True, None),
    ],
)  # fmt: skip
def test_times_are_seconds_or_nothing(said: object, seconds: int | None) -> None:
    assert report({"status": "SUCCESS", "created_at": said}).created_at == seconds


def test_times_have_several_names() -> None:
    assert [report({"status": "SUCCESS", name: 7}).created_at for name in ("created_at", "submit_time")] == [7, 7]
    assert [
        report({"status": "SUCCESS", name: 7}).completed_at for name in ("completed_at", "finish_time", "finished_at")
    ] == [7, 7, 7]
    assert report({"status": "SUCCESS", "completed_at": None, "finish_time": 0, "finished_at": 7}).completed_at == 7


FLAT = {"code": "task_not_exist", "message": "task_not_exist", "data": None}
NESTED = {"error": {"message": "task_not_exist (request id: r1)", "type": "comet_api_error", "code": ""}}


@pytest.mark.parametrize(
    ("status_code", "body", "meaning"),
    [
        (400, FLAT, UnknownTask),
        (400, NESTED, UnknownTask),
        (200, FLAT, UnknownTask),
        (404, NESTED, UnknownTask),
        (400, {"code": "bad", "message": "no"}, Unclear),
        (404, b"not found", Unclear),
        (422, {}, Unclear),
        (418, {}, Unclear),
        (400, {**FLAT, "status": "error"}, UnknownTask),
        (401, FLAT, KeyRejected),
        (403, {}, KeyRejected),
        *[(code, FLAT, Unavailable) for code in (408, 425, 500, 501, 502, 503, 504, 520, 521, 522, 523, 524, 599, 101)],
        (429, FLAT, Throttled),
        *[(code, {"status": "SUCCESS", "video_url": URL}, Misdirected) for code in (300, 301, 302, 303, 304, 307, 308)],
        (202, {"id": "task_x", "status": "queued"}, Report),
        (200, b"<html>hello</html>", Unreadable),
        (200, b'{"status": "SUCC', Unreadable),
        (200, [], Unreadable),
        (200, 7, Unreadable),
        (200, b"", Unreadable),
        (204, b"", Unreadable),
        (200, {}, Unreadable),
        (200, {"code": "success", "data": None}, Unreadable),
        (200, {"status": 7}, Unreadable),
        (200, {"data": {"data": {"data": {"status": "SUCCESS"}}}}, Unreadable),
        (200, b'{"status": "SUCCESS", "x": "' + b"x" * 1024 * 1024 + b'"}', Unreadable),
        (200, b"[" * 100_000, Unreadable),
        (200, b"\xff\xfe\xff", Unreadable),
    ],
)
def test_meanings(status_code: int, body: object, meaning: type) -> None:
    assert type(answer(body, status_code)) is meaning


@pytest.mark.parametrize(
    ("age", "meaning"), [(None, KeyRejected), (0, Forbidden), (900, Forbidden), (901, KeyRejected), (-5, Forbidden)]
)
def test_a_refusal_is_about_the_task_where_the_key_got_a_report_lately(age: float | None, meaning: type) -> None:
    reported_at = None if age is None else NOW - age
    body = {"error": {"message": "This token has no access to this model (request id: r1)"}}
    found = answer(body, 403, reported_at)
    assert type(found) is meaning
    assert isinstance(found, Forbidden | KeyRejected)
    assert found.message == "This token has no access to this model"
    assert found.request_id == "r1"
    assert isinstance(answer(body, 401, reported_at), KeyRejected)


@pytest.mark.parametrize("reported_at", [None, NOW, NOW - 100_000])
def test_a_denial_says_what_its_key_is_worth(reported_at: float | None) -> None:
    found = answer(FLAT, 400, reported_at)
    assert found == UnknownTask(message="task_not_exist", key_reported_at=reported_at)


def test_the_longest_body_is_read() -> None:
    frame = b'{"id": "task_x", "status": "SUCCESS", "x": ""}'
    assert isinstance(answer(frame[:-2] + b"x" * (1024 * 1024 - len(frame)) + frame[-2:]), Report)


def test_refusals_say_why() -> None:
    unclear = answer({"code": "bad", "message": "no"}, 400)
    assert isinstance(unclear, Unclear)
    assert (unclear.code, unclear.message) == ("bad", "no")
    silent = answer(b"", 422)
    assert isinstance(silent, Unclear)
    assert (silent.code, silent.message) == ("http_422", "CometAPI answered HTTP 422 and gave no reason.")
    rejected = answer({"error": {"message": "invalid token"}}, 401)
    assert isinstance(rejected, KeyRejected)
    assert rejected.message == "invalid token"
    unknown = answer(NESTED, 400)
    assert isinstance(unknown, UnknownTask)
    assert unknown.message == "task_not_exist"
    for status_code, kind in ((502, Unavailable), (302, Misdirected)):
        found = answer(b"", status_code)
        assert isinstance(found, kind)
        assert found.reason == f"HTTP {status_code}"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"x" * (1024 * 1024 + 1), "the body is longer than 1 MiB"),
        (b'{"id": "task_x", "status": "SUCCESS"}'.ljust(1024 * 1024 + 1), "the body is longer than 1 MiB"),
        (b"<html>", "the body is no JSON object"),
        (b"{}", "the body has no status"),
        (b"{}".ljust(1024 * 1024), "the body has no status"),
        (b'{"id": "task_y", "status": "SUCCESS"}', "the answer is about another task"),
    ],
)
def test_unreadable_answers_say_why(body: bytes, reason: str) -> None:
    found = answer(body)
    assert isinstance(found, Unreadable)
    assert found.reason == reason


@pytest.mark.parametrize("status_code", [200, 400, 401, 302, 429, 502, 404])
def test_the_request_id_is_kept_for_the_log(status_code: int) -> None:
    assert answer(b"", status_code, X_Cometapi_Request_Id="r1").request_id == "r1"
    assert answer(NESTED, status_code).request_id == "r1"
    assert answer(NESTED, status_code, X_Cometapi_Request_Id="r2").request_id == "r2"


@pytest.mark.parametrize("body", [{"status": "IN_PROGRESS"}, {"status": "SUCCESS", "id": "other"}, {"status": "error"}])
def test_reports_and_their_mistakes_have_a_request_id_too(body: object) -> None:
    assert answer(body, X_Cometapi_Request_Id="r1").request_id == "r1"


def test_a_failures_request_id_may_stand_in_its_reason() -> None:
    body: dict[str, object] = {"status": "FAILED", "error": {"message": "No. (request id: r1)"}}
    assert (report(body).reason, report(body).request_id) == ("No.", "r1")
    assert report(body, X_Cometapi_Request_Id="r2").request_id == "r2"


def test_what_lies_deeper_than_any_answer_is_not_believed() -> None:
    body: object = {"status": "SUCCESS", "id": "task_x", "url": URL}
    for _ in range(2):
        body = {"data": body}
    assert isinstance(answer(body), Report)
    assert isinstance(answer({"data": body}), Unreadable)


@pytest.mark.parametrize(("sent", "kept"), [("x" * 2000, "x" * 999 + "…"), ("key sk-abcdef123456", "key sk-…")])
def test_a_request_id_is_fit_for_the_log(sent: str, kept: str) -> None:
    assert answer(b"", 400, X_Cometapi_Request_Id=sent).request_id == kept
    assert answer({"error": {"message": f"m (request id: {sent})"}}, 400).request_id == kept


@pytest.fixture
def local_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine that is not on Greenwich time."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7), ("0", 0), ("-5", 0), ("Fri, 15 Jan 2027 08:00:30 GMT", 30), ("Fri, 15 Jan 2027 07:59:30 GMT", 0),
        ("Fri, 15 Jan 2027 08:00:30 -0000", 30), ("Fri, 15 Jan 2027 09:00:30 +0100", 30), ("soon", None), ("", None),
        (None, None), (f"Fri, 15 Jan {'9' * 20} 08:00:30 GMT", None), (f"Fri, 15 Jan 2027 08:00:30 +{'9' * 20}", None),
    ],
)  # fmt: skip
def test_retry_after_in_both_forms(text: str | None, seconds: float | None, local_time: None) -> None:  # noqa: ARG001
    found = answer(b"", 429, **({} if text is None else {"Retry_After": text}))
    assert isinstance(found, Throttled)
    assert found.retry_after == seconds


# --- What the render was ---

USAGE = {"completion_tokens": 108_900, "total_tokens": 108_900}
RENDER = {
    "usage": USAGE, "seed": 58944, "resolution": "720p", "ratio": "16:9", "duration": 5, "framespersecond": 24,
}  # fmt: skip


@pytest.mark.parametrize("place", ["", "metadata", "content", "data", "data.metadata", "data.data", "result"])
def test_the_render_is_described_in_its_own_names(place: str) -> None:
    said = nested(place, RENDER) if place else RENDER
    assert report({"status": "SUCCESS", "video_url": URL, **said}).result == RENDER


@pytest.mark.parametrize("word", ["FAILED", "error"])
def test_a_failure_may_have_cost_something_too(word: str) -> None:
    assert report({"status": word, **RENDER}).result == RENDER


@pytest.mark.parametrize("word", ["IN_PROGRESS", "queued", "upscaling"])
def test_only_what_has_ended_is_described(word: str) -> None:
    assert report({"status": word, **RENDER}).result == {}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"duration": "5"}, {"duration": "5"}),
        ({"seconds": "5", "fps": 24}, {"seconds": "5", "fps": 24}),
        ({"duration": 5.5}, {"duration": Decimal("5.5")}),
        ({"duration": 0.1}, {"duration": Decimal("0.1")}),
        ({"duration": 0.0, "seed": 0}, {"duration": Decimal(0), "seed": 0}),
        ({"seed": -1}, {"seed": -1}),
        ({"seed": 10**38 - 1}, {"seed": 10**38 - 1}),
        ({"seed": 10**38}, {}),
        ({"seed": -(10**38)}, {}),
        ({"duration": 1e125}, {"duration": Decimal("1e125")}),
        ({"duration": 1e126}, {}),
        ({"duration": 1e308}, {}),
        ({"duration": 1e-130}, {"duration": Decimal("1e-130")}),
        ({"duration": 1e-131}, {}),
        ({"duration": float("nan"), "seed": float("inf"), "fps": float("-inf")}, {}),
        ({"duration": True, "seed": None, "fps": [], "ratio": {}, "resolution": ""}, {}),
        ({"resolution": "x" * 128, "ratio": "x" * 129}, {"resolution": "x" * 128}),
        ({"resolution": "é" * 64, "ratio": "é" * 65}, {"resolution": "é" * 64}),
        ({"resolution": "a\ud800", "ratio": "1:1"}, {"ratio": "1:1"}),
        ({"resolution": URL, "ratio": "sk-abcdef123456"}, {}),
        ({"duration": [], "metadata": {"duration": 5}}, {"duration": 5}),
        ({"duration": 5, "metadata": {"duration": 6}}, {"duration": 5}),
        ({"metadata": [7], "content": "x", "result": None, "duration": 5}, {"duration": 5}),
        ({"colour": "red", "progress": 7}, {}),
        ({"usage": []}, {}),
        ({"usage": "12"}, {}),
        ({"usage": 12}, {}),
        ({"usage": {}}, {}),
        ({"usage": {"a": 1, "b": {"c": 2}, "d": [3], "e": None, "f": True, "g": 0.5}},
         {"usage": {"a": 1, "g": Decimal("0.5")}}),
        ({"usage": {"a": {"b": 1}}, "metadata": {"usage": {"c": 1}}}, {"usage": {"c": 1}}),
        ({"usage": {"": 1, "x" * 129: 2, "a\ud800": 3, "sk-abcdef123456": 4, URL: 5, "ok": 6}}, {"usage": {"ok": 6}}),
    ],
)  # fmt: skip
def test_what_is_odd_about_a_render_is_left_out(said: dict[str, object], kept: dict[str, object]) -> None:
    found = report({"status": "SUCCESS", "video_url": URL, **said}).result
    assert found == kept
    assert [type(value) for value in found.values()] == [type(value) for value in kept.values()]


@pytest.mark.parametrize(
    ("header", "usage"),
    [
        (json.dumps(USAGE), USAGE),
        ('{"total_tokens": 1.5, "x": [1]}', {"total_tokens": Decimal("1.5")}),
        ("", None), ("12", None), ("[]", None), ("{", None), ('"a"', None), ("[" * 100_000, None), ("{}", None),
        ('{"total_tokens": NaN}', None),
    ],
)  # fmt: skip
def test_usage_may_come_as_a_header(header: str, usage: dict[str, object] | None) -> None:
    found = report({"status": "SUCCESS", "duration": 5}, X_New_Api_Usage=header).result
    assert found == {"duration": 5} | ({"usage": usage} if usage else {})


def test_the_usage_of_the_body_goes_before_the_headers() -> None:
    found = report({"status": "SUCCESS", "usage": {"total_tokens": 1}}, X_New_Api_Usage='{"total_tokens": 2}')
    assert found.result == {"usage": {"total_tokens": 1}}


LARGE = dict.fromkeys(("duration", "seconds", "resolution", "ratio", "fps", "framespersecond", "seed"), "é" * 64)


def test_a_result_has_room_for_2048_bytes_of_usage() -> None:
    entries = {f"{n:0>2}": "x" * 118 for n in range(17)}  # 128 bytes each, of which 8 are DynamoDB's
    found = report({"status": "SUCCESS", "usage": entries}).result["usage"]
    assert found == {name: entries[name] for name in list(entries)[:16]}


@pytest.mark.parametrize(
    "usage", [{f"key {n}": "x" * 100 for n in range(9000)}, {f"{n:0>128}": n for n in range(5000)}]
)
def test_a_result_leaves_room_on_its_item(usage: dict[str, object]) -> None:
    found = report({"status": "SUCCESS", **LARGE, "usage": usage}).result
    assert set(found) == {*LARGE, "usage"}
    assert 1000 < len(str(found["usage"])) < 2500
    assert len(json.dumps(found, ensure_ascii=False, default=str).encode()) < 3584


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([*STATUS_OF_WORD, URL, "task_x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("id", "task_id", "status", "data", "error", "code", "message", "url", "video_url", "progress"),
                    *("fail_reason", "usage", "content", "metadata", "duration", "seed", "last_frame_url", "x"),
                ]
            ),
            inner,
            max_size=6,
        )
    ),
)


@given(
    st.integers(100, 599),
    st.binary() | json_values.map(lambda value: json.dumps(value).encode()),
    st.text() | json_values.map(json.dumps),
    st.none() | st.floats(),
)
def test_no_answer_raises(status_code: int, body: bytes, header: str, key_reported_at: float | None) -> None:
    stamps = {"Retry_After": header, "X_Cometapi_Request_Id": header, "X_New_Api_Usage": header}
    found = answer(body, status_code, key_reported_at, **stamps)
    if isinstance(found, Report):
        assert 200 <= status_code < 300
        assert found.status in {None, *Status}
        assert found.status not in {Status.FAILED, Status.ERROR} or b"task_x" in body
        TypeSerializer().serialize(found.result)


@given(json_values, json_values)
def test_a_result_is_small_and_fit_for_the_table(render: object, usage: object) -> None:
    body = {"status": "SUCCESS", "metadata": render, "usage": usage, "duration": render}
    found = report({**body, "data": render}).result
    TypeSerializer().serialize(found)
    assert len(str(found).encode()) <= 4096
    assert all(isinstance(value, Decimal | int | str) for value in flat(found))


def flat(result: Mapping[str, Any]) -> list[object]:
    usage = result.get("usage", {})
    assert all(isinstance(value, Decimal | int | str) for value in usage.values())
    return [value for name, value in result.items() if name != "usage"]


def test_nothing_is_kept_of_what_was_read() -> None:
    """An environment lives for hours, and each answer may have words of its own."""

    def read(words: str) -> None:
        for number in range(200):
            answer({"code": f"{words} {number}", "message": f"see {URL} {words} {number}".ljust(900, "x")}, 400)

    read("first")
    tracemalloc.start()
    try:
        read("second")
        assert tracemalloc.get_traced_memory()[0] < 50_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["model", "status", "code"])
@pytest.mark.parametrize("text", ["x" * 2000, "a\ud800", "key sk-abcdef1234567890"], ids=["long", "half", "key"])
def test_no_text_of_an_answer_is_kept_as_it_came(name: str, text: str) -> None:
    """It may be too large for an item, break its writing, or hold a key."""
    report = answer({"id": "task_x", "status": "failed" if name == "code" else "odd", name: text})
    assert isinstance(report, Report)
    (kept,) = [each for each in (report.model, report.word, report.code) if each and each not in {"odd", "failed"}]
    assert kept.encode()
    assert len(kept) <= 1000
    assert "abcdef" not in kept
