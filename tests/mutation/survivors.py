"""The reasons why some mistakes may stay unnoticed, and what a run has to say about them."""

import tomllib
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.copy import Mutant

REASONS = Path(__file__).with_name("survivors.toml")
LEAST_PERCENT = 95


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the mistakes `changes`, each as `Mutant.name` has it, may survive."""

    name: str
    why: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A module: how many mistakes were made, how many were noticed, and how many survive for which reason."""

    file: str
    mutants: int
    killed: int
    reasons: Counter[str]

    @property
    def percent(self) -> float:
        """How many were noticed of 100."""
        return 100 * self.killed / self.mutants


def load() -> list[Reason]:
    """Read the reasons."""
    read = tomllib.loads(REASONS.read_text())
    return [Reason(name, said["why"], tuple(said["mutants"])) for name, said in read.items()]


def rows(mutants: Collection[Mutant], reasons: Collection[Reason]) -> list[Row]:
    """Count what became of the mistakes, module by module."""
    of = {change: reason.name for reason in reasons for change in reason.changes}
    files = Counter(mutant.file for mutant in mutants)
    survivors = {file: [m for m in mutants if m.file == file and not m.is_killed] for file in files}
    return [
        Row(file, count, count - len(survivors[file]), Counter(of.get(m.name, "no reason") for m in survivors[file]))
        for file, count in files.items()
    ]


def complaints(mutants: Collection[Mutant], reasons: Collection[Reason]) -> Iterator[str]:
    """Yield what is wrong: a survivor without a reason, a reason without its survivor, a module with too many."""
    survivors = {mutant.name for mutant in mutants if not mutant.is_killed}
    explained = {change for reason in reasons for change in reason.changes}
    files = {mutant.file for mutant in mutants}
    yield from (f"survives without a reason: {name}" for name in sorted(survivors - explained))
    for name in sorted(explained - survivors):
        if name.partition(" ")[0] in files:
            yield f"has a reason and does not survive: {name}"
    for row in rows(mutants, reasons):
        if row.percent < LEAST_PERCENT:
            yield f"{row.file}: {row.percent:.1f} % is less than {LEAST_PERCENT} %"
