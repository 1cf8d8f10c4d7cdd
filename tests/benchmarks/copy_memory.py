"""Memory of a copy: how far a process grows beyond what it held before, for a video of 1 GiB."""

import resource
import statistics
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks import certificate
from tests.benchmarks.certificate import Certificate
from tests.benchmarks.copy_contenders import BOTO3, OURS, RCLONE, SMART_OPEN
from tests.benchmarks.copy_origin import origin, write_video
from tests.benchmarks.copy_servers import BUCKET, rclone_daemon, s3_server, temporary_folder, versions
from tests.benchmarks.copying import copying_process
from tests.benchmarks.functions import memory_of
from tests.benchmarks.report import Finding, Goal, Row

SIZE = 1 << 30
REPETITIONS = 1
LAMBDA_MIB = memory_of("Copier")

_KEY = "copied.mp4"

_HOW = (
    "The most that the copying process holds in memory (VmHWM) while it copies a video of 1 GiB over TLS on "
    "loopback, less what it held before (VmRSS), which is all imports and clients, of the Copier its handler's too. "
    "{repetitions} repetitions, each by a fresh process; the servers are other processes. The Copier runs with a data "
    "segment that the kernel limits to {limit} MiB. {versions}."
)


class Watched:
    """Another process, whose memory is watched from now on; sizes in MiB."""

    def __init__(self, pid: int) -> None:
        self._proc = Path(f"/proc/{pid}")
        (self._proc / "clear_refs").write_text("5")  # forgets the highest so far
        self.before = self._mib("VmRSS")
        self.peak = self.before

    def look(self) -> None:
        """Note the most that the process has held."""
        self.peak = self._mib("VmHWM")

    def _mib(self, name: str) -> float:
        lines = (self._proc / "status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def run() -> Finding:
    """Measure all contenders in turns."""
    growth: dict[str, list[float]] = {name: [] for name in (OURS, BOTO3, SMART_OPEN, RCLONE)}
    whole = []
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        tls = certificate.make(folder)
        s3 = stack.enter_context(s3_server(tls))
        servers = stack.enter_context(origin(folder, tls))
        write_video(folder, SIZE)
        url, s3_url = f"{servers.unthrottled}/{SIZE}.mp4", s3.meta.endpoint_url
        for _ in range(REPETITIONS):
            for name, grown in growth.items():
                watched = _rclone(s3_url, tls, url) if name == RCLONE else _python(name, s3_url, tls, url)
                if s3.head_object(Bucket=BUCKET, Key=_KEY)["ContentLength"] != SIZE:
                    raise ValueError(f"{name} stored another size")
                s3.delete_object(Bucket=BUCKET, Key=_KEY)
                grown.append(watched.peak - watched.before)
                if name == OURS:
                    whole.append(watched.peak)
    return _finding(growth, whole)


def _finding(growth: dict[str, list[float]], whole: list[float]) -> Finding:
    medians = {name: statistics.median(values) for name, values in growth.items()}
    rows = [
        Row(name, medians[name], min(values), max(values), medians[name] / medians[OURS])
        for name, values in growth.items()
    ]
    goals = [
        Goal(f"MiB that {OURS} needs", max(growth[OURS]), at_most=64),
        Goal("MiB of its whole process", max(whole), at_most=LAMBDA_MIB),
    ]
    how = _HOW.format(repetitions=REPETITIONS, limit=LAMBDA_MIB, versions=versions())
    return Finding("Memory of a copy of 1 GiB", "MiB", OURS, how, rows, goals)


def _python(name: str, s3_url: str, tls: Certificate, url: str) -> Watched:
    with copying_process(s3_url, tls, None) as copying:
        if name == OURS:
            resource.prlimit(copying.process.pid, resource.RLIMIT_DATA, (LAMBDA_MIB << 20, LAMBDA_MIB << 20))
        watched = Watched(copying.process.pid)
        copying.copy(name, url, _KEY)
        watched.look()
        return watched


def _rclone(s3_url: str, tls: Certificate, url: str) -> Watched:
    with rclone_daemon(s3_url, tls.trusted) as daemon:
        watched = Watched(daemon.pid)
        daemon.copy_url(url, _KEY)
        watched.look()
        return watched
