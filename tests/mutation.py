"""Tests the tests: how many small mistakes in the parser and in the lifecycle do their tables notice?

`make mutate` runs it. mutmut names a module by its path, so it works on a copy in which `shared` lies at the top.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPY = ROOT / ".local" / "mutation"
LEAST_PERCENT = 90


def main() -> int:
    """Mutate, test, show what survived, and return the exit status."""
    _copy()
    run = _mutmut("run")
    if run.returncode:
        sys.stderr.write(run.stdout + run.stderr)
        return run.returncode
    sys.stdout.writelines(_mutmut("show", name).stdout + "\n" for name in _survivors())
    _mutmut("export-cicd-stats")
    counts = json.loads((COPY / "mutants" / "mutmut-cicd-stats.json").read_text())
    killed, mutants = counts["killed"] + counts["timeout"], counts["total"]
    percent = 100 * killed / mutants
    sys.stdout.write(f"{mutants} mutants, {killed} killed, {mutants - killed} survived: {percent:.1f} % killed\n")
    return 0 if percent >= LEAST_PERCENT else 1


def _copy() -> None:
    shutil.rmtree(COPY, ignore_errors=True)
    without_caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "functions" / "shared", COPY / "shared", ignore=without_caches)
    shutil.copytree(ROOT / "tests" / "unit", COPY / "tests" / "unit", ignore=without_caches)
    for name in ("tests/__init__.py", "tests/conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, COPY / name)


def _survivors() -> Iterator[str]:
    for line in _mutmut("results").stdout.splitlines():
        name, colon, _ = line.strip().partition(": ")
        if colon:
            yield name


def _mutmut(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("mutmut")), *arguments]
    return subprocess.run(command, cwd=COPY, text=True, capture_output=True, check=False)  # noqa: S603 - our own command


if __name__ == "__main__":
    sys.exit(main())
