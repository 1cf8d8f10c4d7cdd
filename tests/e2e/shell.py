"""A shell of somebody on call, in which the runbook's commands are run as they stand."""

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.local.aws import without_aws
from infra.local.running import RunningStack
from infra.local.stack import STACK_NAME
from tests import runbook

if TYPE_CHECKING:
    from infra.local.stack import LocalStack

_SECONDS = 240
_KEEP = "declare -p KEY_PARAMETER TABLE INTAKE POLLER COPIER ANNOUNCER CRASHES; declare -f"


class Shell:
    """bash on the local AWS, in which the runbook's first block has been run."""

    def __init__(self, stack: "LocalStack", stack_name: str = STACK_NAME) -> None:
        self._stack = stack
        self._stack_name = stack_name
        self._prepared = self._bash(f"{runbook.PREAMBLE}\n{_KEEP}", {})

    def run(self, script: str, **variables: str) -> str:
        """Return what a script prints; where one of its commands fails, the test fails."""
        return self._bash(f"{self._prepared}\n{script}", variables)

    def follow(self, title: str, **variables: str) -> str:
        """Carry out the command below a heading of the runbook."""
        return self.run(runbook.command(title), **variables)

    def _bash(self, script: str, variables: dict[str, str]) -> str:
        return bash(self._stack, f"stack={self._stack_name}\n{script}", variables)


def bash(stack: "LocalStack", script: str, variables: dict[str, str] | None = None, folder: Path | None = None) -> str:
    """Return what a script prints in a shell on the local AWS; where one of its commands fails, the test fails."""
    environment = "\n".join(RunningStack.of(stack).shell_environment())
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", f"{environment}\n{script}"],
        env=without_aws(dict(os.environ)) | (variables or {}),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"status {done.returncode} of:\n{script[-600:]}\n{done.stdout}\n{done.stderr}", pytrace=False)
    return done.stdout
