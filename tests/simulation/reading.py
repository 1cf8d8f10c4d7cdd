"""Reading each item once: the functions, the index and the invariants look at the same ones again and again."""

from collections.abc import Callable
from typing import Any

from shared.task import Task
from shared.task_table import read_item
from tests.simulation.dynamodb import Wire

_NOTHING: Wire = {}


class Reading:
    """What the items of a world say; nobody may change what is returned."""

    def __init__(self) -> None:
        self.item = _once(read_item)
        self.task = _once(Task.from_item)

    def item_or_nothing(self, wire: Wire | None) -> dict[str, Any]:
        """Return an item's plain values; none of an item that is not there."""
        return self.item(wire or _NOTHING)

    def task_in(self, wire: Wire) -> Task:
        """Return the task that an item holds."""
        return self.task(self.item(wire))


def _once[T](read: Callable[[Any], T]) -> Callable[[Any], T]:
    known: dict[int, tuple[Any, T]] = {}

    def read_once(item: Any) -> T:
        found = known.get(id(item))
        if found is None:
            found = known[id(item)] = item, read(item)  # who is kept keeps its identity
        return found[1]

    return read_once
