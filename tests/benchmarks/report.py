"""A question's answer: its table, its goals, and the JSON that two runs are compared by."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

type Results = dict[str, Any]

RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True, slots=True)
class Row:
    """One contender: its median, the lowest and the highest repetition, and how many times the reference it is.

    `dollars` where what it does has a price of its own.
    """

    name: str
    median: float
    lowest: float
    highest: float
    ratio: float
    dollars: float | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """What a ratio was meant to be; `at_most` is the limit, or else `at_least`; `note` explains a miss."""

    text: str
    measured: float
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the measured ratio is within the limit."""
        if self.at_most is not None and self.measured > self.at_most:
            return False
        return self.at_least is None or self.measured >= self.at_least

    @property
    def limit(self) -> str:
        """The limit in words."""
        return f"at most {self.at_most:g}" if self.at_most is not None else f"at least {self.at_least:g}"


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question; `how` says how it was measured, `reference` names the row with ratio 1."""

    question: str
    unit: str
    reference: str
    how: str
    rows: list[Row]
    goals: list[Goal]

    def to_json(self) -> Results:
        """Return what is kept of this run."""
        goals = [asdict(goal) | {"is_met": goal.is_met} for goal in self.goals]
        return asdict(self) | {"measured_at": datetime.now(UTC).isoformat(timespec="seconds"), "goals": goals}


def show(console: Console, finding: Finding, machine: Mapping[str, str | float], before: Mapping[str, Any]) -> None:
    """Print one finding beside the ratios of the run before, where there was one."""
    previous = {row["name"]: row["ratio"] for row in before.get("rows", [])}
    table = Table(title=finding.question, caption=f"{finding.how}\n{_named(machine)}", title_justify="left")
    table.add_column("")
    for heading in (
        f"median {finding.unit}",
        "lowest",
        "highest",
        f"times {finding.reference}",
        "last run",
        "$ for 1,000",
    ):
        table.add_column(heading, justify="right")
    for row in finding.rows:
        numbers = (shown(row.median), shown(row.lowest), shown(row.highest), f"{row.ratio:.2f}")
        last = f"{previous[row.name]:.2f}" if row.name in previous else ""
        table.add_row(row.name, *numbers, last, "" if row.dollars is None else shown(row.dollars))
    console.print(table)
    for goal in finding.goals:
        verdict = "[green]met[/]" if goal.is_met else "[red]missed[/]"
        console.print(f"  {verdict}: {goal.text} is {goal.measured:.2f}, goal {goal.limit}")
    console.print()


def goals_of(finding: Mapping[str, Any]) -> list[Goal]:
    """Return the goals of a finding as it is kept."""
    return [Goal(**{key: value for key, value in goal.items() if key != "is_met"}) for goal in finding["goals"]]


def load() -> Results:
    """Return the results of the last run of each question, empty where there was none."""
    return dict(json.loads(RESULTS.read_text())) if RESULTS.exists() else {}


def save(results: Results) -> None:
    """Keep the results for the next run to be compared with."""
    RESULTS.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")


def compare(console: Console, old: Results, new: Results) -> None:
    """Print the medians and ratios of two runs side by side, question by question."""
    for name in old.keys() & new.keys():
        table = Table(title=f"{new[name]['question']} ({new[name]['unit']})", title_justify="left")
        for heading in ("", "before", "after", "after / before", "ratio before", "ratio after"):
            table.add_column(heading, justify="right" if heading else "left")
        before = {row["name"]: row for row in old[name]["rows"]}
        for row in new[name]["rows"]:
            if was := before.get(row["name"]):
                change = f"{row['median'] / was['median']:.2f}" if was["median"] else ""
                medians = (shown(was["median"]), shown(row["median"]), change)
                table.add_row(row["name"], *medians, f"{was['ratio']:.2f}", f"{row['ratio']:.2f}")
        console.print(table)


def shown(number: float) -> str:
    """Return a number as tables show it."""
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.2f}" if number >= 1 or not number else f"{number:.2g}"


def _named(machine: Mapping[str, str | float]) -> str:
    return ", ".join(f"{name} {value}" for name, value in machine.items())
