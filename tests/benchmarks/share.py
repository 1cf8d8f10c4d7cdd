"""Lambda's share of a core: memory / 1769 MB, held by a cgroup's CFS quota where this machine lets one be made."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

WHOLE_CORE_MEGABYTES = 1769
"""docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""

_PERIOD_MICROSECONDS = 20_000
_NAME = "seedance-poller-benchmark"
_LEAST_MICROSECONDS = 1_000
"""What the kernel allows, in a period."""


def share_of(megabytes: int) -> float:
    """Return the share of one core that a function of so much memory has."""
    return megabytes / WHOLE_CORE_MEGABYTES


@dataclass(frozen=True, slots=True)
class Group:
    """A control group with a quota, in version 1 or 2 of the kernel's interface."""

    folder: Path

    def limit(self, megabytes: int) -> None:
        """Give all its processes together the share of so much memory."""
        quota = max(_LEAST_MICROSECONDS, round(share_of(megabytes) * _PERIOD_MICROSECONDS))
        if (self.folder / "cpu.max").exists():
            (self.folder / "cpu.max").write_text(f"{quota} {_PERIOD_MICROSECONDS}")
            return
        (self.folder / "cpu.cfs_quota_us").write_text("-1")  # else a shorter period may exceed what its parent has
        (self.folder / "cpu.cfs_period_us").write_text(str(_PERIOD_MICROSECONDS))
        (self.folder / "cpu.cfs_quota_us").write_text(str(quota))

    def take(self, pid: int) -> None:
        """Move a process with all its threads in; what it starts later is in, too."""
        (self.folder / "cgroup.procs").write_text(str(pid))


@contextmanager
def group(megabytes: int) -> Iterator[Group | None]:
    """Lend a group with the share of so much memory, empty; None where this machine makes none."""
    parent = _parent()
    if parent is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix=f"{_NAME}-{megabytes}-", dir=parent))
    try:
        made = Group(folder)
        made.limit(megabytes)
        yield made
    finally:
        for pid in (folder / "cgroup.procs").read_text().split():  # nobody is left behind under a quota
            with suppress(OSError):
                (parent / "cgroup.procs").write_text(pid)
        folder.rmdir()


def how() -> str:
    """Say by what means shares are held here."""
    if _parent() is None:
        return (
            "COMPUTED: this machine lets no quota be set, so the times are those of a whole core, and what they hold "
            "of CPU time is divided by the share"
        )
    return f"held by a CFS quota in periods of {_PERIOD_MICROSECONDS // 1000} ms"


def is_held() -> bool:
    """Tell whether this machine holds processes under a share."""
    return _parent() is not None


def stretched(wall: float, cpu: float, megabytes: int) -> float:
    """Return the seconds that a stretch of work takes under a share; computed where the machine holds none."""
    return wall if is_held() else wall - cpu + cpu / share_of(megabytes)


@cache
def _parent() -> Path | None:
    """Return a group of this machine below which ones with a quota can be made."""
    for candidate in (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup/cpu,cpuacct"), Path("/sys/fs/cgroup")):
        trial = candidate / f"{_NAME}-trial-{os.getpid()}"
        try:
            if candidate.name == "cgroup" and "cpu" not in (candidate / "cgroup.subtree_control").read_text().split():
                (candidate / "cgroup.subtree_control").write_text("+cpu")
            trial.mkdir()
            try:
                Group(trial).limit(WHOLE_CORE_MEGABYTES // 2)
            finally:
                trial.rmdir()
        except OSError:
            continue
        return candidate
    return None
