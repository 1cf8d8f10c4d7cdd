"""Measure, show a table a question beside the last run, and keep the numbers; PYTHONPATH is `functions:.`."""

import argparse
import json
import logging
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from infra.local.process import orderly_exit
from tests.benchmarks import (
    burst,
    cold_start,
    copy_memory,
    copy_speed,
    cpu_per_poll,
    dollars,
    first_round,
    notice_time,
    plots,
    polls_a_minute,
    power,
    readme,
    round_time,
    share,
    table_load,
)
from tests.benchmarks.machine import machine
from tests.benchmarks.report import Finding, Results, compare, goals_of, load, save, show

QUESTIONS: dict[str, Callable[[], Finding | dict[str, Finding]]] = {
    "notice_time": notice_time.run,
    "dollars": dollars.run,
    "polls_a_minute": polls_a_minute.run,
    "cpu_per_poll": cpu_per_poll.run,
    "round_time": round_time.run,
    "first_round": first_round.run,
    "copy_unthrottled": copy_speed.unthrottled,
    "copy_throttled": copy_speed.throttled,
    "copy_memory": copy_memory.run,
    "burst": burst.run,
    "power": power.run,
    "cold_start": cold_start.run,
    "table_load": table_load.run,
}


def main() -> None:
    """Answer the questions that were named, or all of them, or only bring the README up to date or compare."""
    console, chosen = Console(), _arguments()
    logging.disable(logging.INFO)  # the functions tell of each of thousands of tasks
    if chosen.compare:
        compare(console, json.loads(chosen.compare.read_text()), load())
        return
    console.print(f"Lambda's share of a core: {share.how()}.")
    with orderly_exit():
        for name in [] if chosen.readme else chosen.questions or QUESTIONS:
            _answer(name, console)
    results = load()
    readme.write(results)
    plots.write(results)
    _tell_goals(console, results)


def _answer(name: str, console: Console) -> None:
    here = machine()
    with console.status(f"measuring {name}"):
        answer = QUESTIONS[name]()
    results = load()
    known = {key: results.pop(key, {}) for key in ([name] if isinstance(answer, Finding) else answer)}
    for key, finding in ({name: answer} if isinstance(answer, Finding) else answer).items():
        show(console, finding, here, known[key])
        results |= {key: finding.to_json() | {"machine": here}}
    known_names = {name for names in readme.CHAPTERS.values() for name in names}
    save({key: finding for key, finding in results.items() if key in known_names})


def _tell_goals(console: Console, results: Results) -> None:
    goals = [(finding["question"], goal) for finding in results.values() for goal in goals_of(finding)]
    for question, goal in goals:
        verdict = "[green]met[/]   " if goal.is_met else "[red]missed[/]"
        console.print(f"{verdict} {question}: {goal.text}: {goal.measured:.3g}, goal {goal.limit}")
    console.print(f"{sum(goal.is_met for _, goal in goals)} of {len(goals)} goals met")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="question", help=f"any of {', '.join(QUESTIONS)}; default: all")
    parser.add_argument("--readme", action="store_true", help="only write the pages and the plots from results.json")
    parser.add_argument(
        "--compare", type=Path, metavar="FILE", help="only show this older results.json beside the kept"
    )
    chosen = parser.parse_args()
    if unknown := set(chosen.questions) - QUESTIONS.keys():
        parser.error(f"no question {', '.join(sorted(unknown))}")
    return chosen


if __name__ == "__main__":
    main()
