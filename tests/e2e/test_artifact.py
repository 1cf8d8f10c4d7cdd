"""What `sam build` makes of the functions: it has to start fast on Lambda's read-only disk."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra.local import sam
from infra.local.aws import without_aws
from tests.template import FUNCTIONS, ROOT

UNCHECKED_HASH = 0b01
# Imports a handler and prints every file that Python had to compile for it.
COMPILED = """
import importlib, sys
def note(event, arguments):
    if event == "compile" and str(arguments[1]).startswith(sys.path[0]): print(arguments[1])
sys.addaudithook(note)
importlib.import_module(sys.argv[1])
"""


# Prints what sam takes its options for.
PARSED = """
import json, sys
from samcli.cli.types import CfnParameterOverridesType
print(json.dumps(CfnParameterOverridesType().convert(sys.argv[2:], None, None)))
"""


@pytest.fixture(scope="module")
def build() -> Path:
    return sam.build().parent


@pytest.fixture(params=FUNCTIONS)
def artifact(build: Path, request: pytest.FixtureRequest) -> Path:
    return build / str(request.param)


def test_every_module_has_bytecode_that_is_valid_wherever_it_is_unpacked(artifact: Path) -> None:
    modules = [*artifact.rglob("*.py")]
    assert len(modules) > 100
    for module in modules:
        magic, flags, source_hash = header(Path(importlib.util.cache_from_source(module)))
        assert (magic, flags) == (importlib.util.MAGIC_NUMBER, UNCHECKED_HASH), module
        assert source_hash == importlib.util.source_hash(module.read_bytes()), module


def header(bytecode: Path) -> tuple[bytes, int, bytes]:
    content = bytecode.read_bytes()
    return content[:4], int.from_bytes(content[4:8], "little"), content[8:16]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_is_compiled_when_a_handler_starts_from_the_zip(build: Path, tmp_path: Path, function: str) -> None:
    archive = shutil.make_archive(str(tmp_path / "function"), "zip", build / function)
    task = tmp_path / "task"
    zipfile.ZipFile(archive).extractall(task)  # files are as old as their unpacking, as on Lambda
    command = [sys.executable, "-B", "-c", COMPILED, FUNCTIONS[function]["Handler"].rpartition(".")[0]]
    environment = without_aws({"PYTHONPATH": str(task), "POWERTOOLS_METRICS_NAMESPACE": "SeedancePoller"})
    # The first entry of the path would otherwise be the folder where the command is run.
    environment |= {"PYTHONSAFEPATH": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == []


def test_nothing_depends_on_the_machine_that_built_it(artifact: Path) -> None:
    assert [*artifact.rglob("*.so"), *artifact.rglob("*.pyd")] == []
    assert not (artifact / "bin").exists()


def test_all_functions_share_one_zip(build: Path) -> None:
    first, *others = (contents(build / function) for function in FUNCTIONS)
    assert all(other == first for other in others)


def contents(folder: Path) -> dict[Path, bytes]:
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_build_sees_nothing_but_the_folder_of_the_functions(build: Path, tmp_path: Path) -> None:
    """`sam build --use-container` mounts this folder alone."""
    folder, artifacts = tmp_path / "source", tmp_path / "artifacts"
    shutil.copytree(ROOT / "functions", folder, ignore=shutil.ignore_patterns("__pycache__"))
    artifacts.mkdir()
    command: list[str | Path] = ["make", "--silent", "--makefile", folder / "Makefile", "build-IntakeFunction"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "ARTIFACTS_DIR": str(artifacts)}
    subprocess.run(command, cwd=folder, env=environment, check=True)
    assert contents(artifacts) == contents(build / "IntakeFunction")


def test_any_value_of_a_parameter_reaches_sam() -> None:
    """One that is emptied again, too: sam keeps what a stack had before."""
    values = {
        "AlarmEmail": "",
        "KmsKeyArn": "arn:aws:kms:x=y",
        "Name": "two words",
        "Quotes": """'a "b" c'""",
        "N": "9",
    }
    python = sam.SAM.with_name("python")
    said = subprocess.run([python, "-c", PARSED, *sam.overrides(values)], capture_output=True, check=True).stdout
    assert json.loads(said) == values
    assert sam.overrides({}) == []
