"""Single fields of an answer, each read totally: what cannot be believed is None."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from shared.task import Status

type Layer = Mapping[str, Any]

_WORDS = {
    Status.SUBMITTED: "submitted queued pending not_start unknown created preparing starting",
    Status.IN_PROGRESS: "in_progress processing running generating",
    Status.SUCCESS: "success completed succeeded succeed done finished",
    Status.FAILED: "failed failure cancelled canceled expired",
    Status.ERROR: "error",
}
STATUS_OF_WORD = {word: status for status, words in _WORDS.items() for word in words.split()}
"""Every status word that was seen on this route, in lower case."""

PLACES = ("metadata", "content", "result", "video")
"""Objects of a layer that hold what others say in the layer itself."""

_VIDEO_URL_PATHS = (
    ("video_url",),
    ("metadata", "url"),
    ("url",),
    ("result_url",),
    ("result", "video_url"),
    ("video", "url"),
    ("content", "video_url"),
    ("fail_reason",),  # on success this field holds the URL, on failure the reason
)
_LAST_FRAME_URL_PATHS = (("last_frame_url",), *((place, "last_frame_url") for place in PLACES))
_GOOD_CODES = ("success", "", 0, 200)
_LONGEST_TEXT = 1000
_LONGEST_LAST_FRAME_URL = 8192
_MILLISECONDS = 100_000_000_000
_REQUEST_ID = re.compile(r"\s*\(request id: ([^)]*)\)")
_URL_QUERY = re.compile(r"(https?://[^\s?#\"'<>]+)[?#][^\s\"'<>]*", re.IGNORECASE)
_HARMLESS = re.compile(r"(?!.*sk-)[a-z0-9_.-]{0,100}", re.IGNORECASE | re.ASCII)
_KEY = re.compile(r"\b(sk-|Bearer\s+)[\w.~+/=-]{6,}", re.IGNORECASE)


def read_json(text: bytes | str) -> Any:  # noqa: ANN401 - it is what a stranger sent
    """Read JSON; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def first_text(layers: Iterable[Layer], *names: str) -> str | None:
    """Return the first non-empty string under one of `names`, layer by layer."""
    for layer in layers:
        for name in names:
            value = layer.get(name)
            if isinstance(value, str) and (text := value.strip()):
                return text
    return None


def first_time(layers: Iterable[Layer], *names: str) -> int | None:
    """Return the first plausible time under one of `names`, in epoch seconds."""
    for layer in layers:
        for name in names:
            if (time := _seconds(finite(layer.get(name)))) is not None:
                return time
    return None


def percent(value: object) -> int | None:
    """Read a progress of 0 to 100 from an int, a fraction of 1, a numeric string, or "30%"."""
    text = value.strip() if isinstance(value, str) else ""
    number = finite(text.removesuffix("%") if text else value)
    if number is None:
        return None
    is_decimal = isinstance(value, float) or ("." in text and not text.endswith("%"))
    return max(0, min(100, round(number * 100 if is_decimal and number <= 1 else number)))


def finite(value: object) -> float | None:
    """Read a finite number from a number or a numeric string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def video_url(layers: Iterable[Layer]) -> str | None:
    """Return the first http(s) URL at any place where one was ever seen, of any length."""
    return next(_urls(layers, _VIDEO_URL_PATHS), None)


def last_frame_url(layers: Iterable[Layer]) -> str | None:
    """Return the first http(s) URL of a last frame that is not longer than video hosts take."""
    urls = _urls(layers, _LAST_FRAME_URL_PATHS)
    return next((url for url in urls if len(url) <= _LONGEST_LAST_FRAME_URL), None)


def error_of(layers: Iterable[Layer]) -> tuple[str | None, str | None, str | None]:
    """Return code, message and request id of the first error in `layers`, in either of its shapes.

    The message is CometAPI's own, but bounded, and without the parts that would be a credential or
    differ from one answer to the next.
    """
    code = message = None
    for layer in layers:
        error = layer.get("error")
        nested = error if isinstance(error, Mapping) else {"message": error}
        own = {} if layer.get("code") in _GOOD_CODES else {"code": layer.get("code"), "message": layer.get("message")}
        code = code or first_text([nested, own], "code", "type")
        message = message or first_text([nested, own], "message") or first_text([layer], "fail_reason")
    request_id = _REQUEST_ID.search(message or "")
    return (
        safe_text(code) if code else None,
        safe_text(_REQUEST_ID.sub("", message)) if message else None,
        safe_text(request_id.group(1)) if request_id else None,
    )


def safe_text(text: str) -> str:
    """Return `text` fit for the table and the log: bounded, encodable, without credentials."""
    if _HARMLESS.fullmatch(text):
        return text
    shown = _KEY.sub(r"\1…", _URL_QUERY.sub(r"\1?…", text)).encode("utf-8", "replace").decode()
    return shown if len(shown) <= _LONGEST_TEXT else shown[: _LONGEST_TEXT - 1] + "…"


def _seconds(number: float | None) -> int | None:
    """Read seconds or milliseconds; no time is so late that its seconds look like milliseconds."""
    seconds = (number or 0) / 1000 if (number or 0) > _MILLISECONDS else number or 0
    return int(seconds) if 0 < seconds <= _MILLISECONDS else None


def _urls(layers: Iterable[Layer], paths: Iterable[Sequence[str]]) -> Iterator[str]:
    for layer in layers:
        for path in paths:
            value: object = layer
            for name in path:
                value = value.get(name) if isinstance(value, Mapping) else None
            if isinstance(value, str) and (url := value.strip()).lower().startswith(("https://", "http://")):
                yield url
