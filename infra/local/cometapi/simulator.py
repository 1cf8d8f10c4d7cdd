"""The simulated CometAPI's state, and everything that a test or a demo may do to it."""

import time
from dataclasses import dataclass
from typing import Literal, Unpack

from infra.local.cometapi import answers, video_behaviours
from infra.local.cometapi.footage import sha256
from infra.local.cometapi.render import DAY, Render, RenderOptions, new_render
from infra.local.cometapi.request_log import Request, RequestLog
from infra.local.cometapi.script import Cue, Fault, Step, cue
from infra.local.cometapi.signed_url import Signer

type Faulty = Literal["create", "retrieve", "video"]


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a faithful copy of a task's video looks like."""

    sha256: str
    size: int


class Simulator:
    """Tasks with their scripts, faults for all of them, and the log of what was asked.

    `api_key`, `render_seconds` (of tasks created later) and `latency` (seconds, of the API) may be changed at any time.
    """

    def __init__(self, *, api_key: str = "sk-simulated", render_seconds: float = 3.0, latency: float = 0.0) -> None:
        self.api_key = api_key
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

    def fault(self, step: Step, *, requests: int | None = None, on: Faulty = "retrieve") -> None:
        """Answer every request of an operation alike, until cleared or for so many requests."""
        check = video_behaviours.check if on == "video" else answers.check
        self._faults[on] = Fault(cue(step, check), requests)

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

    def next_fault(self, operation: Faulty) -> Cue | None:
        """Return what a fault answers the next request of an operation, or None."""
        fault = self._faults.get(operation)
        return fault.next() if fault else None

    def signed_url(self, path: str, render: Render | None) -> str:
        """Sign a path of this server for as long as a task's URLs live."""
        lifetime = render.url_lifetime if render else DAY
        return self.base_url + self.signer.sign(path, now=time.time(), lifetime=lifetime)
