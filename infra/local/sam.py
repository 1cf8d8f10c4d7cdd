"""The real `sam build` and `sam deploy`, pointed at the local AWS."""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.local.aws import QUICK_SAM, without_aws
from infra.local.ministack import ROOT
from infra.local.process import run

SAM = ROOT / ".tools" / "sam" / "bin" / "sam"
BUILDS = ROOT / ".local" / "builds"
BUILDS_KEPT = 4
# A build this young may be being deployed.
SECONDS_IN_USE = 600


@dataclass(frozen=True)
class Project:
    """A SAM project: its folder, the environment of its samconfig.toml, and what goes into its build."""

    folder: Path
    environment: str
    sources: tuple[str, ...]

    def files(self) -> Iterable[Path]:
        """Return every file that the build depends on."""
        found = {file for pattern in self.sources for file in self.folder.glob(pattern)}
        return sorted(file for file in found if file.is_file() and file.suffix != ".pyc")

    @property
    def settings(self) -> list[str | Path]:
        """The options that make sam use the environment."""
        return ["--config-env", self.environment, "--config-file", self.folder / "samconfig.toml"]


SERVICE = Project(
    ROOT, "local", ("template.yaml", "samconfig.toml", "requirements.txt", "infra/*.yaml", "functions/**/*")
)
CONSUMER = Project(ROOT / "infra" / "examples" / "consumer", "default", ("*", "src/**/*"))


def build(project: Project = SERVICE) -> Path:
    """Return the built template of `project`, building it unless these very sources were built before.

    Runs side by side wait for each other here and then share one build. ProgramError where the build fails.
    """
    BUILDS.mkdir(parents=True, exist_ok=True)
    with (BUILDS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        finished = BUILDS / _fingerprint(project)
        if not finished.exists():
            _build_into(finished, project)
        finished.touch()
        _remove_old()
    return finished / "build" / "template.yaml"


def deploy(
    template: Path,
    endpoint: str,
    parameters: Mapping[str, str],
    log: Path,
    project: Project = SERVICE,
    stack_name: str | None = None,
) -> None:
    """Deploy the built `template` at `endpoint` with its project's settings; ProgramError if it fails."""
    command = [SAM, "deploy", *project.settings, "--template-file", template, *overrides(parameters)]
    run([*command, *(["--stack-name", stack_name] if stack_name else [])], _environment(endpoint), project.folder, log)


def overrides(parameters: Mapping[str, str]) -> list[str]:
    """Return the options of `sam deploy` that set `parameters`; none where there are none.

    Without quotes sam takes no value that is empty, and of one with a space the beginning.
    """
    quoted = [f'{name}="{value.replace('"', '\\"')}"' for name, value in parameters.items()]
    return ["--parameter-overrides", *quoted] if quoted else []


def _build_into(finished: Path, project: Project) -> None:
    # Beside the place where it will be: the built template leads to files of the checkout by relative paths.
    unfinished = Path(tempfile.mkdtemp(dir=finished.parent, prefix="unfinished-"))
    try:
        # Not cached: `make build` may be using the cache, which is the checkout's, at this moment.
        command = [SAM, "build", *project.settings, "--no-cached", "--build-dir", unfinished / "build"]
        run(command, _environment(None), project.folder, unfinished / "build.log")
        _share_code(unfinished / "build" / "template.yaml")
        unfinished.rename(finished)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _share_code(template: Path) -> None:
    # The functions have the same code, of which sam would make a zip for each.
    built: dict[str, Any] = yaml.safe_load(template.read_text())
    functions = [
        resource["Properties"]
        for resource in built["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    ]
    for properties in functions:
        properties["CodeUri"] = functions[0]["CodeUri"]
    template.write_text(json.dumps(built, indent=2))


def _environment(endpoint: str | None) -> dict[str, str]:
    # `sam build` runs the pip of the first Python 3.13 on the path.
    path = f"{ROOT}/.venv/bin{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = without_aws(dict(os.environ)) | {"PATH": path, "SAM_CLI_TELEMETRY": "0"}
    environment.pop("PYTHONPATH", None)
    return environment | ({"AWS_ENDPOINT_URL": endpoint} | QUICK_SAM if endpoint else {})


def _fingerprint(project: Project) -> str:
    digest = hashlib.sha256()
    for file in project.files():
        digest.update(f"{file.relative_to(project.folder)}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _remove_old() -> None:
    ages = {folder: time.time() - folder.stat().st_mtime for folder in BUILDS.iterdir() if folder.is_dir()}
    for folder in sorted(ages, key=lambda folder: ages[folder])[BUILDS_KEPT:]:
        if ages[folder] > SECONDS_IN_USE:
            shutil.rmtree(folder)
