"""`python -m tests.model`: explore the model; with a bug of `bugs.py`, tell the shortest story in which it shows."""

import argparse
import sys
from contextlib import nullcontext
from time import monotonic

from tests.model.bugs import BUGS
from tests.model.explore import ATTEMPTS, Exploration, explore


def main() -> int:
    """Return 1 where something is violated that should not be, or nothing where a bug was put in."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--bug", choices=BUGS, metavar="NAME", help=f"put a bug in: {', '.join(BUGS)}")
    parser.add_argument("--bugs", action="store_true", help="print what is violated by each bug")
    parser.add_argument("--attempts", type=int, default=ATTEMPTS, help="copies after which a video is given up")
    options = parser.parse_args()
    if options.bugs:
        return _table()
    started = monotonic()
    with BUGS[options.bug]() if options.bug else nullcontext():
        found = explore(options.attempts)
    sys.stdout.write(f"{summary(found)}, {monotonic() - started:.0f} s\n")
    sys.stdout.write(story(found))
    return int(bool(found.violation) != bool(options.bug))


def summary(found: Exploration) -> str:
    """Return how large the model is."""
    return f"model: {len(found.states):,} states, {found.transitions:,} transitions"


def story(found: Exploration) -> str:
    """Return the shortest way to what was violated, a line a step; nothing where nothing was."""
    if not found.violation:
        return ""
    lines = found.story(len(found.states) - 1)
    return "".join(f"{number:3}. {line}\n" for number, line in enumerate(lines, 1)) + f"VIOLATED: {found.violation}\n"


def _table() -> int:
    sys.stdout.write("| bug | what is violated | steps | states seen |\n|---|---|---|---|\n")
    missed = 0
    for name, bug in BUGS.items():
        with bug():
            found = explore()
        missed += not found.violation
        steps = len(found.story(len(found.states) - 1)) if found.violation else 0
        sys.stdout.write(f"| {name} | {found.violation or 'nothing'} | {steps} | {len(found.states):,} |\n")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
