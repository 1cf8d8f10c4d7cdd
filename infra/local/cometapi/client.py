"""The simulator's controls from another process."""

import json
from pathlib import Path
from typing import Any, Self, Unpack

import urllib3

from infra.local.cometapi.render import RenderOptions
from infra.local.cometapi.request_log import CONTROL, Request
from infra.local.cometapi.script import Step
from infra.local.cometapi.simulator import Expected, Faulty


class RemoteCometApi:
    """What `Simulator` does, done over HTTP to the server that listens at `base_url`."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self.base_url = base_url
        self.api_key = api_key
        self._http = urllib3.PoolManager()

    @classmethod
    def from_ready_file(cls, path: Path) -> Self:
        """Connect to the server that wrote this ready file."""
        ready = json.loads(path.read_text())
        return cls(ready["base_url"], ready["api_key"])

    def create(self, **options: Unpack[RenderOptions]) -> str:
        """Create one task and return its id."""
        return self.create_many(1, **options)[0]

    def create_many(self, count: int, **options: Unpack[RenderOptions]) -> list[str]:
        """Create so many alike tasks and return their ids."""
        answer = self._ask("POST", "tasks", {**options, "count": count})
        return list(answer["task_ids"])

    def fault(
        self, step: Step, *, requests: int | None = None, seconds: float | None = None, on: Faulty = "retrieve"
    ) -> None:
        """Answer every request of an operation alike, until cleared, for so many requests or for so many seconds."""
        self._ask("POST", "faults", {"answer": step, "requests": requests, "seconds": seconds, "on": on})

    def clear(self) -> None:
        """End all faults."""
        self._ask("DELETE", "faults")

    @property
    def requests(self) -> list[Request]:
        """Return all requests so far, oldest first."""
        return [Request(**record) for record in self._ask("GET", "requests")["requests"]]

    @property
    def authorizations(self) -> dict[str, dict[str, int]]:
        """Return how often each Authorization header was seen, by operation; `forget_requests` keeps it."""
        return self._ask("GET", "authorizations")

    def forget_requests(self) -> None:
        """Empty the log."""
        self._ask("DELETE", "requests")

    def configure(self, **settings: str | float) -> None:
        """Change `api_key`, `foreign_key`, `render_seconds` or `latency`."""
        self._ask("PATCH", "settings", settings)

    def video_url(self, task_id: str) -> str:
        """Return a fresh signed URL of a task's video, rendered or not."""
        return str(self._ask("GET", f"tasks/{task_id}")["video_url"])

    def expected(self, task_id: str) -> Expected:
        """Return digest and size of a task's video."""
        answer = self._ask("GET", f"tasks/{task_id}")
        return Expected(sha256=answer["sha256"], size=answer["size"])

    def expected_last_frame(self, task_id: str) -> Expected:
        """Return digest and size of a task's last frame, where it is the PNG."""
        return Expected(**self._ask("GET", f"tasks/{task_id}")["last_frame"])

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        response = self._http.request(method, self.base_url + CONTROL + path, json=body)
        if response.status != 200:
            raise ValueError(f"the simulator refused {method} {path}: {response.data.decode()}")
        return dict(response.json())
