"""The provider's side: what becomes of each task, and the HTTP answers that tell of it."""

import json
import struct
from dataclasses import dataclass
from enum import StrEnum, auto
from random import Random
from typing import Any

KEY = "sk-simulatedkey0123456789"
FOREIGN_KEY = "sk-simulatedkeyofanotheraccount"
SECRET = "sk-simulatedkey"
SIGNATURE = "SIGNATURE"
REASON = "The prompt was refused by the content filter."
BASE_URL = "https://api.example.com"

type Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""


class Kind(StrEnum):
    """What becomes of a task."""

    GOOD = auto()
    LATE_URL = auto()
    CONTENT = auto()
    CONTENT_URL = auto()
    UNKNOWN_AT_FIRST = auto()
    FORBIDDEN_AT_FIRST = auto()
    NO_URL = auto()
    FAILED = auto()
    STUCK = auto()
    UNKNOWN = auto()
    NOT_A_VIDEO = auto()
    KEY_TAKEN = auto()
    INVALID = auto()


SUCCEEDING = (
    *(Kind.GOOD, Kind.LATE_URL, Kind.CONTENT, Kind.CONTENT_URL),
    *(Kind.UNKNOWN_AT_FIRST, Kind.FORBIDDEN_AT_FIRST),
)
ENDINGS = {
    Kind.NO_URL: ("COPY_FAILED", "no_video_url"),
    Kind.FAILED: ("FAILED", "content_policy"),
    Kind.STUCK: ("EXPIRED", "deadline"),
    Kind.UNKNOWN: ("NOT_FOUND", "task_not_exist"),
    Kind.NOT_A_VIDEO: ("COPY_FAILED", "copies_exhausted"),
    Kind.KEY_TAKEN: ("COPY_FAILED", "key_taken"),
    Kind.INVALID: ("INVALID", "invalid_item"),
}
"""How a task ends that has no video: status and the error's code."""

_UNKNOWN_SECONDS = 120
_DENIED_SECONDS = 540
"""Two denials far apart, with no report or another key between them, are beyond what the service can tell."""
_FORBIDDEN_SECONDS = 4000
_LATE_URL_SECONDS = 150


@dataclass(slots=True)
class Render:
    """One task at the provider."""

    task_id: str
    kind: Kind
    created: float
    seconds: float
    video: bytes
    host_seconds: float = 0.0
    """How long its host takes for the first bytes of it."""
    urls: int = 0
    denied_at: float = 0.0
    """When CometAPI first denied it to the right key."""

    def may_be_denied(self, now: float) -> bool:
        """Tell whether CometAPI may deny a task that it knows: for minutes on end, and not again later."""
        self.denied_at = self.denied_at or now
        return now - self.denied_at < _DENIED_SECONDS

    def is_ready(self, now: float) -> bool:
        """Tell whether there is a video to be had."""
        if self.kind in {Kind.NO_URL, Kind.FAILED, Kind.STUCK, Kind.UNKNOWN, Kind.INVALID}:
            return False
        return now - self.created >= max(self.seconds, _LATE_URL_SECONDS if self.kind is Kind.LATE_URL else 0)

    def answer(self, now: float, url: str, random: Random) -> Answer:
        """Return status, headers and body of an answer to a question with this account's key."""
        age = now - self.created
        if self.kind is Kind.UNKNOWN or (self.kind is Kind.UNKNOWN_AT_FIRST and age < _UNKNOWN_SECONDS):
            self.denied_at = self.denied_at or now
            return unknown()
        if self.kind is Kind.FORBIDDEN_AT_FIRST and age < _FORBIDDEN_SECONDS:
            return 403, {}, b'{"error": {"message": "This token has no access to this model", "code": "no_access"}}'
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
            said |= {"usage": {"completion_tokens": 108900, "total_tokens": 108900}, "seed": 7}
            said |= self._where(age, url)
        if random.random() < 0.5:
            return json.dumps({"id": self.task_id, **said}).encode()
        return json.dumps({"code": "success", "message": "", "data": {"task_id": self.task_id, **said}}).encode()

    def _where(self, age: float, url: str) -> dict[str, str]:
        match self.kind:
            case Kind.NO_URL | Kind.CONTENT:
                return {}
            case Kind.CONTENT_URL:
                return {"video_url": f"{BASE_URL}/v1/videos/{self.task_id}/content"}
            case Kind.LATE_URL if age <= _LATE_URL_SECONDS:
                return {}
        return {"video_url": url}


def unknown() -> Answer:
    return 400, {}, b'{"code": "task_not_exist", "message": "task_not_exist (request id: 1)", "data": null}'


TROUBLE: tuple[Answer, ...] = (
    (429, {"Retry-After": "20"}, b"{}"),
    (500, {}, b"<html>"),
    (503, {}, b""),
    (200, {}, b"not json"),
    (200, {}, b'{"status": "completed", "id": "another"}'),
    (200, {}, b'{"status": "error", "message": "upstream timeout"}'),
    (200, {}, b'{"status": "expired", "message": "session expired"}'),
    (200, {}, b'{"status": "never heard of it"}'),
    (400, {}, b'{"error": {"code": "odd", "message": "odd"}}'),
    (401, {}, f'{{"error": {{"message": "Invalid token {KEY}"}}}}'.encode()),
    (403, {}, b'{"error": {"message": "quota is not enough"}}'),
)
"""Answers of a bad moment."""

OUTAGES: dict[str, Answer] = {
    "502": (502, {}, b"<html>"),
    "429": (429, {"Retry-After": "30"}, b"{}"),
    "html": (200, {}, b"<html>Maintenance</html>"),
    "401": (401, {}, b'{"error": {"message": "This token is blocked"}}'),
    "403": (403, {}, b'{"error": {"message": "quota is not enough"}}'),
    "another id": (200, {}, b'{"id": "cgt-2026", "status": "failed", "error": "no"}'),
    "no word": (200, {}, b""),
}
"""What a gateway says for hours; what is not here says nothing at all."""


def video(task_id: str, random: Random) -> bytes:
    """Make a small MP4 file that differs from every other one."""
    body = task_id.encode() + random.randbytes(random.choice((1, 20, 60, 150)))
    boxes = [_box(b"moov", b"tracks"), _box(b"mdat", body)]
    random.shuffle(boxes)
    return _box(b"ftyp", b"isommp42") + b"".join(boxes)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content
