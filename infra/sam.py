"""The real sam on a stack, with what it would otherwise say too late said first."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from infra.command import remark
from infra.local.aws import QUICK_SAM, without_aws
from infra.local.ministack import ROOT
from infra.local.sam import SAM
from infra.target import Target, region
from infra.trouble import TroubleError

TEMPLATE = ROOT / "template.yaml"


class _Loader(yaml.SafeLoader):
    """Reads a template without CloudFormation's short functions."""


_Loader.add_multi_constructor("!", lambda _loader, _suffix, _node: None)


def parameter_names(template: Path = TEMPLATE) -> Sequence[str]:
    """Return the names of a template's parameters."""
    read: dict[str, Any] = yaml.load(template.read_text(), _Loader)  # noqa: S506 - a SafeLoader
    return list(read["Parameters"])


def parameters(words: Sequence[str], template: Path = TEMPLATE) -> dict[str, str]:
    """Return parameters that are written as Name=value; TroubleError names those that the template does not have."""
    known = parameter_names(template)
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise TroubleError(f"{word} is no parameter. Write Name=value, more of them with spaces between.")
        if name not in known:
            near = get_close_matches(name, known, n=1)
            meant = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
            raise TroubleError(f"{template.name} has no parameter {name}. {meant}")
        found[name] = value
    return found


def run_sam(*arguments: str | Path, folder: Path = ROOT, target: Target | None = None, is_quiet: bool = False) -> int:
    """Run sam with this terminal, on the AWS of `target` or of the shell; returns its status.

    Where `is_quiet`, nobody is asked, and what it says is printed only where it fails.
    """
    quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    if is_quiet:
        remark(f"sam {arguments[0]} …")
    done = subprocess.run(  # noqa: S603 - no shell
        [SAM, *arguments], cwd=folder, env=_environment(target), check=False, text=True, **(quiet if is_quiet else {})
    )
    if is_quiet and done.returncode:
        remark(done.stdout)
    return done.returncode


def _environment(target: Target | None) -> Mapping[str, str]:
    environment = dict(os.environ)
    if target and target.endpoint_url:
        environment = without_aws(environment) | {"AWS_ENDPOINT_URL": target.endpoint_url} | QUICK_SAM
    elif named := region():
        # sam reads the one, and people set the other.
        environment |= {"AWS_DEFAULT_REGION": named}
    environment.pop("PYTHONPATH", None)
    # `sam build` runs the pip of the Python 3.13 that it finds first.
    path = f"{ROOT}/.venv/bin{os.pathsep}{environment.get('PATH', os.defpath)}"
    return environment | {"PATH": path, "SAM_CLI_TELEMETRY": "0"}
