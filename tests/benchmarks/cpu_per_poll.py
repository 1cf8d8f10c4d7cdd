"""CPU per answered poll: what believing nothing costs, on top of asking."""

import gc
import statistics
import time

from tests.benchmarks.contenders import BARE, DOCUMENTED, OFFICIAL, OURS, UNDERSTANDING, Contender, contenders
from tests.benchmarks.report import Finding, Goal, Row
from tests.benchmarks.servers import static_server

CONCURRENCY = 16
POLLS = 480
REPETITIONS = 15

_HOW = (
    f"User and system CPU time of the client's process (not wall time) per poll of a task that renders, unchanged: "
    f"{POLLS} polls a repetition, {REPETITIONS} repetitions with the contenders interleaved, {CONCURRENCY} requests in "
    "flight, plain HTTP to a static server in a process of its own."
)


def run() -> Finding:
    """Measure all contenders in turns, so that a busy neighbour slows each of them alike."""
    task_ids = [f"task_{number:032d}" for number in range(POLLS)]
    with static_server() as base_url:
        competing = contenders(base_url, "sk-benchmark", CONCURRENCY)
        try:
            times = _measure(competing, task_ids)
        finally:
            for contender in competing.values():
                contender.close()
    return _finding(times)


def _measure(competing: dict[str, Contender], task_ids: list[str]) -> dict[str, list[float]]:
    for contender in competing.values():
        contender.poll(task_ids)  # opens connections and fills caches
    gc.collect()
    gc.freeze()  # so that nobody pays for walking the modules that another one imported
    times: dict[str, list[float]] = {name: [] for name in competing}
    for turn in range(REPETITIONS):
        names = list(competing)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            before = time.process_time()
            competing[name].poll(task_ids)
            times[name].append((time.process_time() - before) / len(task_ids) * 1e6)
    gc.unfreeze()
    return times


def _finding(times: dict[str, list[float]]) -> Finding:
    medians = {name: statistics.median(values) for name, values in times.items()}
    rows = [
        Row(name, medians[name], min(values), max(values), medians[name] / medians[BARE])
        for name, values in times.items()
    ]
    bare_of_official = (
        f"CPU per poll beside the official client: bare urllib3, which understands nothing, already takes "
        f"{medians[BARE] / medians[OFFICIAL]:.2f} of what that client takes; only aiohttp, a fourth package, takes "
        "less."
    )
    over_bare = (
        f"CPU per poll beside bare urllib3: {medians[OURS] - medians[BARE]:.0f} µs more, of which understanding the "
        f"answer and deciding take {medians[UNDERSTANDING] - medians[BARE]:.0f}."
    )
    goals = [
        Goal(f"{UNDERSTANDING} / {BARE}", medians[UNDERSTANDING] / medians[BARE], at_most=1.25),
        Goal(f"{OURS} / {BARE}", medians[OURS] / medians[BARE], at_most=1.25, note=over_bare),
        Goal(f"{OURS} / {DOCUMENTED}", medians[OURS] / medians[DOCUMENTED], at_most=0.5),
        Goal(f"{OURS} / {OFFICIAL}", medians[OURS] / medians[OFFICIAL], at_most=0.2, note=bare_of_official),
    ]
    return Finding("CPU per answered poll", "µs", BARE, _HOW, rows, goals)
