"""Measure, show a table a question beside the last run, and keep the numbers; PYTHONPATH is `functions:.`."""

import argparse
import json
import logging
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from tests.benchmarks import (
    cold_start,
    copy_memory,
    copy_speed,
    cpu_per_poll,
    dollars,
    fan_out,
    notice_time,
    readme,
    round_time,
    table_load,
)
from tests.benchmarks.machine import machine
from tests.benchmarks.report import Finding, compare, load, save, show

QUESTIONS: dict[str, Callable[[], Finding | dict[str, Finding]]] = {
    "cpu_per_poll": cpu_per_poll.run,
    "round_time": round_time.run,
    "notice_time": notice_time.run,
    "cold_start": cold_start.run,
    "table_load": table_load.run,
    "dollars": dollars.run,
    "fan_out": fan_out.run,
    "copy_unthrottled": copy_speed.unthrottled,
    "copy_throttled": copy_speed.throttled,
    "copy_memory": copy_memory.run,
}


def main() -> None:
    """Answer the questions that were named, or all of them, or only bring the README up to date or compare."""
    console, chosen = Console(), _arguments()
    logging.disable(logging.INFO)  # the functions tell of each of thousands of tasks
    if chosen.compare:
        compare(console, json.loads(chosen.compare.read_text()), load())
        return
    for name in [] if chosen.readme else chosen.questions or QUESTIONS:
        _answer(name, console)
    readme.write(load())


def _answer(name: str, console: Console) -> None:
    here = machine()
    with console.status(f"measuring {name}"):
        answer = QUESTIONS[name]()
    results = load()
    for key, finding in ({name: answer} if isinstance(answer, Finding) else answer).items():
        show(console, finding, here, results.get(key, {}))
        results |= {key: finding.to_json() | {"machine": here}}
    save(results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="question", help=f"any of {', '.join(QUESTIONS)}; default: all")
    parser.add_argument("--readme", action="store_true", help="only write README.md and the plots from results.json")
    parser.add_argument(
        "--compare", type=Path, metavar="FILE", help="only show this older results.json beside the kept"
    )
    chosen = parser.parse_args()
    if unknown := set(chosen.questions) - QUESTIONS.keys():
        parser.error(f"no question {', '.join(sorted(unknown))}")
    return chosen


if __name__ == "__main__":
    main()
