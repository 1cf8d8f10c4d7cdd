"""One task in full, as a person reads it."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from infra.command import plain, printable
from infra.states import STATES
from infra.task_view import TaskRow, duration

_TIMES = (
    *("created_at", "completed_at", "reported_at", "pending_since", "denied_since", "no_url_since", "lease_until"),
    *("stored_at", "updated_at", "ended_at", "expires_at"),
)
_FIRST = ("task_id", "status", "progress", "error", "s3_uri", "s3_key", "size", "result", "metadata")


def task_page(item: Mapping[str, Any], now: float) -> Iterator[str]:
    """Yield the lines of a page: what its state means, then every attribute, times as the clock here shows them."""
    row = TaskRow.from_item(item)
    yield f"{row.task_id} is {row.stage}: {STATES.get(row.stage, 'a word that this service does not know')}"
    names = [name for name in _FIRST if name in item] + sorted(item.keys() - {*_FIRST, *_TIMES})
    for name in [*names, *sorted((n for n in _TIMES if n in item), key=lambda n: str(item[n]))]:
        for label, value in _parts(name, plain(item[name])):
            yield f"  {printable(label):<20} {_time(value, now) if name in _TIMES else printable(value)}"


def _parts(name: str, value: object) -> Iterator[tuple[str, object]]:
    if not isinstance(value, Mapping):
        yield name, value
        return
    for inner, said in value.items():
        yield from _parts(f"{name}.{inner}", said)


def _time(value: object, now: float) -> str:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return printable(value)
    try:
        local = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value))
    except (OverflowError, ValueError, OSError):
        return printable(value)
    return f"{local}  ({duration(now - value)} ago)" if value <= now else f"{local}  (in {duration(value - now)})"
