"""MiniStack, an AWS on one loopback port, and microburst, a proxy that makes it fail on request."""

import os
import shutil
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import urllib3

from infra.local.aws import without_aws
from infra.local.process import Program, ProgramError

ROOT = Path(__file__).parents[2]
START_SECONDS = 30.0
START_ATTEMPTS = 3
FOLDERS = ("TMPDIR", "S3_DATA_DIR", "STATE_DIR")
MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - a new folder is made in it
ROOMY_BYTES = 4 << 30
JSON = dict[str, Any]

# Loopback only: no proxy, no retry, no wait longer than a healthy server needs.
HTTP = urllib3.PoolManager(timeout=5.0, retries=False)


class MiniStack:
    """One MiniStack with its own port and folders; with `faults`, every Lambda's AWS calls go through microburst."""

    def __init__(self, folder: Path, *, faults: bool = False) -> None:
        self.folder = folder
        self.faults: Faults | None = None
        self._wants_faults = faults
        self.url = ""
        self.programs: list[Program] = []

    def start(self) -> None:
        """Start it and wait until it answers; ProgramError where it does not within START_SECONDS."""
        for name in FOLDERS:
            (self.folder / name.lower()).mkdir(parents=True, exist_ok=True)
        self.url = self._start_once_more(START_ATTEMPTS)

    def stop(self) -> None:
        """Stop everything that `start` started, the Lambdas' processes included."""
        for program in reversed(self.programs):
            program.stop()

    def _start_once_more(self, attempts: int) -> str:
        # A port found free may be taken a moment later by a neighbour who looks for one too.
        port, proxy_port = free_port(), free_port()
        url, proxy = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{proxy_port}"
        try:
            if self._wants_faults:
                options = ["--upstream", url, "--host", "127.0.0.1", "--port", str(proxy_port)]
                environment = without_aws(dict(os.environ))
                self._start("microburst", [_tool("microburst"), *options], environment, f"{proxy}/_microburst/health")
                self.faults = Faults(proxy)
            environment = self._environment(port, proxy if self._wants_faults else None)
            self._start("ministack", [_tool("ministack")], environment, f"{url}/_ministack/health")
        except ProgramError:
            self.stop()
            self.programs.clear()
            if attempts == 1:
                raise
            return self._start_once_more(attempts - 1)
        return url

    def _start(self, name: str, command: Sequence[str | Path], env: dict[str, str], health: str) -> None:
        program = Program.start(name, command, env, self.folder)
        self.programs.append(program)
        wait_until(lambda: _answers(health), program)

    def _environment(self, port: int, lambda_endpoint: str | None) -> dict[str, str]:
        return (
            without_aws(dict(os.environ))
            | {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "MINISTACK_REGION": "us-east-1"}
            | {name: str(self.folder / name.lower()) for name in FOLDERS}
            | {"SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0", "LAMBDA_EXECUTOR": "local"}
            # When it starts, MiniStack removes the containers of every other MiniStack on the machine.
            | {"DOCKER_HOST": f"unix://{self.folder}/no-docker.sock"}
            | ({"AWS_ENDPOINT_URL": lambda_endpoint} if lambda_endpoint else {})
        )


class Faults:
    """The control side of microburst: which AWS calls of the Lambdas fail, and which did."""

    def __init__(self, url: str) -> None:
        self.url = url

    def set(self, rules: Sequence[JSON]) -> None:
        """Replace all rules; each is written as microburst's documentation says."""
        _ask("POST", f"{self.url}/_microburst/rules", list(rules))

    def clear(self) -> None:
        """Let every call through again and forget what fired."""
        self.set([])
        _ask("DELETE", f"{self.url}/_microburst/fired")

    def fired(self) -> list[JSON]:
        """Return the faults that were injected, in microburst's words."""
        return cast("list[JSON]", _ask("GET", f"{self.url}/_microburst/fired"))


def fastest_folder() -> Path | None:
    """Return memory's folder where there is plenty: every Lambda process unpacks 4,000 files; None for the usual."""
    if not MEMORY_FOLDER.is_dir() or shutil.disk_usage(MEMORY_FOLDER).free < ROOMY_BYTES:
        return None
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return MEMORY_FOLDER if free > ROOMY_BYTES else None


def free_port() -> int:
    """Return a loopback port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until(ready: Callable[[], bool], program: Program, seconds: float = START_SECONDS) -> None:
    """Wait until `ready`; ProgramError where `program` ends before or `seconds` pass."""
    deadline = time.monotonic() + seconds
    # In this order: what answers on a port that the program could not get is another's.
    while not (ready() and program.running):
        if not program.running or time.monotonic() > deadline:
            raise ProgramError(f"{program.name} did not start:\n{program.last_words()}")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        return HTTP.request("GET", url).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _ask(method: str, url: str, body: list[JSON] | None = None) -> object:
    answer = HTTP.request(method, url, json=body) if body is not None else HTTP.request(method, url)
    if answer.status >= 400:
        raise ProgramError(f"microburst refused {method} {url}: {answer.data.decode(errors='replace')}")
    return answer.json() if answer.data else None


def _tool(name: str) -> Path:
    return ROOT / ".tools" / name / "bin" / name
