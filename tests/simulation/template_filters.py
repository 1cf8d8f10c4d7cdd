"""The event filters of the template, applied as Lambda documents them."""

import json
from typing import Any

from tests.template import FUNCTIONS

_FILTERS = [
    json.loads(each["Pattern"])
    for each in FUNCTIONS["IntakeFunction"]["Events"]["Inserted"]["Properties"]["FilterCriteria"]["Filters"]
]


def passes(record: dict[str, Any]) -> bool:
    """Tell whether any filter lets a record through."""
    return any(_matches(pattern, record) for pattern in _FILTERS)


def _matches(pattern: Any, value: Any) -> bool:
    if isinstance(pattern, list):
        return any(_meets(rule, value) for rule in pattern)
    inner = value if isinstance(value, dict) else {}
    return all(_matches(rule, inner.get(name)) for name, rule in pattern.items())


def _meets(rule: Any, value: Any) -> bool:
    if isinstance(rule, dict):
        return bool(rule["exists"]) is (value is not None)
    return bool(rule == value)
