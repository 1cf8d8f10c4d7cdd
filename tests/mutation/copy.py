"""mutmut's work. It names a module by its path, so it has a copy in which the functions lie at the top."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant

from tests.mutation.groups import FUNCTIONS, Group
from tests.template import ROOT

_IS_KILLED = {0: False, 1: True, 3: True, 33: False, -24: True, 24: True, 152: True, -9: True}
"""By mutmut's code: no test failed; one did; pytest did; no test reaches it; the rest never ended."""


CONTROL = "control.py"
"""A module of the copy alone, see tests.mutation.order."""


class MutmutError(Exception):
    """mutmut did not come to its end; its words are the message."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake, and whether a test noticed it; its name, where none did, outlives other changes of its module."""

    file: str
    name: str
    is_killed: bool


def mutate(group: Group, folder: Path, children: int, *, again: bool) -> list[Mutant]:
    """Make every mistake in a group of modules, one after the other, in a copy at `folder`.

    `again` takes the copy that is there, and of those of its mistakes whose function has not changed since only what
    nobody noticed: enough to see what new tests are worth.
    """
    if not again:
        shutil.rmtree(folder, ignore_errors=True)
    _copy(group, folder)
    for file in (*group.files, CONTROL):
        _forget(folder, file)
    _run(folder, children)
    if any(mutant.is_killed for mutant in _mutants(folder, CONTROL)):
        raise MutmutError("The tests fail without any mistake, where one is tried after the other.")
    return [mutant for file in group.files for mutant in _mutants(folder, file)]


def _copy(group: Group, folder: Path) -> None:
    without_caches = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(FUNCTIONS, folder, ignore=without_caches, dirs_exist_ok=True)
    for name in ("tests", "infra", "events"):
        shutil.copytree(ROOT / name, folder / name, ignore=without_caches, dirs_exist_ok=True)
    shutil.copy(ROOT / "template.yaml", folder)
    (folder / CONTROL).write_text("def number():\n    return 1\n")
    ours = {"only_mutate": [*group.files, CONTROL], "pytest_add_cli_args_test_selection": group.tests}
    head = "\n[tool.mutmut]\n"
    settings = head + "".join(f"{name} = {json.dumps(value)}\n" for name, value in ours.items())
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text().replace(head, settings))


def _forget(folder: Path, file: str) -> None:
    """Have mutmut try what nobody noticed, and the control, once more: it lets stand what it knows."""
    results = folder / "mutants" / f"{file}.meta"
    if results.exists():
        known = json.loads(results.read_text())
        codes = known["exit_code_by_key"]
        known["exit_code_by_key"] = {
            name: code if _IS_KILLED.get(code) and file != CONTROL else None for name, code in codes.items()
        }
        results.write_text(json.dumps(known))


def _mutants(folder: Path, file: str) -> Iterator[Mutant]:
    results = folder / "mutants" / f"{file}.meta"
    if not results.exists():  # there is nothing in it to make a mistake in
        return
    for name, code in json.loads(results.read_text())["exit_code_by_key"].items():
        if code not in _IS_KILLED:
            raise MutmutError(f"{name}: its tests did not run ({code})")
        is_killed = _IS_KILLED[code]
        yield Mutant(file, name if is_killed else f"{file} {_change(folder, file, name)}", is_killed)


def _change(folder: Path, file: str, name: str) -> str:
    """Return a mistake as its function and the lines that differ, without their comments for the linter."""
    with chdir(folder):
        diff = get_diff_for_mutant(name, path=file).splitlines()[2:]
    lines = [line.partition("  # noqa")[0] for line in diff]
    before, after = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    function = (
        name.rpartition("__mutmut_")[0].rpartition(".")[2].removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    )
    return f"{function}: {before} → {after}"


def _run(folder: Path, children: int) -> None:
    command = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", str(children)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, check=False)  # noqa: S603 - our own command
    if run.returncode:
        said = (run.stdout + run.stderr).splitlines()
        raise MutmutError("\n".join(line for line in said if not "⠀" <= line[:1] <= "⣿"))  # it draws that it is alive
