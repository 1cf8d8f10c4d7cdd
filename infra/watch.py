"""`make watch`: how a stack does, and its tasks, live; `--json` and `--svg` take one look."""

import argparse
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.live import Live

from infra.command import remark, run, say_json
from infra.health import HealthReader
from infra.operator_view import NOTHING, Above, as_json, health_lines, operator_view
from infra.states import states_of
from infra.target import Target
from infra.task_reader import TaskTableReader
from infra.task_view import TaskRow

INTERVAL_SECONDS = 1.0
SCREENSHOT_SIZE = (80, 24)

type Read = Callable[[], Sequence[TaskRow]]
type Look = Callable[[], Above]
type Done = Callable[[Sequence[TaskRow]], bool]


def follow(
    read: Read, console: Console, done: Done = lambda _: False, look: Look = lambda: NOTHING
) -> Sequence[TaskRow]:
    """Show the tasks until they are `done`, and return them: a live table, or a line per change in a plain log."""
    return (_live if console.is_terminal else _lines)(read, console, done, look)


def _live(read: Read, console: Console, done: Done, look: Look) -> Sequence[TaskRow]:
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            rows = read()
            live.update(operator_view(rows, console, time.time(), look()), refresh=True)
            if done(rows):
                return rows
            time.sleep(INTERVAL_SECONDS)


def _lines(read: Read, console: Console, done: Done, look: Look) -> Sequence[TaskRow]:
    told: Mapping[str, str] = {}
    told_health: Sequence[str] | None = None
    while True:
        rows, above = read(), look()
        # How long ago the last round was is news at first only; what is wrong always is.
        said = above.health if told_health is None else [f for f in above.health if f.is_good is False]
        health = [line.plain for line in health_lines(said)]
        listed = [row for row in rows if not above.only or row.stage in above.only]
        lines = {row.task_id: row.line() for row in listed}
        news = [line for line in health if line not in (told_health or ())]
        news += [line for task_id, line in lines.items() if told.get(task_id) != line]
        for line in news:
            console.print(time.strftime("%H:%M:%S"), line, soft_wrap=True, markup=False, highlight=False)
        if done(rows):
            return rows
        told, told_health = lines, health
        time.sleep(INTERVAL_SECONDS)


def screenshot(rows: Sequence[TaskRow], now: float, above: Above = NOTHING) -> str:
    """Return what a terminal of 80 columns and 24 lines shows at `now` (epoch seconds), as SVG."""
    width, height = SCREENSHOT_SIZE
    console = Console(record=True, width=width, height=height, file=StringIO(), force_terminal=True)
    console.print(operator_view(rows, console, now, above))
    picture = console.export_svg(title="make watch", unique_id="watch")
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)  # its fonts are on a server


def main() -> int:
    """Show the tasks of a stack until Ctrl-C; returns the exit status."""
    options = _options()
    only = states_of(options.status)
    target = Target.find(options.stack)
    health = HealthReader(target)
    reader = TaskTableReader(target.dynamodb, target.outputs["TasksTableName"])
    console = Console()

    def look() -> Above:
        return Above(target.title, health.findings(), only, reader.is_complete)

    if options.json or options.svg or not console.is_terminal:
        remark(target.title)  # the live picture has it in its first line
    if options.json:
        say_json(as_json(reader.rows(), time.time(), look()))
    elif options.svg:
        options.svg.write_text(screenshot(reader.rows(), time.time(), look()))
    else:
        with suppress(KeyboardInterrupt):  # how everybody ends it
            follow(reader.rows, console, look=look)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.watch", description=__doc__)
    parser.add_argument("--stack", help="a stack by its name; default: the local one where it is up, else AWS's")
    parser.add_argument("--status", default="", help="list only these, such as failed,copying")
    once = parser.add_mutually_exclusive_group()
    once.add_argument("--json", action="store_true", help="print how things are, for scripts, and end")
    once.add_argument("--svg", type=Path, help="write how things are to a picture, and end")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(run(main))
