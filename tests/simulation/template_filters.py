"""The event filters of the template, applied as Lambda documents them."""

import json
from typing import Any

from tests.simulation.terms import READERS

_FILTERS = {role: [json.loads(pattern) for pattern in terms.filters] for role, terms in READERS.items()}


def passes(role: str, record: dict[str, Any]) -> bool:
    """Tell whether any filter of a function lets a record through."""
    return any(_matches(pattern, record) for pattern in _FILTERS[role])


def _matches(pattern: Any, value: Any) -> bool:
    if isinstance(pattern, list):
        return any(_meets(rule, value) for rule in pattern)
    inner = value if isinstance(value, dict) else {}
    return all(_matches(rule, inner.get(name)) for name, rule in pattern.items())


def _meets(rule: Any, value: Any) -> bool:
    if isinstance(rule, dict):
        return bool(rule["exists"]) is (value is not None)
    return bool(rule == value)
