"""The simulation would notice, and a seed decides everything."""

import hashlib
import os
import subprocess
import sys

import pytest

from tests.simulation.awslambda import SURPRISED
from tests.simulation.bugs import BUGS, worlds_of
from tests.simulation.command import trace
from tests.simulation.run import run

_DIGEST = "from tests.simulation.test_simulation import digest; print(digest())"


def digest() -> str:
    """Return a fingerprint of all that happened in a few worlds."""
    lines = "\n".join(line for seed in range(20) for line in trace(run(seed)))
    return hashlib.sha256(lines.encode()).hexdigest()


def test_a_seed_decides_everything() -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _DIGEST]
    again = subprocess.run(command, env=environment, text=True, capture_output=True, check=True)  # noqa: S603 - our own
    assert again.stdout.strip() == digest()


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_is_found(bug: str) -> None:
    with BUGS[bug].put_in():
        found = (run(seed).invariants.violation for seed in worlds_of(BUGS[bug], range(20_000)))
        violation = next(filter(None, found), None)
    assert violation
    assert violation.invariant != SURPRISED, violation.what
