"""The real `sam build` and `sam deploy`, pointed at the local AWS."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from infra.local.aws import without_aws
from infra.local.ministack import ROOT
from infra.local.process import run

SAM = ROOT / ".tools" / "sam" / "bin" / "sam"
CONFIG_ENV = "local"
BUILDS_KEPT = 2
# A build this young may be being deployed.
SECONDS_IN_USE = 600


def build(project: Path = ROOT) -> Path:
    """Return the built template of `project`, building it unless these very sources were built before.

    Runs side by side wait for each other here and then share one build. ProgramError where the build fails.
    """
    builds = project / ".local" / "builds"
    builds.mkdir(parents=True, exist_ok=True)
    with (builds / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        finished = builds / _fingerprint(project)
        if not finished.exists():
            _build_into(finished, project)
        finished.touch()
        _remove_old(builds)
    return finished / "build" / "template.yaml"


def deploy(template: Path, endpoint: str, parameters: Mapping[str, str], log: Path, project: Path = ROOT) -> None:
    """Deploy the built `template` at `endpoint` with samconfig.toml's `local` settings; ProgramError if it fails."""
    overrides = [f"{name}={value}" for name, value in parameters.items()]
    command = [SAM, "deploy", *_settings(project), "--template-file", template, "--parameter-overrides", *overrides]
    run(command, _environment(endpoint), project, log)


def _build_into(finished: Path, project: Path) -> None:
    with tempfile.TemporaryDirectory(dir=finished.parent, prefix="unfinished-") as unfinished:
        target = Path(unfinished) / "made"
        target.mkdir()
        # Not cached: `make build` may be using the cache, which is the checkout's, at this moment.
        command = [SAM, "build", *_settings(project), "--no-cached", "--build-dir", target / "build"]
        run(command, _environment(None), project, Path(unfinished) / "build.log")
        target.rename(finished)


def _settings(project: Path) -> list[str | Path]:
    return ["--config-env", CONFIG_ENV, "--config-file", project / "samconfig.toml"]


def _environment(endpoint: str | None) -> dict[str, str]:
    # `sam build` runs the pip of the first Python 3.13 on the path.
    path = f"{ROOT}/.venv/bin{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = without_aws(dict(os.environ)) | {"PATH": path, "SAM_CLI_TELEMETRY": "0"}
    environment.pop("PYTHONPATH", None)
    return environment | ({"AWS_ENDPOINT_URL": endpoint} if endpoint else {})


def _fingerprint(project: Path) -> str:
    digest = hashlib.sha256()
    for file in _sources(project):
        digest.update(f"{file.relative_to(project)}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _sources(project: Path) -> Iterable[Path]:
    settings = [project / name for name in ("template.yaml", "samconfig.toml", "requirements.txt")]
    nested = sorted((project / "infra").glob("*.yaml"))
    code = sorted(file for file in (project / "functions").rglob("*") if file.is_file() and file.suffix != ".pyc")
    return [*settings, *nested, *code]


def _remove_old(builds: Path) -> None:
    ages = {folder: time.time() - folder.stat().st_mtime for folder in builds.iterdir() if folder.is_dir()}
    for folder in sorted(ages, key=lambda folder: ages[folder])[BUILDS_KEPT:]:
        if ages[folder] > SECONDS_IN_USE:
            shutil.rmtree(folder)
