"""Nothing lost, nothing twice, in every world; and the simulation would notice."""

import hashlib
import os
import subprocess
import sys
from functools import cache
from itertools import batched

import pytest

from tests.simulation.bugs import BUGS
from tests.simulation.command import report, trace
from tests.simulation.run import run
from tests.simulation.weather import KINDS_OF_CALL

BATCHES = list(batched(range(3000), 250, strict=False))
_DIGEST = "from tests.simulation.test_simulation import digest; print(digest())"


def digest() -> str:
    """Return a fingerprint of all that happened in a few worlds."""
    lines = "\n".join(line for seed in range(20) for line in trace(run(seed)))
    return hashlib.sha256(lines.encode()).hexdigest()


@cache
def outcomes(seeds: tuple[int, ...]) -> list[tuple[str, set[str], list[tuple[str, str]]]]:
    """Return of each world what was violated, which calls there were, and who died at which."""
    worlds = ((seed, run(seed)) for seed in seeds)
    return [
        (report(seed, world) if world.invariants.violation else "", world.called, world.crashes)
        for seed, world in worlds
    ]


@pytest.mark.parametrize("seeds", BATCHES, ids=lambda seeds: f"from_{seeds[0]}")
def test_nothing_is_lost_and_nothing_happens_twice(seeds: tuple[int, ...]) -> None:
    failed = [violation for violation, _, _ in outcomes(seeds) if violation]
    assert not failed, "\n".join(failed)


def test_functions_die_before_and_after_every_kind_of_call() -> None:
    worlds = [outcome for seeds in BATCHES for outcome in outcomes(seeds)]
    called = {kind for _, kinds, _ in worlds for kind in kinds if not kind.startswith("user")}
    crashed = {crash for _, _, crashes in worlds for crash in crashes}
    assert called == set(KINDS_OF_CALL)
    assert crashed == {(kind, fate) for kind in KINDS_OF_CALL for fate in ("crash before", "crash after")}


def test_a_seed_decides_everything() -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _DIGEST]
    again = subprocess.run(command, env=environment, text=True, capture_output=True, check=True)  # noqa: S603 - our own
    assert again.stdout.strip() == digest()


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_is_found(bug: str) -> None:
    with BUGS[bug]():
        assert any(run(seed).invariants.violation for seed in range(1000))
