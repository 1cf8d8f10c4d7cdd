"""What provider.md's answers mean: answer in, meaning out, one row per fact."""

import json
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3 import HTTPHeaderDict

from shared.comet_api import (
    Answer,
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


def answer(body: object, status_code: int = 200, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return parse("task_x", status_code, HTTPHeaderDict(named), content, NOW)


def report(body: object) -> Report:
    found = answer(body)
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
    found = report(SHAPES[shape])
    assert (found.status, found.progress, found.model, found.created_at) == (Status.IN_PROGRESS, 45, "m", 5)


def test_the_outer_status_counts_where_both_are_there() -> None:
    envelope = {"code": "success", "data": {"task_id": "task_x", "status": "IN_PROGRESS", "data": {"status": "done"}}}
    assert report(envelope).status is Status.IN_PROGRESS


def test_the_inner_status_counts_where_the_outer_has_none() -> None:
    assert (
        report({"code": "success", "data": {"task_id": "task_x", "data": {"status": "done"}}}).status is Status.SUCCESS
    )


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


@pytest.mark.parametrize("url", ["http://v.volces.com/a.mp4", "HTTPS://v.volces.com/a.mp4", URL.ljust(8192, "s")])
def test_any_web_address_is_a_url_its_reader_judges_it(url: str) -> None:
    assert report({"status": "SUCCESS", "video_url": url}).video_url == url


@pytest.mark.parametrize(
    "value", ["", None, 7, "soon", "file:///etc/passwd", "ftp://a/b", {"url": 7}, "https://" + "a" * 8192]
)
def test_what_is_no_url_is_none(value: object) -> None:
    assert report({"status": "SUCCESS", "video_url": value}).video_url is None


@pytest.mark.parametrize("word", ["IN_PROGRESS", "FAILED", "queued", "upscaling"])
def test_a_url_counts_on_success_only(word: str) -> None:
    assert report({"status": word, "video_url": URL}).video_url is None


def test_a_url_is_never_shown() -> None:
    assert "volces" not in repr(report({"status": "SUCCESS", "video_url": URL}))


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
    ("body", "applied"),
    [
        ({}, True),
        ({"id": "task_x"}, True),
        ({"id": 123, "task_id": "task_x"}, True),
        ({"id": "other", "task_id": "task_x"}, True),
        ({"id": "other"}, False),
        ({"task_id": "other"}, False),
    ],
)
def test_an_answer_about_another_task_is_not_applied(body: dict[str, object], *, applied: bool) -> None:
    assert isinstance(answer({"status": "SUCCESS", **body}), Report if applied else Unreadable)
    envelope = {"code": "success", "data": {"status": "SUCCESS", "data": {"id": "the renderer's own"}, **body}}
    assert isinstance(answer(envelope), Report if applied else Unreadable)


@pytest.mark.parametrize(
    ("body", "applied"),
    [
        ({"status": "SUCCESS", "data": {"id": "the renderer's own", "status": "done"}}, True),
        ({"data": {"task_id": "task_x", "data": {"id": "the renderer's own", "status": "done"}}}, True),
        ({"data": {"data": {"id": "the renderer's own", "status": "done"}}}, True),
        ({"data": {"task_id": "other", "data": {"status": "done"}}}, False),
        ({"data": {"id": "other", "data": {"id": "task_x", "status": "done"}}}, False),
    ],
)
def test_the_gateways_id_counts_and_the_renderers_does_not(body: dict[str, object], *, applied: bool) -> None:
    assert isinstance(answer(body), Report if applied else Unreadable)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (1776567610, 1776567610), (1776567610.9, 1776567610), ("1776567610", 1776567610), (1, 1),
        (1776567610000, 1776567610), (1776567610000000, None), (1e300, None), (0, None), (-1, None), (None, None),
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
        (401, FLAT, KeyRejected),
        (403, {}, KeyRejected),
        *[(code, FLAT, Unavailable) for code in (408, 425, 500, 501, 502, 503, 504, 520, 521, 522, 523, 524, 599, 101)],
        (429, FLAT, Throttled),
        *[(code, {"status": "SUCCESS", "video_url": URL}, Misdirected) for code in (300, 301, 302, 303, 304, 307, 308)],
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


def test_the_longest_body_is_read() -> None:
    frame = b'{"status": "SUCCESS", "x": ""}'
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


@pytest.mark.parametrize("body", [{"status": "IN_PROGRESS"}, {"status": "SUCCESS", "id": "other"}])
def test_reports_and_their_mistakes_have_a_request_id_too(body: object) -> None:
    assert answer(body, X_Cometapi_Request_Id="r1").request_id == "r1"


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
                    "id",
                    "task_id",
                    "status",
                    "data",
                    "error",
                    "code",
                    "message",
                    "url",
                    "video_url",
                    "progress",
                    "fail_reason",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
)


@given(st.integers(100, 599), st.binary() | json_values.map(lambda value: json.dumps(value).encode()), st.text())
def test_no_answer_raises(status_code: int, body: bytes, header: str) -> None:
    found = answer(body, status_code, Retry_After=header, X_Cometapi_Request_Id=header)
    if isinstance(found, Report):
        assert 200 <= status_code < 300
        assert found.status in {None, *Status}
