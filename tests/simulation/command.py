"""The command that runs seeds, and says how to replay those that fail."""

import argparse
import gc
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from itertools import batched
from multiprocessing import get_context
from typing import TYPE_CHECKING

from tests.simulation.bugs import BUGS, worlds_of
from tests.simulation.run import run
from tests.simulation.world import World

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

_BATCH = 50
_FAILURES_SHOWN = 10


def main() -> int:
    """Run what the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="the one seed to replay, with all that happens")
    parser.add_argument("--bug", choices=BUGS, default="", help="a bug to put in")
    parser.add_argument("--bugs", action="store_true", help="tell of each bug which invariant finds it, and how soon")
    parser.add_argument("--processes", type=int, default=os.process_cpu_count())
    arguments = parser.parse_args()
    if arguments.bugs:
        return _hunt(range(arguments.first, arguments.first + arguments.seeds))
    if arguments.seed is not None:
        return _replay(arguments.seed, arguments.bug)
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    return _run_many(seeds, arguments.bug, arguments.processes)


def failures(seeds: tuple[int, ...], bug: str = "") -> list[str]:
    """Run seeds; return a line on each that fails, with the command that replays it."""
    with BUGS[bug].put_in() if bug else nullcontext():
        worlds = ((seed, run(seed)) for seed in seeds)
        return [report(seed, world, bug) for seed, world in worlds if world.invariants.violation]


def report(seed: int, world: World, bug: str = "") -> str:
    """Say what a seed violated, and how to replay it."""
    violation = world.invariants.violation
    assert violation
    option = f" --bug {bug}" if bug else ""
    return f"{violation.invariant}: {violation.what}\n  python -m tests.simulation --seed {seed}{option}"


def trace(world: World) -> Iterator[str]:
    """Yield what happened in a world, a line an event."""
    for seconds, who, what, outcome in world.trace:
        said = f"-> {outcome}" if str(outcome) else ""
        yield f"{seconds:10.3f}  {who:12} {what} {said}"


def _hunt(seeds: range) -> int:
    """Print a table of the bugs; returns 1 where one is not found."""
    _say("| bug | found by | after so many worlds |\n|---|---|---|")
    is_missed = False
    for name, bug in BUGS.items():
        with bug.put_in():
            worlds = enumerate(worlds_of(bug, seeds), start=1)
            found = ((number, run(seed).invariants.violation) for number, seed in worlds)
            number, invariant = next(((n, v.invariant) for n, v in found if v), (len(seeds), "nothing"))
        is_missed |= invariant == "nothing"
        _say(f"| `{name}` | {invariant} | {number} |")
    return int(is_missed)


def _replay(seed: int, bug: str) -> int:
    with BUGS[bug].put_in() if bug else nullcontext():
        world = run(seed)
    _say(f"{world.weather}")
    for line in trace(world):
        _say(line)
    if world.invariants.violation:
        _say(report(seed, world, bug))
        return 1
    return 0


def _run_many(seeds: range, bug: str, processes: int) -> int:
    started = time.perf_counter()
    found: list[str] = []
    batches = list(batched(seeds, _BATCH, strict=False))
    spawned = get_context("spawn")
    number = spawned.Value("i", 0)
    with ProcessPoolExecutor(processes, spawned, _settle, (number,)) as pool:
        for lines in pool.map(failures, batches, [bug] * len(batches)):
            found += lines
            for line in lines[: max(0, _FAILURES_SHOWN - len(found) + len(lines))]:
                _say(line)
    seconds = time.perf_counter() - started
    _say(f"{len(seeds)} seeds, {len(found)} failed, {seconds:.1f} s: {len(seeds) / seconds:.0f} seeds/s")
    return 1 if found else 0


def _settle(number: "Synchronized[int]") -> None:
    """Let a process do nothing in vain: only one of its threads runs at a time, so that it stays on a core where the
    machine lets it, since moving costs; and modules are no garbage."""
    gc.freeze()
    with number.get_lock():
        number.value += 1
        mine = number.value
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[mine % len(cores)]})


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
