"""`make feed FILE=…`: insert many tasks at once, from CSV, JSON, or a plain list of ids."""

import argparse
import re
import sys
from pathlib import Path

from infra.command import counted, each, remark, run, say, say_json
from infra.store import TaskStore
from infra.target import Target
from infra.task_file import MOST_BYTES, FileError, TaskFile, decode, parse
from infra.trouble import TroubleError

STANDARD_INPUT = "-"


def main() -> int:
    """Insert the tasks of a file, all or none of which are valid; returns the exit status."""
    options = _options()
    if bool(options.file) == bool(options.task):
        raise TroubleError("Say which tasks: FILE=tasks.csv, FILE=- for standard input, or TASK=id.")
    target = Target.announced(options.stack)
    file = _read(options)
    if file.other_columns:
        remark(f"Kept as attributes of your own: {', '.join(file.other_columns)}")
    store = TaskStore(target.dynamodb, target.outputs["TasksTableName"])
    total = len(file.items)
    if options.dry:
        there = 0 if options.again else len(store.existing(file.items))
        inserted, verb = total - there, "would be inserted"
    else:
        put = each(lambda item: store.insert(item, again=options.again), file.items.values(), "Inserting")
        inserted, verb = sum(put), "inserted"
    there = total - inserted
    if options.json:
        say_json({"stack": target.name, "dry": options.dry, "inserted": inserted, "already_there": there})
        return 0
    kept = f"; {counted(there, 'task')} there already, left alone (AGAIN=1 replaces)" if there else ""
    say(f"{counted(inserted, 'task')} {verb}{kept}")
    return 0


def _read(options: argparse.Namespace) -> TaskFile:
    shown = "TASK" if options.task else "standard input" if options.file == STANDARD_INPUT else options.file
    try:
        if options.task:
            return parse("\n".join(["task_id", *options.task.replace(",", " ").split()]), options.key)
        return parse(decode(_content(options.file)), options.key)
    except FileError as error:
        said = re.sub(r"^line \d+:? ", "", str(error)) if options.task else str(error)
        raise TroubleError(
            f"{shown}: {said.rstrip('.?')}{'?' if said.endswith('?') else '.'} Nothing was inserted."
        ) from error


def _content(name: str) -> bytes:
    if name == STANDARD_INPUT:
        return sys.stdin.buffer.read(MOST_BYTES + 1)
    with Path(name).open("rb") as file:
        return file.read(MOST_BYTES + 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.feed", description=__doc__)
    parser.add_argument(
        "file", nargs="?", help="CSV (, ; or tab) with a line of names first, JSON, or ids; - is standard input"
    )
    parser.add_argument("--stack", help="a stack by its name; default: the local one where it is up, else AWS's")
    parser.add_argument("--task", help="ids, in place of a file")
    parser.add_argument("--key", help="s3_key of tasks that name none, such as trailer/{task_id}.mp4")
    parser.add_argument("--dry", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--again", action="store_true", help="replace items that are there already, so they start anew")
    parser.add_argument("--json", action="store_true", help="print the counts for scripts")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(run(main))
