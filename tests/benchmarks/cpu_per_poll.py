"""CPU per poll, writes included, over TLS: what the Poller's rounds cost on top of asking."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from infra.local.aws import without_aws
from infra.local.ministack import ROOT
from tests.benchmarks.contenders import BARE, DOCUMENTED, OFFICIAL, OURS
from tests.benchmarks.functions import environment, memory_of, message
from tests.benchmarks.polls_a_minute import round_at
from tests.benchmarks.report import Finding, Goal, Row
from tests.benchmarks.servers import Cloud, cloud, stop
from tests.benchmarks.share import group, how
from tests.template import default

POLLS = 400
FEWER_POLLS = {DOCUMENTED: 24}
"""It opens a connection for each, which takes long under a share."""
LATENCY = 0.2
REPETITIONS = 7

ROUND = "this service: a round, writes included"
_HOW = (
    "User and system CPU time (not wall time) per poll, over TLS, of processes under the Poller's share ({memory} MB, "
    "{share}), {concurrency} requests in flight, CometAPI answers after {latency:g} ms. {polls} polls a repetition, "
    "{repetitions} repetitions, the contenders in turns. A round is the Poller's whole handler: message, Scan, polls, "
    "and, each answer having further progress, the write of every fourth item, as in the long run; the others only "
    "ask, and read the answer. The loop of the docs opens a connection for each poll."
)


def run() -> Finding:
    """Measure all contenders in turns, so that a busy neighbour slows each of them alike."""
    memory, interval = memory_of("Poller"), default("PollIntervalSeconds")
    times: dict[str, list[float]] = {}
    with cloud() as servers, environment("Poller", servers, memory) as worker, _asking(servers, memory) as (names, ask):

        def round_() -> float:
            servers.load(POLLS, latency=LATENCY, steady=True)
            return worker.run(message(round_at(int(time.time()), interval, 200).body())).cpu

        everybody: dict[str, Callable[[], float]] = {
            name: lambda name=name: ask(name, FEWER_POLLS.get(name, POLLS))  # type: ignore[misc]
            for name in names
        }
        everybody[ROUND] = round_
        for turn in range(-1, REPETITIONS):  # the first one opens connections and fills caches
            order = list(everybody)
            for name in order[turn % len(order) :] + order[: turn % len(order)]:
                microseconds = everybody[name]() / FEWER_POLLS.get(name, POLLS) * 1e6
                if turn >= 0:
                    times.setdefault(name, []).append(microseconds)
    return _finding(times, memory)


@contextmanager
def _asking(servers: Cloud, memory: int) -> Iterator[tuple[list[str], Callable[[str, int], float]]]:
    command = [sys.executable, "-m", "tests.benchmarks.asking_process", servers.url, str(default("MaxConcurrentPolls"))]
    variables = without_aws(dict(os.environ)) | servers.environment()
    with (
        group(memory) as share,
        subprocess.Popen(
            command, env=variables, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        try:
            names = _answer(process)
            if share:
                share.take(process.pid)

            def ask(name: str, polls: int) -> float:
                print(json.dumps([name, polls]), file=process.stdin, flush=True)
                return float(_answer(process))

            yield names, ask
        finally:
            stop(process)


def _answer(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("the process that asks has ended; its last words are above")
    return json.loads(line)


def _finding(times: dict[str, list[float]], memory: int) -> Finding:
    medians = {name: statistics.median(values) for name, values in times.items()}
    order = [ROUND, *sorted(medians.keys() - {ROUND}, key=lambda name: medians[name])]
    rows = [
        Row(name, medians[name], min(times[name]), max(times[name]), medians[name] / medians[BARE]) for name in order
    ]
    goals = [
        Goal(f"{ROUND} / {BARE}", medians[ROUND] / medians[BARE], at_most=2.7),
        Goal(f"{OURS} / {DOCUMENTED}", medians[OURS] / medians[DOCUMENTED], at_most=0.5),
        Goal(f"{ROUND} / {OFFICIAL}", medians[ROUND] / medians[OFFICIAL], at_most=1.0),
    ]
    told = _HOW.format(
        memory=memory,
        share=how(),
        concurrency=default("MaxConcurrentPolls"),
        latency=LATENCY * 1000,
        polls=POLLS,
        repetitions=REPETITIONS,
    )
    return Finding("CPU per poll", "µs", BARE, told, rows, goals)
