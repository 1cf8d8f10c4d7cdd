"""The simulated CometAPI's state, and everything that a test or a demo may do to it."""

import hashlib
import time
from dataclasses import dataclass
from typing import Literal, Unpack

from infra.local.cometapi import answers, video_behaviours
from infra.local.cometapi.footage import sha256
from infra.local.cometapi.last_frames import picture
from infra.local.cometapi.render import DAY, Render, RenderOptions, check_content, check_last_frame, new_render
from infra.local.cometapi.request_log import Request, RequestLog
from infra.local.cometapi.script import Check, Cue, Fault, Step, cue
from infra.local.cometapi.signed_url import Signer

type Faulty = Literal["create", "retrieve", "video", "content", "last_frame"]
_CHECKS: dict[Faulty, Check] = {
    "video": video_behaviours.check,
    "content": check_content,
    "last_frame": check_last_frame,
}


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a faithful copy of a task's video, or of its last frame, looks like."""

    sha256: str
    size: int


class Simulator:
    """Tasks with their scripts, faults for all of them, and the log of what was asked.

    `api_key`, `foreign_key` (of another account, which knows only tasks that are `foreign`; none where it is empty),
    `render_seconds` (of tasks created later) and `latency` (seconds, of the API) may be changed at any time.
    """

    def __init__(self, *, api_key: str = "sk-simulated", render_seconds: float = 3.0, latency: float = 0.0) -> None:
        self.api_key = api_key
        self.foreign_key = ""
        self.render_seconds = render_seconds
        self.latency = latency
        self.base_url = ""
        self.log = RequestLog()
        self.renders: dict[str, Render] = {}
        self._faults: dict[Faulty, Fault] = {}
        self.signer = Signer()

    @property
    def requests(self) -> list[Request]:
        """Return all requests so far, oldest first."""
        return list(self.log.requests)

    def create(self, **options: Unpack[RenderOptions]) -> str:
        """Create a task as `POST /v1/videos` would, with a script where one is given, and return its id."""
        render = new_render(options, render_seconds=self.render_seconds)
        self.renders[render.task_id] = render
        return render.task_id

    @property
    def authorizations(self) -> dict[str, dict[str, int]]:
        """Return how often each Authorization header was seen, by operation; `forget_requests` keeps it."""
        return {operation: dict(seen) for operation, seen in self.log.authorizations.items()}

    def fault(
        self, step: Step, *, requests: int | None = None, seconds: float | None = None, on: Faulty = "retrieve"
    ) -> None:
        """Answer every request of an operation alike, until cleared, for so many requests or for so many seconds."""
        ends_at = None if seconds is None else time.time() + seconds
        self._faults[on] = Fault(cue(step, _CHECKS.get(on, answers.check)), requests, ends_at)

    def clear(self) -> None:
        """End all faults."""
        self._faults.clear()

    def forget_requests(self) -> None:
        """Empty the log."""
        self.log.requests.clear()

    def video_url(self, task_id: str) -> str:
        """Return a fresh signed URL of a task's video, rendered or not."""
        return self.signed_url(f"/files/{task_id}.mp4", self.renders.get(task_id))

    def video_bytes(self, task_id: str) -> bytes:
        """Return a task's whole video; ask `expected` where it is a large one."""
        footage = self.renders[task_id].footage
        return b"".join(footage.chunks(0, footage.size))

    def expected(self, task_id: str) -> Expected:
        """Return digest and size of a task's video."""
        footage = self.renders[task_id].footage
        return Expected(sha256=sha256(footage), size=footage.size)

    def last_frame_url(self, task_id: str) -> str:
        """Return a fresh signed URL of a task's last frame."""
        return self.signed_url(f"/frames/{task_id}", self.renders.get(task_id))

    def content_url(self, task_id: str) -> str:
        """Return the content route of a task."""
        return f"{self.base_url}/v1/videos/{task_id}/content"

    def expected_last_frame(self, task_id: str) -> Expected:
        """Return digest and size of a task's last frame, where it is the PNG."""
        data = picture(task_id)
        return Expected(sha256=hashlib.sha256(data).hexdigest(), size=len(data))

    def next_fault(self, operation: Faulty) -> Cue | None:
        """Return what a fault answers the next request of an operation, or None."""
        fault = self._faults.get(operation)
        return fault.next(time.time()) if fault else None

    def refusal(self, authorization: str | None) -> Cue | None:
        """Return what whoever has no key of ours is answered."""
        keys = [self.api_key, *([self.foreign_key] if self.foreign_key else [])]
        return None if authorization in {f"Bearer {key}" for key in keys} else Cue("unauthorized")

    def render_of(self, task_id: str, authorization: str | None) -> Render | None:
        """Return a task, where the account of this key has it."""
        render = self.renders.get(task_id)
        is_foreign = bool(self.foreign_key) and authorization == f"Bearer {self.foreign_key}"
        return render if render and render.foreign == is_foreign else None

    def signed_url(self, path: str, render: Render | None) -> str:
        """Sign a path of this server for as long as a task's URLs live."""
        lifetime = render.url_lifetime if render else DAY
        return self.base_url + self.signer.sign(path, now=time.time(), lifetime=lifetime)
