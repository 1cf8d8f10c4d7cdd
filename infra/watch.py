"""`make watch`: the tasks of a stack, live."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.live import Live

from infra.local.running import NothingRunningError, RunningStack
from infra.task_view import TaskRow, task_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

INTERVAL_SECONDS = 1.0
KEYS_A_REQUEST = 100
LINES_AROUND_THE_TABLE = 4

type Done = Callable[[Sequence[TaskRow]], bool]


class TaskTableReader:
    """Reads the tasks of a table: all of them while they are few, then those pending and those seen pending before."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._seen: dict[str, TaskRow] = {}

    def rows(self) -> list[TaskRow]:
        """Return the tasks as they are now, oldest first, none changing its place while it is watched.

        Each call reads one page of 1 MB, and of a larger table what is pending.
        """
        now = self._read()
        new = sorted(now.keys() - self._seen.keys(), key=lambda task_id: (now[task_id].since or 0, task_id))
        self._seen = {task_id: now[task_id] for task_id in (*self._seen, *new) if task_id in now}
        return list(self._seen.values())

    def _read(self) -> dict[str, TaskRow]:
        page = self._dynamodb.scan(TableName=self._table)
        if "LastEvaluatedKey" not in page:
            return _by_id(page["Items"])
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._table, IndexName="pending")
        pending = _by_id(item for page in pages for item in page["Items"])
        left = [task_id for task_id, row in self._seen.items() if row.ended_at is None and task_id not in pending]
        return self._seen | pending | self._get(left)

    def _get(self, task_ids: Sequence[str]) -> dict[str, TaskRow]:
        found: dict[str, TaskRow] = {}
        for first in range(0, len(task_ids), KEYS_A_REQUEST):
            keys = [{"task_id": {"S": task_id}} for task_id in task_ids[first : first + KEYS_A_REQUEST]]
            answer = self._dynamodb.batch_get_item(RequestItems={self._table: {"Keys": keys}})
            found |= _by_id(answer["Responses"].get(self._table, []))
        return found


def follow(read: Callable[[], Sequence[TaskRow]], console: Console, done: Done = lambda _: False) -> Sequence[TaskRow]:
    """Show the tasks until they are `done`, and return them: a live table, or a line per change in a plain log."""
    return (_live if console.is_terminal else _lines)(read, console, done)


def _live(read: Callable[[], Sequence[TaskRow]], console: Console, done: Done) -> Sequence[TaskRow]:
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            rows = read()
            height = max(1, console.height - LINES_AROUND_THE_TABLE)
            live.update(task_table(rows, console.width, height), refresh=True)
            if done(rows):
                return rows
            time.sleep(INTERVAL_SECONDS)


def _lines(read: Callable[[], Sequence[TaskRow]], console: Console, done: Done) -> Sequence[TaskRow]:
    told: Mapping[str, str] = {}
    while True:
        rows = read()
        lines = {row.task_id: row.line() for row in rows}
        for task_id, line in lines.items():
            if told.get(task_id) != line:
                console.print(time.strftime("%H:%M:%S"), line, soft_wrap=True, markup=False, highlight=False)
        if done(rows):
            return rows
        told = lines
        time.sleep(INTERVAL_SECONDS)


def main() -> int:
    """Show the tasks of the local stack, or of the AWS stack that --stack names, until Ctrl-C; returns the status."""
    parser = argparse.ArgumentParser(prog="python -m infra.watch", description=__doc__)
    parser.add_argument("--stack", help="a stack on AWS, reached with your own credentials; default: the local one")
    console = Console()
    try:
        dynamodb, table = _find_table(parser.parse_args().stack)
        follow(TaskTableReader(dynamodb, table).rows, console)
    except KeyboardInterrupt:
        return 0
    except (NothingRunningError, ClientError, BotoCoreError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _find_table(stack: str | None) -> tuple["DynamoDBClient", str]:
    if stack is None:
        running = RunningStack.load()
        return running.aws.dynamodb, running.outputs["TasksTableName"]
    session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
    found = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
    if "TasksTableName" not in outputs:
        raise NothingRunningError(f"the stack {stack} has no output TasksTableName: it is no stack of this service")
    return session.client("dynamodb"), outputs["TasksTableName"]


def _by_id(items: "Iterable[Mapping[str, AttributeValueTypeDef]]") -> dict[str, TaskRow]:
    rows = (TaskRow.from_item(_plain(item)) for item in items)
    return {row.task_id: row for row in rows}


def _plain(item: "Mapping[str, AttributeValueTypeDef]") -> dict[str, Any]:
    deserialize = TypeDeserializer().deserialize
    return {name: deserialize(value) for name, value in item.items()}


if __name__ == "__main__":
    sys.exit(main())
