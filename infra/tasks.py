"""`make retry`, `make cancel`, `make show`, `make list` and `make get`: the tasks of a stack, from a shell."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rich.filesize import decimal

from infra.command import counted, each, printable, remark, run, say, say_json
from infra.download import download
from infra.operator_view import row_as_json
from infra.states import GROUPS, INSERTED, STATES, states_of
from infra.store import Item, Outcome, TaskStore
from infra.target import Target
from infra.task_page import task_page
from infra.task_view import TaskRow
from infra.trouble import TroubleError
from shared.task import RETRY

_IN_INDEX = GROUPS["PENDING"] - {INSERTED, RETRY}
_NAMED = 5
_WIDEST_ID = 40

type Command = Callable[[argparse.Namespace, Target, TaskStore], int]


def main() -> int:
    """Do what the arguments ask for; returns the exit status."""
    options = _options()
    target = Target.announced(options.stack)
    command: Command = options.command
    return command(options, target, TaskStore(target.dynamodb, target.outputs["TasksTableName"]))


def _retry(options: argparse.Namespace, target: Target, store: TaskStore) -> int:
    """Ask for tasks once more."""
    ended = GROUPS["ENDED"] - {"SUCCESS"}
    return _change(options, target, _chosen(options, store, ended), store.retry, "asked for again")


def _cancel(options: argparse.Namespace, target: Target, store: TaskStore) -> int:
    """Cancel tasks that have not ended."""
    return _change(options, target, _chosen(options, store, _IN_INDEX), store.cancel, "cancelled")


def _change(
    options: argparse.Namespace, target: Target, task_ids: Sequence[str], change: Callable[[str], Outcome], done: str
) -> int:
    """Change tasks and count what came of it; the status is 1 where there was something to do and nothing was done."""
    outcomes = [Outcome.DONE] * len(task_ids) if options.dry else each(change, task_ids, done.capitalize())
    counts = Counter(outcomes)
    left = {
        outcome: [task_id for task_id, result in zip(task_ids, outcomes, strict=True) if result is outcome]
        for outcome in Outcome
        if outcome is not Outcome.DONE and counts[outcome]
    }
    if options.json:
        said = {outcome.value.replace(" ", "_"): ids for outcome, ids in left.items()}
        say_json({"stack": target.name, "dry": options.dry, "done": counts[Outcome.DONE], "left_alone": said})
    else:
        would = "would be " if options.dry else ""
        say(f"{counted(counts[Outcome.DONE], 'task')} {would}{done}")
        for outcome, ids in left.items():
            more = f" and {len(ids) - _NAMED:,} more" if len(ids) > _NAMED else ""
            say(f"{counted(len(ids), 'task')} left alone, {outcome.value}: {', '.join(ids[:_NAMED])}{more}")
    return 1 if left and not counts[Outcome.DONE] else 0


def _chosen(options: argparse.Namespace, store: TaskStore, states: frozenset[str]) -> Sequence[str]:
    """Return the tasks that are meant: those named, or those of these states with an error code."""
    if bool(options.task) == bool(options.code):
        raise TroubleError('Say which tasks: TASK="id id …", TASK=- for ids on standard input, or CODE=error_code.')
    if options.task:
        return _ids(options.task)
    rows = _rows(store, states, options.code)
    if not rows:
        raise TroubleError(f"No task that could be meant has the error code {options.code}; `make list` shows them.")
    return [row.task_id for row in rows]


def _ids(words: str) -> Sequence[str]:
    """Return ids without repetition; on standard input, the first word of each line, as `make list` prints them."""
    if words.strip() == "-":
        found = [line.split()[0] for line in sys.stdin if line.strip()]
    else:
        found = words.replace(",", " ").split()
    if not found:
        raise TroubleError("There are no ids on standard input.")
    return list(dict.fromkeys(found))


def _list(options: argparse.Namespace, target: Target, store: TaskStore) -> int:
    """List tasks, the oldest first."""
    states = states_of(options.status) if options.status else frozenset(STATES)
    rows = _rows(store, states, options.code)
    if options.json:
        say_json({"stack": target.name, "count": len(rows), "tasks": [row_as_json(row) for row in rows]})
        return 0
    now = time.time()
    width = min(max((len(row.task_id) for row in rows), default=0), _WIDEST_ID)
    for row in rows:
        progress = f"{row.progress:>3} %" if row.outcome == "pending" else ""
        said = f"{row.code}: {row.error}" if row.outcome != "stored" and row.code else row.story
        say(f"{row.task_id:<{width}}  {row.stage:<11}  {progress:>5}  {row.age(now):>7}  {said}".rstrip())
    remark(counted(len(rows), "task"))
    return 0


def _rows(store: TaskStore, states: frozenset[str], code: str | None) -> list[TaskRow]:
    """Return the tasks in such states, with such an error code; what only can be pending is read from the index."""
    items: Iterable[Item] = store.pending() if states <= _IN_INDEX else store.all()
    rows = (TaskRow.from_item(item) for item in items)
    chosen = [row for row in rows if row.stage in states and code in {None, "", row.code}]
    return sorted(chosen, key=lambda row: (row.since or 0, row.task_id))


def _show(options: argparse.Namespace, _: Target, store: TaskStore) -> int:
    """Show all that an item says."""
    if not options.task:
        raise TroubleError("Say which task: TASK=id.")
    item = _found(store, options.task)
    if options.json:
        say_json(item)
    else:
        say("\n".join(task_page(item, time.time())))
    return 0


def _get(options: argparse.Namespace, target: Target, store: TaskStore) -> int:
    """Download videos."""
    if not options.task:
        raise TroubleError('Say which tasks: TASK="id id …", or TASK=- for ids on standard input.')
    fetched, missing = [], []
    for task_id in _ids(options.task):
        try:
            for path in download(target.s3, _with_video(store, task_id), options.to):
                fetched.append({"task_id": task_id, "file": str(path), "size": path.stat().st_size})
                if not options.json:
                    say(f"{path}  {decimal(path.stat().st_size)}")
        except TroubleError as trouble:
            missing.append(str(trouble))
    if options.json:
        say_json({"stack": target.name, "files": fetched})
    else:
        say(f"{counted(len(fetched), 'file')} downloaded")
    for sentence in missing:
        remark(sentence)
    return 1 if missing else 0


def _found(store: TaskStore, task_id: str) -> Item:
    item = store.get(task_id.strip())
    if item is None:
        raise TroubleError(f"There is no task {printable(task_id)} in {store.table}: never inserted, or cancelled.")
    return item


def _with_video(store: TaskStore, task_id: str) -> Item:
    item = _found(store, task_id)
    row = TaskRow.from_item(item)
    if not row.s3_uri:
        raise TroubleError(f"{row.task_id} is {row.stage}, there is no video{f': {row.error}' if row.error else ''}")
    return item


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.tasks", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="retry|cancel|show|list|get")
    for name, command in (("retry", _retry), ("cancel", _cancel)):
        changing = _command(commands, name, command)
        changing.add_argument("--task", help="ids, or - for ids on standard input")
        changing.add_argument("--code", help="all with this error code")
        changing.add_argument("--dry", action="store_true", help="say what would be done, and do nothing")
    listing = _command(commands, "list", _list)
    listing.add_argument("--status", help="such as failed,expired, or pending, or ended")
    listing.add_argument("--code", help="all with this error code")
    _command(commands, "show", _show).add_argument("--task", help="an id")
    getting = _command(commands, "get", _get)
    getting.add_argument("--task", help="ids, or - for ids on standard input")
    getting.add_argument("--to", type=Path, default=Path("videos"), help="the folder for them; default: videos")
    return parser.parse_args()


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, command: Command
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
    parser.set_defaults(command=command)
    parser.add_argument("--stack", help="a stack by its name; default: the local one where it is up, else AWS's")
    parser.add_argument("--json", action="store_true", help="print it for scripts")
    return parser


if __name__ == "__main__":
    sys.exit(run(main))
