"""How soon a function can work, from what `sam build` makes and from the same requirements built plainly."""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree, ignore_patterns, make_archive

from infra.local import sam
from infra.local.ministack import ROOT
from tests.benchmarks.functions import environment, memory_of
from tests.benchmarks.report import Finding, Goal, Row
from tests.benchmarks.servers import cloud

PLAIN, BUILT = "built plainly", "as built"
REPETITIONS = 5
_FUNCTIONS = ("Poller", "Copier", "Intake", "Announcer")
_HOW = (
    f"{REPETITIONS} fresh processes each, in turns, without writable bytecode, as on Lambda's disk: from the start of "
    "Python until the handler is imported, its clients and TLS contexts are made and, for the Poller, the key is read "
    "over TLS. Lambda does this at full speed, whatever the function's memory. Plainly: pip's files and the sources, "
    "no bytecode, as SAM's own Python build makes them."
)

type Measured = dict[str, list[float]]


def run() -> dict[str, Finding]:
    """Build both, start each function from both, and weigh both."""
    with _artifacts() as artifacts:
        cpu, memory = _start_all(artifacts)
        zipped = {name: [_zipped_megabytes(folder)] for name, folder in artifacts.items()}
    return {
        "cold_start": _finding("CPU until a function can run", "ms", cpu, 0.5),
        "cold_start_memory": _finding("Memory of a function that can run", "MiB", memory, None),
        "zip_size": _finding("Size of the zip", "MB", zipped, 0.5),
    }


@contextmanager
def _artifacts() -> Iterator[dict[str, Path]]:
    built = sam.build().parent / "PollerFunction"
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        subprocess.run([*pip, "--target", plain, "-r", ROOT / "requirements.txt"], check=True, stderr=subprocess.PIPE)
        for package in sorted((ROOT / "functions").glob("*/__init__.py")):
            copytree(package.parent, plain / package.parent.name, ignore=ignore_patterns("__pycache__"))
        yield {PLAIN: plain, BUILT: built}


def _start_all(artifacts: dict[str, Path]) -> tuple[Measured, Measured]:
    cpu: Measured = {}
    memory: Measured = {}
    with cloud() as servers:
        for _ in range(REPETITIONS):
            for function in _FUNCTIONS:
                for name, folder in artifacts.items():
                    settings = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
                    with environment(function, servers, memory_of(function), settings) as process:
                        cpu.setdefault(f"{function}, {name}", []).append(process.init.cpu * 1000)
                        memory.setdefault(f"{function}, {name}", []).append(process.init.megabytes)
    return cpu, memory


def _zipped_megabytes(artifact: Path) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return Path(make_archive(f"{folder}/function", "zip", artifact)).stat().st_size / 1e6


def _finding(question: str, unit: str, measured: Measured, at_most: float | None) -> Finding:
    medians = {name: statistics.median(values) for name, values in measured.items()}
    plain = {name: medians[name.replace(BUILT, PLAIN)] for name in medians}
    rows = [
        Row(name, medians[name], min(values), max(values), medians[name] / plain[name])
        for name, values in measured.items()
    ]
    goals = [
        Goal(f"{name} / {name.replace(BUILT, PLAIN)}", medians[name] / plain[name], at_most=at_most)
        for name in medians
        if BUILT in name and at_most
    ]
    return Finding(question, unit, f"the same, {PLAIN}", _HOW, rows, goals)
