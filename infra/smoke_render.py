"""A real render, followed from its id to its object."""

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from infra.command import printable, remark
from infra.smoke_check import Check, failed, guarded, ok
from infra.smoke_deployed import Deployed
from infra.store import TaskStore
from infra.task_view import TaskRow

_EACH_SECONDS = 2.0


def followed(stack: Deployed, task_id: str, minutes: float) -> Iterator[Check]:
    """Yield whether a video is stored within `minutes`; its item is inserted where there is none, and stays."""
    return guarded("render", lambda: _followed(stack, task_id.strip(), minutes))


def _followed(stack: Deployed, task_id: str, minutes: float) -> Iterator[Check]:
    store = TaskStore(stack.target.dynamodb, stack.output("TasksTableName"))
    store.insert({"task_id": task_id}, again=False)
    deadline, told = time.monotonic() + 60 * minutes, ""
    while True:
        item = store.get(task_id)
        if item is None:
            yield failed("render", f"Somebody cancelled {printable(task_id)} meanwhile.", "Insert it again.")
            return
        row = TaskRow.from_item(item)
        if row.outcome != "pending":
            yield _ended(stack, row)
            return
        if row.line() != told:
            told = row.line()
            remark(told)
        if time.monotonic() > deadline:
            yield failed("render", f"{told} after {minutes:g} minutes.", "It goes on; `make watch` shows it.")
            return
        time.sleep(_EACH_SECONDS)


def _ended(stack: Deployed, row: TaskRow) -> Check:
    if row.outcome != "stored":
        why = f"{row.task_id} ended {row.stage}: {row.error}"
        return failed("render", why, f"Mend what it says, then `make retry TASK={row.task_id}`.")
    size = stack.target.s3.head_object(Bucket=urlsplit(row.s3_uri).netloc, Key=row.s3_key)["ContentLength"]
    if size != row.size:
        why = f"{row.s3_uri} has {size:,} bytes, the item says {row.size:,}."
        return failed("render", why, "Somebody has written over it.")
    return ok("render", f"{row.story}; item and video stay")
