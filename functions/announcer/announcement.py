"""Deciding from an item before and after a change whether its task ended by it."""

from decimal import Decimal
from typing import Any

from shared.task import RETRY, Item

_TOLD = ("task_id", "status", "error", "s3_uri", "result")


def announcement(before: Item, after: Item) -> dict[str, Any] | None:
    """Return what to say of a change that ended a task, None for any other; values that an item lacks are None.

    It looks at both images: an ended item changes again, by its owner's hand and by RETRY, and may end anew. An item
    that is put with its ending, from a backup for example, has ended before.
    """
    if not before or _has_ended(before) or not _has_ended(after):
        return None
    return {name: _plain(after.get(name)) for name in _TOLD}


def _has_ended(item: Item) -> bool:
    return "ended_at" in item and item.get("status") != RETRY


def _plain(value: Any) -> Any:  # noqa: ANN401 - what an item holds
    """Return a value with JSON's numbers in place of DynamoDB's."""
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
    return value
