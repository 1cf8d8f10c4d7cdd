"""Programs that run beside this one, each with its own process group, so that stopping one stops its children too."""

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

STOP_SECONDS = 2.0


class ProgramError(Exception):
    """A program that the local stack needs did not start or did not succeed; the message ends with its last words."""


@dataclass(frozen=True)
class Program:
    """A started program; it holds a lock on the file `lock` for as long as it lives."""

    name: str
    pid: int
    folder: str

    @property
    def log(self) -> Path:
        """Where everything that it prints goes."""
        return Path(self.folder) / f"{self.name}.log"

    @property
    def running(self) -> bool:
        """Whether it still lives. The lock says so even where its number now belongs to another program."""
        try:
            with self._lock.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    @property
    def _lock(self) -> Path:
        return Path(self.folder) / f"{self.name}.lock"

    @classmethod
    def start(cls, name: str, command: Sequence[str | Path], env: Mapping[str, str], folder: Path) -> "Program":
        """Start `command`, logging to `folder`, without waiting for it to be ready."""
        with (folder / f"{name}.lock").open("w") as lock, (folder / f"{name}.log").open("ab") as log:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            pid = _spawn(command, env, log, held=lock)
        return cls(name, pid, str(folder))

    def stop(self) -> None:
        """Stop it and all its children: politely at first, by force after STOP_SECONDS."""
        if self.running:
            self._signal(signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            while self.running and time.monotonic() < deadline:
                time.sleep(0.05)
            self._signal(signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def to_json(self) -> dict[str, str | int]:
        """Return what `Program(**…)` takes to make this again."""
        return asdict(self)

    def last_words(self, lines: int = 20) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def run(command: Sequence[str | Path], env: Mapping[str, str], cwd: Path, log: Path) -> None:
    """Run `command` to its end, appending what it prints to `log`; ProgramError where it fails."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        try:
            code = process.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    if code:
        words = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        raise ProgramError(f"`{' '.join(map(str, command[:2]))}` ended with status {code}:\n{words}")


@contextlib.contextmanager
def orderly_exit() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit, so that `with` blocks end what they began."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    signals = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, leave) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C, SIGTERM and SIGHUP, so that an impatient second one cannot leave programs behind."""
    held = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, held)


def _spawn(command: Sequence[str | Path], env: Mapping[str, str], log: IO[bytes], held: IO[str]) -> int:
    process = subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=[held.fileno()],
    )
    return process.pid
