"""`make feed FILE=…`: insert many tasks at once, from a CSV or a JSON Lines file."""

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from botocore.exceptions import BotoCoreError, ClientError

from infra.local.running import NothingRunningError
from infra.target import Target

METADATA = "metadata."

type Item = dict[str, Any]


class FileError(Exception):
    """A line of the file is no task; nothing was inserted."""


def read(file: TextIO, *, is_csv: bool) -> dict[str, Item]:
    """Return the items of a file by task id; FileError names the first line that is none, or repeats an id."""
    items: dict[str, Item] = {}
    for number, item in _csv_items(file) if is_csv else _json_items(file):
        task_id = item.get("task_id") or item.get("id")
        if not isinstance(task_id, str) or not task_id:
            raise FileError(f"line {number} has no task_id; give it the id that POST /v1/videos returned")
        if task_id in items:
            raise FileError(f"line {number} repeats the task_id {task_id}; remove one of the two")
        items[task_id] = item | {"task_id": task_id}
    return items


def _csv_items(file: TextIO) -> Iterator[tuple[int, Item]]:
    rows = csv.DictReader(file, restkey="")
    for row in rows:
        if "" in row or None in row.values():
            raise FileError(f"line {rows.line_num} has not as many fields as the first line has names")
        said = {name: value for name, value in row.items() if value}
        metadata = {name.removeprefix(METADATA): said.pop(name) for name in list(said) if name.startswith(METADATA)}
        yield rows.line_num, said | ({"metadata": metadata} if metadata else {})


def _json_items(file: TextIO) -> Iterator[tuple[int, Item]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line, parse_float=Decimal)  # DynamoDB has no floats
        except ValueError as error:
            raise FileError(f"line {number} is no JSON: {error}") from error
        if not isinstance(item, dict):
            raise FileError(f"line {number} is no JSON object")
        yield number, item


def main() -> int:
    """Insert the tasks of a file into the local stack, or the AWS stack that --stack names; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.feed", description=__doc__)
    parser.add_argument("file", type=Path, help="CSV with a line of names first, or JSON Lines, one item a line")
    parser.add_argument("--stack", help="a stack on AWS, reached with your own credentials; default: the local one")
    arguments = parser.parse_args()
    try:
        with arguments.file.open(encoding="utf-8-sig", newline="") as file:
            items = read(file, is_csv=arguments.file.suffix.lower() == ".csv")
        table = Target.find(arguments.stack).tasks_table
        with table.batch_writer() as batch:
            for item in items.values():
                batch.put_item(Item=item)
    except FileError as error:
        print(f"{arguments.file}: {error}. Nothing was inserted.", file=sys.stderr)
        return 1
    except (OSError, UnicodeDecodeError, NothingRunningError, ClientError, BotoCoreError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(items)} tasks inserted into {table.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
