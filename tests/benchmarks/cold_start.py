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
from infra.local.aws import without_aws
from infra.local.ministack import ROOT
from tests.benchmarks.report import Finding, Goal, Row

PLAIN, BUILT = "built plainly", "as built"
REPETITIONS = 9
_FUNCTIONS = {"Poller": "poller.handler", "Intake": "intake.handler", "Copier": "copier.handler"}
_CLIENTS = {"Poller": ("dynamodb", "lambda", "ssm"), "Intake": ("dynamodb",), "Copier": ("dynamodb", "s3")}
# Linux keeps ru_maxrss across exec, so that it would be this process's.
_READY = """
import importlib, pathlib, resource, sys, boto3
from shared.aws import CLIENT_CONFIG
importlib.import_module(sys.argv[1])
for service in sys.argv[2:]: boto3.client(service, config=CLIENT_CONFIG)
used = resource.getrusage(resource.RUSAGE_SELF)
status = pathlib.Path("/proc/self/status").read_text()
print((used.ru_utime + used.ru_stime) * 1000, int(status.partition("VmHWM:")[2].split()[0]) / 1024)
"""
_HOW = (
    f"{REPETITIONS} fresh processes each, in turns, without writable bytecode, as on Lambda's disk: from the start of "
    "Python until the handler is imported and its clients are made. Plainly: pip's files and the sources, no "
    "bytecode, as "
    "SAM's own Python build makes them."
)

type Measured = dict[str, list[float]]


def run() -> dict[str, Finding]:
    """Build both, start each function from both, and weigh both."""
    with _artifacts() as artifacts:
        cpu, memory = _start_all(artifacts)
        zipped = {name: [_zipped_megabytes(folder)] for name, folder in artifacts.items()}
    return {
        "cold_start": _finding("CPU until a function can run", "ms", cpu, 0.5),
        "cold_start_memory": _finding("Peak memory of a function that can run", "MB", memory, None),
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
    for _ in range(REPETITIONS):
        for function, module in _FUNCTIONS.items():
            for name, folder in artifacts.items():
                used = _start(folder, module, _CLIENTS[function])
                cpu.setdefault(f"{function}, {name}", []).append(used[0])
                memory.setdefault(f"{function}, {name}", []).append(used[1])
    return cpu, memory


def _start(artifact: Path, module: str, services: tuple[str, ...]) -> tuple[float, float]:
    environment = without_aws({"PYTHONPATH": str(artifact), "POWERTOOLS_METRICS_NAMESPACE": "SeedancePoller"})
    command = [sys.executable, "-B", "-P", "-c", _READY, module, *services]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    cpu, memory = run.stdout.split()
    return float(cpu), float(memory)


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
