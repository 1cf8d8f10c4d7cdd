"""The servers that are asked, each a process of its own so that its CPU time is not the client's."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.cometapi import RemoteCometApi

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0


@contextmanager
def static_server() -> Iterator[str]:
    """Run the static server; its base URL is given to the block."""
    command = [sys.executable, "-m", "tests.benchmarks.static_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base_url = process.stdout.readline().strip()
            if not base_url:
                raise RuntimeError("the static server did not start; its last words are above")
            yield base_url
        finally:
            _stop(process)


@contextmanager
def simulated_comet_api(latency: float) -> Iterator[RemoteCometApi]:
    """Run the simulated CometAPI, which answers after `latency` seconds; its renders outlast any measurement."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.json"
        command = [sys.executable, "-m", "infra.local.cometapi", "--ready-file", str(ready)]
        command += ["--latency", str(latency), "--render-seconds", "86400"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                _wait_for(ready, process)
                yield RemoteCometApi.from_ready_file(ready)
            finally:
                _stop(process)


def _wait_for(ready: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the simulated CometAPI did not start; its last words are above")
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
