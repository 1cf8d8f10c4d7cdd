"""Answers that are JSON objects: the bodies, filled in for one task."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from infra.local.cometapi.answer_bodies import BODIES, REFUSALS, Slot
from infra.local.cometapi.reply import Reply, whole


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What an answer knows of the task that it is about."""

    task_id: str
    video_url: str
    content_url: str
    last_frame_url: str
    model: str = "doubao-seedance-2-0-fast"
    created_at: int = 1_776_567_610
    completed_at: int = 1_776_567_690
    code: str = "video_generation_failed"
    reason: str = "upstream returned error"
    request_id: str = "20260419000000000000000simulated"


def json_answer(name: str, subject: Subject, parameters: Mapping[str, object] | None = None) -> Reply:
    """Build an answer of `BODIES` or `REFUSALS`; parameters fill slots (`reason`) or replace fields (`status`)."""
    fields = dict(parameters or {})
    slots = {slot: fields.pop(slot.value, getattr(subject, slot.value)) for slot in Slot}
    status, body = (200, BODIES[name]) if name in BODIES else REFUSALS[name]
    filled = _override(_fill(body, slots), fields)
    # What UTF-8 lacks goes out as its escape.
    return whole(json.dumps(filled, ensure_ascii=False).encode(errors="backslashreplace"), status=status)


def _fill(value: object, slots: Mapping[Slot, object]) -> object:
    if isinstance(value, Slot):
        return slots[value]
    if isinstance(value, Mapping):
        return {key: _fill(item, slots) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, slots) for item in value]
    if isinstance(value, str):
        return value.replace("{request_id}", str(slots[Slot.REQUEST_ID]))
    return value


def _override(body: object, fields: dict[str, object]) -> object:
    if not isinstance(body, dict):
        return body
    if isinstance(body.get("data"), dict):
        return body | {"data": body["data"] | fields}
    return body | fields
