"""The servers that are asked, each a process of its own, so that neither its CPU time nor its share is the client's."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

from tests.benchmarks import certificate
from tests.benchmarks.certificate import Certificate

_STOP_SECONDS = 10.0


class Cloud:
    """A running CometAPI and AWS, on one port, over TLS."""

    def __init__(self, url: str, trusted: Certificate) -> None:
        """Talk to the server at `url`."""
        self.url = url
        self.certificate = trusted
        self._http = urllib3.PoolManager(ca_certs=str(trusted.trusted))

    def environment(self) -> dict[str, str]:
        """Return the variables by which clients find and trust it."""
        return self.certificate.environment() | {"AWS_ENDPOINT_URL": self.url}

    def load(
        self,
        tasks: int,
        *,
        latency: float,
        steady: bool = False,
        done_at: Mapping[str, float] | None = None,
        further: Iterable[Mapping[str, Any]] = (),
    ) -> list[str]:
        """Hold so many tasks that were admitted a minute or two ago and `further` items; returns the tasks' ids.

        What was is forgotten. The tasks are new to the Poller or, if `steady`, were written at various times within
        the last 75 s, so that every fourth is written anew in the round that follows.
        """
        now = int(time.time())
        ids = [f"task_{number:032d}" for number in range(tasks)]
        items = [new_item(task_id, now - 60) for task_id in ids]
        if steady:
            items = [item | reported_item(now - 120, now - 15 - number % 60) for number, item in enumerate(items)]
        items += [dict(item) for item in further]
        self._post("load", {"latency": latency, "items": items, "done_at": dict(done_at or {})})
        return ids

    def report(self) -> dict[str, Any]:
        """Return what happened since the tasks were loaded."""
        return self._post("report", {})

    def _post(self, verb: str, body: object) -> dict[str, Any]:
        answer = self._http.request("POST", f"{self.url}/control/{verb}", body=json.dumps(body), timeout=60)
        return dict(json.loads(answer.data))


def new_item(task_id: str, since: int) -> dict[str, Any]:
    """Return the item of a task that was just admitted, as DynamoDB's protocol has it."""
    return {
        "task_id": {"S": task_id},
        "status": {"S": "SUBMITTED"},
        "progress": {"N": "0"},
        "pending_since": {"N": str(since)},
        "updated_at": {"N": str(since)},
        "s3_key": {"S": f"videos/{task_id}.mp4"},
    }


def reported_item(since: int, updated: int) -> dict[str, Any]:
    """Return what further is in the item of a task that CometAPI has reported on."""
    return {
        "status": {"S": "IN_PROGRESS"},
        "pending_since": {"N": str(since)},
        "reported_at": {"N": str(since + 15)},
        "updated_at": {"N": str(updated)},
        "model": {"S": "doubao-seedance-2-0-fast"},
        "created_at": {"N": "1776567610"},
    }


@contextmanager
def cloud() -> Iterator[Cloud]:
    """Run one for the block, with a certificate made for it."""
    with tempfile.TemporaryDirectory() as folder:
        made = certificate.make(Path(folder))
        command = [sys.executable, "-m", "tests.benchmarks.cloud", str(made.shown), str(made.key)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                url = process.stdout.readline().strip()
                if not url:
                    raise RuntimeError("the server did not start; its last words are above")
                yield Cloud(url, made)
            finally:
                stop(process)


def stop(process: "subprocess.Popen[str]") -> None:
    """End a process, politely at first."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
