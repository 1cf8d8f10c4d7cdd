"""`make watch`: the tasks of a stack, live; `--json` and `--svg` take one look."""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.live import Live

from infra.local.running import NothingRunningError
from infra.operator_view import as_json, operator_view
from infra.target import Target
from infra.task_reader import TaskTableReader
from infra.task_view import TaskRow

INTERVAL_SECONDS = 1.0
SCREENSHOT_SIZE = (80, 24)

type Done = Callable[[Sequence[TaskRow]], bool]


def follow(read: Callable[[], Sequence[TaskRow]], console: Console, done: Done = lambda _: False) -> Sequence[TaskRow]:
    """Show the tasks until they are `done`, and return them: a live table, or a line per change in a plain log."""
    return (_live if console.is_terminal else _lines)(read, console, done)


def _live(read: Callable[[], Sequence[TaskRow]], console: Console, done: Done) -> Sequence[TaskRow]:
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            rows = read()
            live.update(operator_view(rows, console, time.time()), refresh=True)
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


def screenshot(rows: Sequence[TaskRow], now: float) -> str:
    """Return what a terminal of 80 columns and 24 lines shows at `now` (epoch seconds), as SVG."""
    width, height = SCREENSHOT_SIZE
    console = Console(record=True, width=width, height=height, file=StringIO(), force_terminal=True)
    console.print(operator_view(rows, console, now))
    picture = console.export_svg(title="make watch", unique_id="watch")
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)  # its fonts are on a server


def main() -> int:
    """Show the tasks of the local stack, or of the AWS stack that --stack names, until Ctrl-C; returns the status."""
    options = _options()
    try:
        target = Target.find(options.stack)
        dynamodb = target.session.client("dynamodb", endpoint_url=target.endpoint_url)
        read = TaskTableReader(dynamodb, target.outputs["TasksTableName"]).rows
        if options.json:
            print(json.dumps(as_json(read(), time.time()), indent=2))
        elif options.svg:
            options.svg.write_text(screenshot(read(), time.time()))
        else:
            follow(read, Console())
    except KeyboardInterrupt:
        return 0
    except (NothingRunningError, ClientError, BotoCoreError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.watch", description=__doc__)
    parser.add_argument("--stack", help="a stack on AWS, reached with your own credentials; default: the local one")
    once = parser.add_mutually_exclusive_group()
    once.add_argument("--json", action="store_true", help="print how things are, for scripts, and end")
    once.add_argument("--svg", type=Path, help="write how things are to a picture, and end")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
