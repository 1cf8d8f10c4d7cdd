"""What an HTTP answer of `GET /v1/videos/{id}` means: pure, total, believing no single field."""

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from shared.comet_api.answers import (
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
from shared.comet_api.fields import (
    STATUS_OF_WORD,
    Layer,
    error_of,
    finite,
    first_text,
    first_time,
    last_frame_url,
    percent,
    read_json,
    video_url,
)
from shared.comet_api.fields import safe_text as safe
from shared.comet_api.result import result_of
from shared.task import Status

MAX_BODY_BYTES = 1024 * 1024
"""No report is longer; what is longer is not read to its end."""

KEY_PROVEN_SECONDS = 900
"""How long a report proves that CometAPI takes the key, so that a refusal is about the task."""

_NOT_FOUND_CODE = "task_not_exist"
_TRANSIENT = {408, 425}
_FAILURES = {Status.FAILED, Status.ERROR}


def parse(
    task_id: str,
    status_code: int,
    headers: Mapping[str, str],
    body: bytes,
    now: float,
    key_reported_at: float | None = None,
) -> Answer:
    """Tell what CometAPI's answer to a question about `task_id` means; never raises.

    `now`, and when the key that asked last got a report, in epoch seconds.
    """
    header_id = headers.get("X-Cometapi-Request-Id")
    layers = _layers(body)
    if 200 <= status_code < 300 and first_text(layers, "status"):
        usage = headers.get("X-New-Api-Usage")
        return _report(task_id, layers, usage, safe(header_id) if header_id else None)
    code, message, body_id = error_of(layers)
    request_id = safe(header_id) if header_id else body_id
    refusal = message or f"CometAPI answered HTTP {status_code} and gave no reason."
    if status_code == 429:
        return Throttled(retry_after=_retry_after(headers.get("Retry-After"), now), request_id=request_id)
    if status_code in _TRANSIENT or status_code >= 500 or status_code < 200:
        return Unavailable(reason=f"HTTP {status_code}", request_id=request_id)
    if 300 <= status_code < 400:
        return Misdirected(reason=f"HTTP {status_code}", request_id=request_id)
    if status_code == 403 and key_reported_at is not None and now - key_reported_at <= KEY_PROVEN_SECONDS:
        return Forbidden(message=refusal, request_id=request_id)
    if status_code in {401, 403}:
        return KeyRejected(message=refusal, request_id=request_id)
    if _NOT_FOUND_CODE in f"{code} {message}":
        return UnknownTask(message=refusal, key_reported_at=key_reported_at, request_id=request_id)
    if status_code >= 400:
        return Unclear(code=code or f"http_{status_code}", message=refusal, request_id=request_id)
    return Unreadable(reason=_why_unreadable(body, layers), request_id=request_id)


def _report(task_id: str, layers: list[Layer], usage: str | None, request_id: str | None) -> Answer:
    try:
        word = _word(task_id, layers)
    except ValueError as doubt:
        return Unreadable(reason=str(doubt), request_id=request_id)
    status = STATUS_OF_WORD.get(word.lower())
    # On success the fields of the reason hold something else, a URL for one.
    is_failure, is_success = status in _FAILURES, status is Status.SUCCESS
    code, message, body_id = error_of(layers) if is_failure else (None, None, None)
    model = first_text(layers, "model")
    return Report(
        status=status,
        word=safe(word),
        progress=next((p for p in (percent(layer.get("progress")) for layer in layers) if p is not None), None),
        model=safe(model) if model else None,
        created_at=first_time(layers, "created_at", "submit_time"),
        completed_at=first_time(layers, "completed_at", "finish_time", "finished_at"),
        video_url=video_url(layers) if is_success else None,
        last_frame_url=last_frame_url(layers) if is_success else None,
        code=code,
        reason=message,
        result=result_of(layers, usage) if is_success or is_failure else {},
        request_id=request_id or body_id,
    )


def _word(task_id: str, layers: list[Layer]) -> str:
    """Return the status word that is about our task; raises ValueError, saying why, where that is in doubt.

    The word beside our id counts: an outer one may only say that the request was served.
    """
    ours = _ours(task_id, layers)
    beside = first_text(layers[ours : ours + 1], "status") if ours is not None else None
    word = beside or first_text(layers, "status") or ""
    status = STATUS_OF_WORD.get(word.lower())
    if status in _FAILURES and not beside:
        raise ValueError("a failure without the task's id beside it")
    is_ours = beside or (ours is not None and not first_text(layers[:ours], "status"))
    if status is Status.SUCCESS and not is_ours and not video_url(layers):
        raise ValueError("a success with neither the task's id nor a URL")
    if status is not Status.SUCCESS and ours is None:
        raise ValueError("a report without the task's id")  # it proves nothing, neither the task nor the key
    return word


def _ours(task_id: str, layers: list[Layer]) -> int | None:
    """Return the place of the first layer that names our id, None where no layer names one.

    Raises ValueError where the gateway names another one; only the innermost layer may hold the renderer's own.
    """
    for place, layer in enumerate(layers):
        ids = {text for name in ("id", "task_id") if (text := first_text([layer], name))}
        if task_id in ids:
            return place
        if ids and place < 2:
            raise ValueError("the answer is about another task")
    return None


def _layers(body: bytes) -> list[Layer]:
    """Return the answer's objects from the outermost inwards: itself, its `data`, and that one's `data`."""
    layers: list[Layer] = []
    value = read_json(body) if len(body) <= MAX_BODY_BYTES else None
    while isinstance(value, dict) and len(layers) < 3:
        layers.append(value)
        value = value.get("data")
    return layers


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
