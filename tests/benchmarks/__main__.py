"""Measure, show a table a question beside the last run, and keep the numbers; PYTHONPATH is `functions:.`."""

import argparse
from collections.abc import Callable

from rich.console import Console

from tests.benchmarks import copy_memory, copy_speed, cpu_per_poll, round_time
from tests.benchmarks.machine import machine
from tests.benchmarks.report import Finding, load, save, show

QUESTIONS: dict[str, Callable[[], Finding]] = {
    "cpu_per_poll": cpu_per_poll.run,
    "round_time": round_time.run,
    "copy_unthrottled": copy_speed.unthrottled,
    "copy_throttled": copy_speed.throttled,
    "copy_memory": copy_memory.run,
}


def main() -> None:
    """Answer the questions that were named, or all of them."""
    console = Console()
    here = machine()
    for name in _questions():
        with console.status(f"measuring {name}"):
            finding = QUESTIONS[name]()
        results = load()
        show(console, finding, here, results.get(name, {}))
        save(results | {name: finding.to_json() | {"machine": here}})


def _questions() -> list[str]:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="question", help=f"any of {', '.join(QUESTIONS)}; default: all")
    names: list[str] = parser.parse_args().questions
    if unknown := set(names) - QUESTIONS.keys():
        parser.error(f"no question {', '.join(sorted(unknown))}")
    return names or list(QUESTIONS)


if __name__ == "__main__":
    main()
