"""The event filters of the template, applied as Lambda documents them."""

import json
from collections.abc import Iterator
from typing import Any

from tests.simulation.terms import READERS

type Leaf = tuple[tuple[str, ...], list[Any]]
"""Where a value stands in a record, and the rules of which it must meet one."""


def passes(role: str, record: dict[str, Any]) -> bool:
    """Tell whether any filter of a function lets a record through."""
    return any(_matches(leaves, record) for leaves in _FILTERS[role])


def _matches(leaves: list[Leaf], record: dict[str, Any]) -> bool:
    for path, rules in leaves:
        value: Any = record
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if not _meets(rules, value):
            return False
    return True


def _meets(rules: list[Any], value: Any) -> bool:
    return any(rule["exists"] is (value is not None) if isinstance(rule, dict) else rule == value for rule in rules)


def _leaves(pattern: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    for name, inner in pattern.items():
        if isinstance(inner, list):
            yield (*path, name), inner
        else:
            yield from _leaves(inner, (*path, name))


_FILTERS = {role: [list(_leaves(json.loads(pattern))) for pattern in terms.filters] for role, terms in READERS.items()}
