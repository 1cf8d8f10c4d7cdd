"""A round over ever more pending tasks, with ever more workers: wall time, and which limit comes first."""

from concurrent.futures import ThreadPoolExecutor
from math import ceil

from infra.local.cometapi import RemoteCometApi
from poller.tick import TICK_SECONDS
from shared.task_table import Segment
from tests.benchmarks.report import Finding, Goal, Row
from tests.benchmarks.round_time import round_seconds
from tests.benchmarks.servers import simulated_comet_api
from tests.benchmarks.workload import Hours, Load

LATENCY = 0.2
IN_FLIGHT = 16
REAL_WORKERS, REAL_TASKS = (1, 2, 4, 8), 320
SIMULATED_TASKS, TASKS_PER_WORKER = (2_000, 10_000, 100_000), 2_000


def run() -> Finding:
    """Measure what fits this machine, and simulate the rest."""
    with simulated_comet_api(LATENCY) as comet_api:
        task_ids = comet_api.create_many(max(REAL_WORKERS) * REAL_TASKS, answers=["documented_in_progress"])
        real = {workers: _real_seconds(comet_api, task_ids, workers) for workers in REAL_WORKERS}
    simulated = {tasks: _simulated_round(tasks) for tasks in SIMULATED_TASKS}
    alone = max(SIMULATED_TASKS) / IN_FLIGHT * LATENCY
    one, most = simulated[SIMULATED_TASKS[0]], simulated[SIMULATED_TASKS[-1]]
    rows = [
        *(_row(f"measured: {n * REAL_TASKS:,} tasks, workers: {n}", s, real[1]) for n, s in real.items()),
        *(_row(f"simulated: {n:,} tasks, workers: {ceil(n / TASKS_PER_WORKER)}", s, one) for n, s in simulated.items()),
        _row(f"one worker alone, {max(SIMULATED_TASKS):,} tasks, by arithmetic", alone, one),
    ]
    goals = [
        Goal("measured: most workers' time / one worker's", real[max(REAL_WORKERS)] / real[1], at_most=1.25),
        Goal("simulated: 100,000 tasks' time / 2,000 tasks'", most / one, at_most=1.25),
    ]
    return Finding("Wall time of a round as workers are added", "s", "one worker", _how(most), rows, goals)


def _how(seconds: float) -> str:
    workers, tasks = max(SIMULATED_TASKS) // TASKS_PER_WORKER, max(SIMULATED_TASKS)
    return (
        f"{LATENCY * 1000:.0f} ms an answer, {IN_FLIGHT} requests in flight per worker. Measured: workers of "
        f"{REAL_TASKS} tasks each, side by side in one process, over real HTTP. Simulated: the real tick, segment "
        "by segment of the pending "
        f"index, {TASKS_PER_WORKER:,} tasks a worker; the slowest worker counts. The first real limit is CometAPI: "
        f"{workers} workers ask {tasks / seconds:,.0f} times a second. Next is Lambda's concurrency: {workers} of "
        "the usual "
        "1,000, but new accounts begin with 10. The index is far from its own: each round reads it once."
    )


def _row(name: str, seconds: float, reference: float) -> Row:
    return Row(name, seconds, seconds, seconds, seconds / reference)


def _real_seconds(comet_api: RemoteCometApi, task_ids: list[str], workers: int) -> float:
    shares = [task_ids[number * REAL_TASKS : (number + 1) * REAL_TASKS] for number in range(workers)]
    with ThreadPoolExecutor(workers) as side_by_side:
        return max(side_by_side.map(lambda share: round_seconds(comet_api, share, IN_FLIGHT), shares))


def _simulated_round(tasks: int) -> float:
    """Return the slowest worker's seconds; raises ValueError unless each task was asked about exactly once."""
    workers = ceil(tasks / TASKS_PER_WORKER)
    load = Load(
        tasks=tasks,
        hours=0.0,
        render_seconds=86400.0,
        answer_seconds=LATENCY,
        concurrency=IN_FLIGHT,
        cadence_seconds=TICK_SECONDS,
        tasks_per_worker=TASKS_PER_WORKER,
    )
    hours = Hours(load)
    for number in range(tasks):
        hours.put(f"task_{number:032d}")
    hours.sleep(2 * TICK_SECONDS)
    started, seconds = hours.now(), []
    for segment in range(workers):
        hours.turn_back(started)
        hours.tick(Segment(segment, workers))
        seconds.append(hours.now() - started)
    if hours.counts.polls != tasks:
        raise ValueError(f"expected {tasks} polls, got {hours.counts.polls}")
    return max(seconds)
