"""What a render was and cost: believed for nothing, so whatever is odd about it is left out."""

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from shared.comet_api.fields import PLACES, Layer, read_json, safe_text

_NAMES = ("duration", "seconds", "resolution", "ratio", "fps", "framespersecond", "seed")
# Together below 3.5 KB, so that a word about the last frame still fits into the 4 KB of a result.
_MOST_TEXT_BYTES = 128
_MOST_USAGE_BYTES = 2048
_ENTRY_BYTES = 8
# DynamoDB's numbers have 38 digits, and a magnitude between these.
_LEAST, _MOST = Decimal("1e-130"), Decimal("1e125")
_MOST_INTEGER = 10**38


def result_of(layers: Iterable[Layer], usage_header: str | None) -> dict[str, Any]:
    """Return what `layers`, the outermost first, and the header X-New-Api-Usage say of a render; never raises.

    Names and types are CometAPI's own, as DynamoDB takes them: text, numbers, and a map of these for usage.
    """
    places = [place for layer in layers for place in (layer, *map(layer.get, PLACES)) if isinstance(place, Mapping)]
    result: dict[str, Any] = {}
    for name in _NAMES:
        values = (_scalar(place.get(name)) for place in places)
        if (value := next((value for value in values if value is not None), None)) is not None:
            result[name] = value
    said = (*(place.get("usage") for place in places), read_json(usage_header or ""))
    if usage := next(filter(None, map(_usage, said)), None):
        result["usage"] = usage
    return result


def _usage(said: object) -> dict[str, Any]:
    """Return as much of `said` as there is room for."""
    usage: dict[str, Any] = {}
    room = _MOST_USAGE_BYTES
    for name, value in said.items() if isinstance(said, Mapping) else ():
        entry = _scalar(value)
        if entry is None or _text(name) is None:
            continue
        room -= _ENTRY_BYTES + len(name.encode()) + len(str(entry).encode())
        if room < 0:
            break
        usage[name] = entry
    return usage


def _scalar(value: object) -> str | int | Decimal | None:
    """Return a text or a number as DynamoDB takes it."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) < _MOST_INTEGER else None
    if not isinstance(value, float) or not math.isfinite(value):
        return None
    number = Decimal(repr(value))
    return number if not number or _LEAST <= abs(number) <= _MOST else None


def _text(value: str) -> str | None:
    """Return a short text that hides nothing: what `safe_text` would change is no plain word."""
    is_plain = 0 < len(value) <= _MOST_TEXT_BYTES and safe_text(value) == value
    return value if is_plain and len(value.encode()) <= _MOST_TEXT_BYTES else None
