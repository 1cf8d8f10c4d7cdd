"""Answers that need a header of their own, are no JSON object, or break on the way."""

import functools
import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import repeat

from infra.local.cometapi.json_answers import Subject, json_answer
from infra.local.cometapi.reply import Ending, Reply, whole

MIB = 1024 * 1024
_EDGE = (502, 504, 520, 521, 522, 523, 524)
_REDIRECTS = (301, 302, 307, 308)

type Builder = Callable[..., Reply]
BROKEN_ANSWERS: dict[str, Builder] = {}


def _named(builder: Builder) -> Builder:
    BROKEN_ANSWERS[builder.__name__] = builder
    return builder


def _running(subject: Subject) -> bytes:
    return b"".join(json_answer("documented_in_progress", subject).chunks)


# --- Answers that need a header or a body of their own ---


@_named
def success_usage_in_header(
    subject: Subject, usage: str = '{"completion_tokens": 1234, "total_tokens": 1234}'
) -> Reply:
    """Succeed, and say in a header what it cost."""
    reply = json_answer("documented_success", subject)
    return replace(reply, headers={**reply.headers, "X-New-Api-Usage": usage})


@_named
def throttled_retry_after_seconds(subject: Subject, retry_after: int = 2) -> Reply:
    """429 that asks for a pause in seconds."""
    return replace(json_answer("throttled", subject), headers={"Retry-After": str(retry_after)})


@_named
def throttled_retry_after_date(subject: Subject, retry_after: int = 2) -> Reply:
    """429 that asks for a pause by naming its end, `retry_after` seconds from now."""
    end = datetime.now(UTC) + timedelta(seconds=retry_after)
    return replace(json_answer("throttled", subject), headers={"Retry-After": format_datetime(end, usegmt=True)})


@_named
def throttled_retry_after_nonsense(subject: Subject, retry_after: str = "soon") -> Reply:
    """429 whose Retry-After is neither seconds nor a date."""
    return replace(json_answer("throttled", subject), headers={"Retry-After": retry_after})


@_named
def unavailable_retry_after_seconds(subject: Subject, retry_after: int = 2) -> Reply:
    """503 that asks for a pause in seconds."""
    return replace(json_answer("http_503", subject), headers={"Retry-After": str(retry_after)})


def _edge_page(status: int) -> Builder:
    page = f"<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>"
    return lambda _subject: whole(page.encode(), status=status, content_type="text/html")


def _redirect(status: int) -> Builder:
    def build(subject: Subject, location: str | None = None) -> Reply:
        to = location or f"/v1/elsewhere/{subject.task_id}"
        return Reply(status=status, headers={"Location": to})

    return build


BROKEN_ANSWERS |= {f"http_{status}": _edge_page(status) for status in _EDGE}
BROKEN_ANSWERS |= {f"redirect_{status}": _redirect(status) for status in _REDIRECTS}

# --- 200 that is no answer ---

_NOT_JSON_OBJECTS = {
    "nothing": b"",
    "json_list": b'["IN_PROGRESS"]',
    "json_number": b"42",
    "json_string": b'"IN_PROGRESS"',
    "json_null": b"null",
    "json_true": b"true",
    "not_utf8": b'{"status": "\xff\xfe"}',
    "utf8_bom": b'\xef\xbb\xbf{"status": "IN_PROGRESS"}',
    "nested_too_deeply": b"[" * 200_000,
    "integer_of_10000_digits": b'{"status": "IN_PROGRESS", "progress": ' + b"9" * 10_000 + b"}",
    "not_a_number": b'{"status": "IN_PROGRESS", "progress": NaN}',
    "infinity": b'{"status": "IN_PROGRESS", "progress": Infinity}',
}
BROKEN_ANSWERS |= {name: lambda _subject, body=body: whole(body) for name, body in _NOT_JSON_OBJECTS.items()}


@_named
def html(_subject: Subject, status: int = 200) -> Reply:
    """Answer with the page of something in front of the gateway."""
    page = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"
    return whole(page, status=status, content_type="text/html; charset=UTF-8")


@_named
def broken_json(subject: Subject) -> Reply:
    """JSON that ends in the middle, with a Content-Length that agrees."""
    return whole(_running(subject)[:-20])


@_named
def too_large(subject: Subject, size: int = 2 * MIB) -> Reply:
    """Give a correct success, padded beyond what a client should read."""
    body = b"".join(json_answer("documented_success", subject).chunks)
    return whole(body + b" " * (size - len(body)))


@_named
def endless(_subject: Subject) -> Reply:
    """Chunks that never end."""
    return Reply(headers={"Content-Type": "application/json"}, chunks=repeat(b" " * 65_536), length=None)


@_named
def gzipped(subject: Subject) -> Reply:
    """Give a good answer with Content-Encoding gzip, asked for or not."""
    return _encoded(gzip.compress(_running(subject)))


@_named
def gzip_bomb(subject: Subject, size: int = 64 * MIB) -> Reply:
    """Give a good answer and a long tail of spaces in a small gzip body."""
    return _encoded(gzip.compress(_running(subject)) + _gzipped_spaces(size))


@functools.cache
def _gzipped_spaces(size: int) -> bytes:
    return gzip.compress(b" " * size, compresslevel=1)


def _encoded(body: bytes) -> Reply:
    reply = whole(body)
    return replace(reply, headers=dict(reply.headers) | {"Content-Encoding": "gzip"})


# --- Transport ---


@_named
def reset(_subject: Subject) -> Reply:
    """RST instead of an answer."""
    return Reply(silent=True, ending=Ending.RESET)


@_named
def close_before_headers(_subject: Subject) -> Reply:
    """FIN instead of an answer."""
    return Reply(silent=True, ending=Ending.CLOSE)


@_named
def stall(_subject: Subject) -> Reply:
    """Say nothing for as long as the client waits."""
    return Reply(silent=True, ending=Ending.STALL)


@_named
def stall_in_body(subject: Subject) -> Reply:
    """Send half an answer, then nothing for as long as the client waits."""
    return _half(subject, Ending.STALL)


@_named
def truncated(subject: Subject) -> Reply:
    """Half an answer, then FIN."""
    return _half(subject, Ending.CLOSE)


def _half(subject: Subject, ending: Ending) -> Reply:
    reply = json_answer("documented_success", subject)
    body = b"".join(reply.chunks)
    return replace(reply, chunks=(body[: len(body) // 2],), ending=ending)


@_named
def drip(subject: Subject, bytes_per_second: int = 1) -> Reply:
    """Send a good answer byte by byte, so that no read ever times out."""
    return replace(json_answer("documented_success", subject), bytes_per_second=bytes_per_second)


@_named
def slow(subject: Subject, seconds: float = 5.0) -> Reply:
    """Give a good answer that takes its time."""
    return replace(json_answer("documented_in_progress", subject), delay=seconds)
