"""Nothing lost, nothing twice, in every world."""

from dataclasses import dataclass
from functools import cache
from itertools import batched

import pytest

from tests.simulation.command import report
from tests.simulation.run import run
from tests.simulation.weather import KINDS_OF_CALL, Trouble

BATCHES = list(batched(range(1200), 120, strict=False))
RULES_AT_WORK = {
    *("throttled", "expired", "event dropped", "purged", "given up", "dead socket"),
    *("admits what was forgotten", "announced", "begins", "ends", "time to live is over"),
}
"""Notes on what the world does by its rules."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was violated in a world, which calls there were, who died at which, and what else happened."""

    violation: str
    called: set[str]
    crashes: list[tuple[str, str]]
    happened: set[str]


@cache
def outcomes(seeds: tuple[int, ...]) -> list[Outcome]:
    return [outcome(seed) for seed in seeds]


def outcome(seed: int) -> Outcome:
    world = run(seed)
    happened = {what.strip() for _, _, what, _ in world.trace} & RULES_AT_WORK
    happened |= {str(said) for _, _, what, said in world.trace if what == "begins"}
    violation = report(seed, world) if world.invariants.violation else ""
    return Outcome(violation, world.called, world.crashes, happened)


def all_outcomes() -> list[Outcome]:
    return [outcome for seeds in BATCHES for outcome in outcomes(seeds)]


@pytest.mark.parametrize("seeds", BATCHES, ids=lambda seeds: f"from_{seeds[0]}")
def test_nothing_is_lost_and_nothing_happens_twice(seeds: tuple[int, ...]) -> None:
    failed = [outcome.violation for outcome in outcomes(seeds) if outcome.violation]
    assert not failed, "\n".join(failed)


def test_functions_die_before_and_after_every_kind_of_call() -> None:
    called = {kind for outcome in all_outcomes() for kind in outcome.called if not kind.startswith("user")}
    crashed = {crash for outcome in all_outcomes() for crash in outcome.crashes}
    assert called == set(KINDS_OF_CALL)
    assert crashed == {(kind, fate) for kind in KINDS_OF_CALL for fate in ("crash before", "crash after")}


def test_every_rule_of_the_world_is_at_work() -> None:
    happened = {what for outcome in all_outcomes() for what in outcome.happened}
    assert happened == RULES_AT_WORK | set(Trouble)
