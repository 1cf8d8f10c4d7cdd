"""From CometAPI's SUCCESS to the object in S3: the whole stack, deployed by sam onto the local AWS."""

import statistics
import time
from typing import Any

from infra.local.process import orderly_exit
from infra.local.stack import LocalStack, Options
from shared.task_table import read_item
from tests.benchmarks.report import Finding, Goal, Row

TASKS = 200
INTERVAL_SECONDS = 15
FIRST_DONE_SECONDS, ALL_DONE_SECONDS = 80.0, 200.0
_PATIENCE_SECONDS = 120.0
_LIMIT = "waiting for the next poll alone"
_HOW = (
    f"{TASKS} tasks put into the table at once; their renders end evenly between {FIRST_DONE_SECONDS:g} and "
    f"{ALL_DONE_SECONDS:g} s later. The real schedule, stream and invocations of MiniStack, whose Lambdas are "
    f"processes that share this machine's cores with the simulated CometAPI; polls every {INTERVAL_SECONDS} s. "
    "The items' stored_at counts as one second later, since it is cut to whole seconds. The limit is a wait evenly "
    "spread over the interval."
)


def run() -> Finding:
    """Run the stack until every video is stored."""
    with orderly_exit(), LocalStack(Options(parameters={"PollIntervalSeconds": str(INTERVAL_SECONDS)})) as stack:
        done_at = _start_renders(stack)
        items = _wait(stack, set(done_at))
    seconds = sorted(float(items[task_id]["stored_at"]) + 1 - done_at[task_id] for task_id in done_at)
    percentiles = statistics.quantiles(seconds, n=100)
    ours = {"p50": percentiles[49], "p95": percentiles[94], "longest": seconds[-1]}
    limit = {"p50": 0.5 * INTERVAL_SECONDS, "p95": 0.95 * INTERVAL_SECONDS, "longest": 1.0 * INTERVAL_SECONDS}
    rows = [Row(f"this service, {name}", value, value, value, value / limit[name]) for name, value in ours.items()]
    rows += [Row(f"{_LIMIT}, {name}", value, value, value, 1.0) for name, value in limit.items()]
    goals = [
        Goal("p50 in seconds", ours["p50"], at_most=10),
        Goal("p95 in seconds", ours["p95"], at_most=20),
    ]
    return Finding("From CometAPI's SUCCESS to the object in S3", "s", _LIMIT, _HOW, rows, goals)


def _start_renders(stack: LocalStack) -> dict[str, float]:
    """Create the renders and insert their ids; return when each is done, in epoch seconds."""
    step = (ALL_DONE_SECONDS - FIRST_DONE_SECONDS) / (TASKS - 1)
    first_done = time.time() + FIRST_DONE_SECONDS
    done_at = {}
    for number in range(TASKS):
        done = first_done + number * step
        done_at[stack.cometapi.create(render_seconds=done - time.time())] = done
    for task_id in done_at:
        stack.aws.dynamodb.put_item(TableName=stack.outputs["TasksTableName"], Item={"task_id": {"S": task_id}})
    return done_at


def _wait(stack: LocalStack, task_ids: set[str]) -> dict[str, dict[str, Any]]:
    deadline = time.monotonic() + ALL_DONE_SECONDS + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        pages = stack.aws.dynamodb.get_paginator("scan").paginate(TableName=stack.outputs["TasksTableName"])
        items = {item["task_id"]: item for page in pages for item in map(read_item, page["Items"])}
        if {task_id for task_id, item in items.items() if "stored_at" in item} == task_ids:
            return items
        time.sleep(5)
    raise TimeoutError(f"{sum('stored_at' not in item for item in items.values())} videos were not stored in time")
