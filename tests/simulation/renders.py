"""The provider's side: what becomes of each task, and the HTTP answers that tell of it."""

import json
import struct
from dataclasses import dataclass
from enum import StrEnum, auto
from random import Random
from typing import Any

KEY = "sk-simulatedkey0123456789"
SIGNATURE = "SIGNATURE"
REASON = "The prompt was refused by the content filter."


class Kind(StrEnum):
    """What becomes of a task."""

    GOOD = auto()
    LATE_URL = auto()
    UNKNOWN_AT_FIRST = auto()
    NO_URL = auto()
    FAILED = auto()
    STUCK = auto()
    UNKNOWN = auto()
    NOT_A_VIDEO = auto()
    KEY_TAKEN = auto()
    INVALID = auto()


SUCCEEDING = (Kind.GOOD, Kind.LATE_URL, Kind.UNKNOWN_AT_FIRST)
ENDINGS = {
    Kind.NO_URL: ("COPY_FAILED", "no_video_url"),
    Kind.FAILED: ("FAILED", "content_policy"),
    Kind.STUCK: ("EXPIRED", "deadline"),
    Kind.UNKNOWN: ("NOT_FOUND", "task_not_exist"),
    Kind.NOT_A_VIDEO: ("COPY_FAILED", "handoffs_exhausted"),
    Kind.KEY_TAKEN: ("COPY_FAILED", "key_taken"),
    Kind.INVALID: ("INVALID", "invalid_item"),
}
"""How a task ends that has no video: status and the error's code."""

_UNKNOWN_SECONDS = 30
_LATE_URL_SECONDS = 150


@dataclass(slots=True)
class Render:
    """One task at the provider; it forgets a task it knows twice at the most."""

    task_id: str
    kind: Kind
    created: float
    seconds: float
    video: bytes
    slips: int = 2
    urls: int = 0

    def answer(self, now: float, url: str, random: Random, trouble: float) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of an answer; `trouble` is how often it is none."""
        age = now - self.created
        if self.kind is Kind.UNKNOWN or (self.kind is Kind.UNKNOWN_AT_FIRST and age < _UNKNOWN_SECONDS):
            return _unknown()
        if random.random() < trouble:
            if self.slips and self.kind is not Kind.UNKNOWN_AT_FIRST and random.random() < 0.3:
                self.slips -= 1
                return _unknown()
            return random.choice(_TROUBLE)
        return 200, {}, self._report(age, url, random)

    def _report(self, age: float, url: str, random: Random) -> bytes:
        said: dict[str, Any] = {"model": "doubao-seedance-2-0", "created_at": int(self.created), "progress": 0}
        if age < self.seconds or self.kind is Kind.STUCK:
            # Gateways behind one name do not agree: one is a little behind, one still says "queued".
            percent = int(99 * min(1.0, age / self.seconds)) - random.choice((0, 0, 7))
            said |= {"status": random.choice(("in_progress", "in_progress", "queued")), "progress": max(0, percent)}
        elif self.kind is Kind.FAILED:
            error = {"code": "content_policy", "message": f"{REASON} https://x.example/i.png?sig={SIGNATURE} {KEY}"}
            said |= {"status": "failed", "error": error}
        else:
            said |= {"status": "completed", "progress": 100, "completed_at": int(self.created + self.seconds)}
            if self.kind is not Kind.NO_URL and (self.kind is not Kind.LATE_URL or age > _LATE_URL_SECONDS):
                said["video_url"] = url
        if random.random() < 0.5:
            return json.dumps({"id": self.task_id, **said}).encode()
        return json.dumps({"code": "success", "message": "", "data": {"task_id": self.task_id, **said}}).encode()


def _unknown() -> tuple[int, dict[str, str], bytes]:
    return 400, {}, b'{"code": "task_not_exist", "message": "task_not_exist (request id: 1)", "data": null}'


_TROUBLE: tuple[tuple[int, dict[str, str], bytes], ...] = (
    (429, {"Retry-After": "20"}, b"{}"),
    (500, {}, b"<html>"),
    (503, {}, b""),
    (200, {}, b"not json"),
    (200, {}, b'{"status": "completed", "id": "another"}'),
    (200, {}, b'{"status": "never heard of it"}'),
    (400, {}, b'{"error": {"code": "odd", "message": "odd"}}'),
    (401, {}, f'{{"error": {{"message": "Invalid token {KEY}"}}}}'.encode()),
)


def video(task_id: str, random: Random) -> bytes:
    """Make a small MP4 file that differs from every other one."""
    body = task_id.encode() + random.randbytes(random.choice((1, 20, 60, 150)))
    boxes = [_box(b"moov", b"tracks"), _box(b"mdat", body)]
    random.shuffle(boxes)
    return _box(b"ftyp", b"isommp42") + b"".join(boxes)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content
