"""Every function is killed in every kind of call that it makes to AWS, and the Copier while a video flows."""

import os
import signal
import subprocess
from collections import Counter
from contextlib import suppress
from typing import Any, Self

from copier.parts import PART_BYTES
from tests.e2e.proxy import ANNOUNCER, COMPLETION, COPIER, INTAKE, POLLER, by
from tests.e2e.storm import LARGE_BYTES
from tests.e2e.trial import Trial

SMALL, LARGE = 20, 3
"""Videos; the large ones are uploaded in parts."""
PATIENCE_SECONDS = 400
LEASE_SECONDS = 4
HOLD_MILLISECONDS = 5000
"""So long a call is held, while its caller is killed."""


def writing(attribute: str) -> dict[str, Any]:
    """Return what lets a rule match only writes of an item that name this attribute."""
    return {"operation": "UpdateItem", "body": f"contains(values(ExpressionAttributeNames), '{attribute}')"}


READS: dict[str, dict[str, Any]] = {
    "Poller reads the key": {**by(POLLER), "operation": "GetParameter"},
    "Poller scans the index": {**by(POLLER), "operation": "Scan"},
    "Copier reads the item": {**by(COPIER), "operation": "GetItem"},
    "Copier looks for the object": {**by(COPIER), "operation": "HeadObject"},
}
WRITES: dict[str, dict[str, Any]] = {
    "Intake writes the item": {**by(INTAKE), "operation": "UpdateItem"},
    "Poller plans rounds": {**by(POLLER), "operation": "SendMessageBatch"},
    "Poller sends a copy": {**by(POLLER), "operation": "SendMessage"},
    "Poller writes the lease": {
        **by(POLLER),
        "operation": "UpdateItem",
        "body": "contains(to_string(ExpressionAttributeValues), 'COPYING')",
    },
    "Poller writes the item": {**by(POLLER), "operation": "UpdateItem"},
    "Copier takes the lease": {**by(COPIER), **writing("copy_attempts")},
    "Copier puts the object": {**by(COPIER, **{"If-None-Match": "*"}), "operation": "PutObject"},
    "Copier begins an upload": by(COPIER, **{"x-amz-checksum-algorithm": ""}),
    "Copier uploads a part": by(COPIER, **{"Content-Length": str(PART_BYTES)}),
    "Copier completes an upload": by(COPIER, **COMPLETION),
    "Copier aborts an upload": {**by(COPIER), "operation": "DeleteObject"},
    "Copier closes the task": {**by(COPIER), **writing("s3_uri")},
    "Copier gives the lease back": {**by(COPIER), "operation": "UpdateItem"},
    "Announcer publishes": {**by(ANNOUNCER), "operation": "Publish"},
}
RECEIVING = "Copier receives a video"
# Otherwise no upload would be aborted. Each is tried four times, or killed before.
FAILURES: dict[str, Any] = {
    **by(COPIER, **COMPLETION),
    "times": 24,
    "error": {"code": "InternalError", "status": 500},
}


def traps() -> dict[str, dict[str, Any]]:
    """Return rules that hold one call each: one that never gets to AWS, and of a write one that does all the same."""
    lost = {f"{name}, in vain": {**rule, "timeout_ms": HOLD_MILLISECONDS} for name, rule in (READS | WRITES).items()}
    late = {f"{name}, posthumously": {**rule, "latency": HOLD_MILLISECONDS} for name, rule in WRITES.items()}
    return {name: {**rule, "times": 1} for name, rule in (lost | late).items()}


class Hunt:
    """Kills all processes of a function as soon as one walks into a trap; `kills` counts them by function."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.kills: Counter[str] = Counter()
        self._stalled = ""

    def run(self) -> Self:
        """Set the traps and follow all tasks to their ends."""
        self.trial.proxy.set({**traps(), "S3 cannot complete an upload": FAILURES})
        for number in range(SMALL):
            self.trial.put(render_seconds=1 + number)
        # After the small ones have set off most traps: each kills all Copiers, and a hand-off of all that they hold.
        for number in range(LARGE):
            self.trial.put(render_seconds=SMALL + number, size=LARGE_BYTES)
        self._stalled = self.trial.put(render_seconds=1, video=["stall", "fine"])
        self.trial.run(PATIENCE_SECONDS, LEASE_SECONDS, meanwhile=self._strike)
        self.trial.proxy.set({})
        return self

    def _strike(self, fired: Counter[str]) -> None:
        if not self.trial.fired[RECEIVING] and self._is_receiving():
            self.trial.fired[RECEIVING] += 1
            self._kill(COPIER)
        for function in {rule["headers"]["User-Agent"] for name, rule in traps().items() if fired[name]}:
            self._kill(function.removeprefix("app/"))

    def _is_receiving(self) -> bool:
        requests = self.trial.stack.cometapi.requests
        return any(request.operation == "video" and request.task_id == self._stalled for request in requests)

    def _kill(self, function: str) -> None:
        stack = self.trial.stack
        marks = (str(stack.folder), f"ministack-lambda-{stack.outputs[function]}-")
        processes = ["/bin/ps", "-Aww", "-o", "pid=,args="]
        listing = subprocess.run(processes, check=True, capture_output=True, text=True).stdout
        for process in [line for line in listing.splitlines() if all(mark in line for mark in marks)]:
            with suppress(ProcessLookupError):  # it has ended since it was listed
                os.kill(int(process.split()[0]), signal.SIGKILL)
                self.kills[function] += 1
        if function == POLLER:
            stack.tick()
