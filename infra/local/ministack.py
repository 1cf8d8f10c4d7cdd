"""MiniStack, an AWS on one loopback port."""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import urllib3

from infra.local.aws import without_aws
from infra.local.faults import LAUNCHER, Faults
from infra.local.loopback import HTTP, free_port
from infra.local.process import Program, ProgramError

ROOT = Path(__file__).parents[2]
START_SECONDS = 120.0
START_ATTEMPTS = 3
FOLDERS = ("TMPDIR", "S3_DATA_DIR", "STATE_DIR")
CORRECTED = Path(__file__).with_name("corrected_ministack.py")
MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - a new folder is made in it
ROOMY_BYTES = 4 << 30


class MiniStack:
    """One MiniStack with its own port and folders; with a seed for `faults`, Lambdas reach it through microburst.

    Unless `corrected`, it is as it comes, with its mistakes.
    """

    def __init__(self, folder: Path, *, faults: int | None = None, corrected: bool = True) -> None:
        self.folder = folder
        self.corrected = corrected
        self.faults: Faults | None = None
        self._fault_seed = faults
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
            if self._fault_seed is not None:
                options = ["--upstream", url, "--host", "127.0.0.1", "--port", str(proxy_port)]
                command: list[str | Path] = [_tool("microburst", "python"), LAUNCHER, str(self._fault_seed), *options]
                self._start("microburst", command, without_aws(dict(os.environ)), f"{proxy}/_microburst/health")
                self.faults = Faults(proxy)
            environment = self._environment(port, proxy if self.faults else None)
            self._start("ministack", self._command(), environment, f"{url}/_ministack/health")
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

    def _command(self) -> list[str | Path]:
        # Without -P the neighbours of the script would be taken for the packages of the same names.
        return [_tool("ministack", "python"), "-P", *([CORRECTED] if self.corrected else ["-m", "ministack"])]

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


def fastest_folder() -> Path | None:
    """Return memory's folder where there is plenty: every Lambda process unpacks 4,000 files; None for the usual."""
    if not MEMORY_FOLDER.is_dir() or shutil.disk_usage(MEMORY_FOLDER).free < ROOMY_BYTES:
        return None
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return MEMORY_FOLDER if free > ROOMY_BYTES else None


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


def _tool(name: str, command: str) -> Path:
    return ROOT / ".tools" / name / "bin" / command
