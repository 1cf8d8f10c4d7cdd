"""What the service asks of DynamoDB, against a full Scan with a filter and a write a poll."""

from itertools import batched
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import boto3
from moto import mock_aws

from infra.local.aws import without_aws
from tests.benchmarks.report import Finding, Goal, Row
from tests.benchmarks.request_units import item_size, scan_units
from tests.benchmarks.workload import Counts, Hours, Load, finished_item
from tests.template import table_schema

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TASKS = 1000
FINISHED = (0, 10_000, 1_000_000)
_MEASURED = FINISHED[:2]
_LOAD = Load(tasks=TASKS, hours=1.0)
_HOW = (
    f"The real Poller and Intake in simulated time ({_LOAD}), every request weighed by AWS's published rules for item "
    "sizes and request units. The naive design reads the whole table by a Scan with a filter each round, which is "
    "billed for what it reads and not for what it returns, and writes after every poll."
)


def run() -> dict[str, Finding]:
    """Weigh an hour over a table with and without a history."""
    checked = _scanned_by_moto(_MEASURED[-1])
    counts = {finished: Hours(_LOAD, finished).run() for finished in _MEASURED}
    return {"table_reads": _reads(counts, checked), "table_writes": _writes(counts[0])}


def _reads(counts: dict[int, Counts], checked: str) -> Finding:
    size = item_size(finished_item("task_" + "0" * 32))
    scans = counts[0].meter.scans
    ours = {n: counts[n if n in counts else _MEASURED[-1]].meter.read_units / TASKS for n in FINISHED}
    naive = {n: sum(scan_units(table + n * size) for table in scans) / TASKS for n in FINISHED}
    rows = [
        Row(f"{name}, {n:,} finished", values[n], values[n], values[n], values[n] / ours[0])
        for name, values in (("this service", ours), ("naive", naive))
        for n in FINISHED
    ]
    goals = [Goal(f"reads with {n:,} finished / with none", ours[n] / ours[0], at_most=1.0) for n in FINISHED[1:]]
    how = (
        f"{_HOW} {checked} The million is arithmetic: the index holds none of them, and of the naive table each adds "
        f"{size} bytes to every Scan. This service reads {counts[0].meter.read_bytes / TASKS:,.0f} bytes a task."
    )
    return Finding("DynamoDB read units per task", "units", "this service, 0 finished", how, rows, goals)


def _writes(counts: Counts) -> Finding:
    meter, polls = counts.meter, counts.polls / TASKS
    writes, changes = (meter.writes - TASKS) / TASKS, counts.changes / TASKS
    size = meter.write_bytes / meter.writes
    rows = [
        Row("this service, writes", writes, writes, writes, writes / (polls + 2)),
        Row("naive, writes", polls + 2, polls + 2, polls + 2, 1.0),
    ]
    units = (meter.write_units + meter.index_units) / TASKS
    rows.append(Row("this service, write units with the index", units, units, units, units / (polls + 3)))
    rows.append(Row("naive, write units", polls + 3, polls + 3, polls + 3, 1.0))
    how = (
        f"{_HOW} A task is polled {polls:.1f} times and CometAPI says something new {changes:.1f} times, since its "
        f"progress moves all the time; each write is {size:.0f} bytes. A change of an item in the index is a write "
        "to the table and one to the index, which is the price of reads that history costs nothing."
    )
    goals = [Goal("writes / (changes + 3)", writes / (changes + 3), at_most=1.0)]
    return Finding("DynamoDB writes per task", "a task", "the naive design", how, rows, goals)


def _scanned_by_moto(finished: int, pending: int = 100) -> str:
    """Scan the real index of an emulated table; raises ValueError where history is read."""
    with mock_aws(), patch.dict("os.environ", without_aws({})):
        client = boto3.client("dynamodb")
        client.create_table(TableName="tasks", **table_schema())
        items = [finished_item(f"old_{number:032d}") for number in range(finished)]
        waiting = {"pending_since": {"N": "1800000000"}}
        items += [{"task_id": {"S": f"task_{number:032d}"}} | waiting for number in range(pending)]
        _put(client, items)
        answer = client.scan(TableName="tasks", IndexName="pending")
    if (answer["ScannedCount"], answer["Count"]) != (pending, pending):
        raise ValueError(f"expected {pending} items, the Scan read {answer['ScannedCount']}")
    return f"On moto's table of {finished:,} finished and {pending} pending tasks the Scan reads {pending} items."


def _put(client: "DynamoDBClient", items: list[dict[str, Any]]) -> None:
    for batch in batched(items, 25, strict=False):
        client.batch_write_item(RequestItems={"tasks": [{"PutRequest": {"Item": item}} for item in batch]})
