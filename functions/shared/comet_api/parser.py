"""What an HTTP answer of `GET /v1/videos/{id}` means: pure, total, believing no single field."""

import json
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from shared.comet_api.answers import (
    Answer,
    KeyRejected,
    Misdirected,
    Report,
    Throttled,
    Unavailable,
    Unclear,
    UnknownTask,
    Unreadable,
)
from shared.comet_api.fields import STATUS_OF_WORD, Layer, error_of, finite, first_text, first_time, percent, video_url
from shared.comet_api.fields import safe_text as safe
from shared.task import Status

MAX_BODY_BYTES = 1024 * 1024
"""No report is longer; what is longer is not read to its end."""

_NOT_FOUND_CODE = "task_not_exist"
_TRANSIENT = {408, 425}


def parse(task_id: str, status_code: int, headers: Mapping[str, str], body: bytes, now: float) -> Answer:
    """Tell what CometAPI's answer to a question about `task_id` means; never raises, `now` in epoch seconds."""
    header_id = headers.get("X-Cometapi-Request-Id")
    layers = _layers(body)
    word = first_text(layers, "status")
    if word and 200 <= status_code < 300:
        return _report(task_id, word, layers, safe(header_id) if header_id else None)
    code, message, body_id = error_of(layers)
    request_id = safe(header_id) if header_id else body_id
    refusal = message or f"CometAPI answered HTTP {status_code} and gave no reason."
    if status_code == 429:
        return Throttled(retry_after=_retry_after(headers.get("Retry-After"), now), request_id=request_id)
    if status_code in _TRANSIENT or status_code >= 500 or status_code < 200:
        return Unavailable(reason=f"HTTP {status_code}", request_id=request_id)
    if 300 <= status_code < 400:
        return Misdirected(reason=f"HTTP {status_code}", request_id=request_id)
    if status_code in {401, 403}:
        return KeyRejected(message=refusal, request_id=request_id)
    if _NOT_FOUND_CODE in f"{code} {message}":
        return UnknownTask(message=refusal, request_id=request_id)
    if status_code >= 400:
        return Unclear(code=code or f"http_{status_code}", message=refusal, request_id=request_id)
    return Unreadable(reason=_why_unreadable(body, layers), request_id=request_id)


def _report(task_id: str, word: str, layers: list[Layer], request_id: str | None) -> Answer:
    ids = _ids(layers)
    if ids and task_id not in ids:
        return Unreadable(reason="the answer is about another task", request_id=request_id)
    status = STATUS_OF_WORD.get(word.lower())
    # On success the fields of the reason hold something else, a URL for one.
    failed = status in {Status.FAILED, Status.ERROR}
    code, message, body_id = error_of(layers) if failed else (None, None, None)
    model = first_text(layers, "model")
    return Report(
        status=status,
        word=safe(word),
        progress=next((p for p in (percent(layer.get("progress")) for layer in layers) if p is not None), None),
        model=safe(model) if model else None,
        created_at=first_time(layers, "created_at", "submit_time"),
        completed_at=first_time(layers, "completed_at", "finish_time", "finished_at"),
        video_url=video_url(layers) if status is Status.SUCCESS else None,
        code=code,
        reason=message,
        request_id=request_id or body_id,
    )


def _layers(body: bytes) -> list[Layer]:
    """Return the answer's objects from the outermost inwards: itself, its `data`, and that one's `data`."""
    layers: list[Layer] = []
    value = _json(body)
    while isinstance(value, dict) and len(layers) < 3:
        layers.append(value)
        value = value.get("data")
    return layers


def _json(body: bytes) -> Any:  # noqa: ANN401 - it is what a stranger sent
    if len(body) > MAX_BODY_BYTES:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _ids(layers: list[Layer]) -> set[str]:
    """Return the ids that the gateway itself names; below its own status are the renderer's."""
    own = layers[:1] if "status" in layers[0] else layers[:2]
    return {text for layer in own for name in ("id", "task_id") if (text := first_text([layer], name))}


def _why_unreadable(body: bytes, layers: list[Layer]) -> str:
    if len(body) > MAX_BODY_BYTES:
        return "the body is longer than 1 MiB"
    return "the body has no status" if layers else "the body is no JSON object"


def _retry_after(text: str | None, now: float) -> float | None:
    """Read both forms of Retry-After (RFC 9110, section 10.2.3)."""
    seconds = finite(text)
    if seconds is None and text:
        try:
            moment = parsedate_to_datetime(text)
            # A date without a zone is GMT by the same RFC.
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
        except (ValueError, IndexError, TypeError, OverflowError):
            return None
    return max(0.0, seconds) if seconds is not None else None
