"""DynamoDB's bytes and request units by AWS's published rules, from the items and requests themselves.

Sizes: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
Indexes: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from tests.simulation.dynamodb import DynamoDB, Store, Wire, Written, projected

PAGE_BYTES = 1024 * 1024
_READ_BYTES, _WRITE_BYTES = 4096, 1024
_NESTED = 3
"""Bytes that a map or list costs beside its elements, each of which costs one more."""


def item_size(item: Wire) -> int:
    """Return the bytes of an item: the names of its attributes and their values."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Wire) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return 1 + (len(content.strip("-0.").replace(".", "")) + 1) // 2
        case "M":
            return _NESTED + item_size(content) + len(content)
        case "L":
            return _NESTED + sum(_value_size(element) + 1 for element in content)
        case _:
            return 1


def scan_units(size: int) -> float:
    """Return the read units of an eventually consistent Scan over so many bytes; each page is rounded up."""
    pages, rest = divmod(size, PAGE_BYTES)
    return pages * PAGE_BYTES / _READ_BYTES / 2 + (max(1, ceil(rest / _READ_BYTES)) / 2 if rest or not pages else 0)


def write_units(sizes: Iterable[int]) -> int:
    """Return the write units of one write, given the bytes of the item before and after it: the larger counts."""
    return max(1, ceil(max(sizes) / _WRITE_BYTES))


@dataclass(slots=True)
class Meter:
    """What DynamoDB was asked for so far."""

    read_units: float = 0.0
    read_bytes: int = 0
    writes: int = 0
    write_units: int = 0
    write_bytes: int = 0
    index_units: int = 0
    scans: list[int] = field(default_factory=list)
    """The bytes that the table held at each Scan, which is what a Scan of the table would have read."""


class MeteredDynamoDB(DynamoDB):
    """The simulation's table, of which every request is weighed."""

    def __init__(self) -> None:
        """Start empty."""
        super().__init__(Store(told=self._weigh))
        self.meter = Meter()
        self._table_bytes = 0

    def get_item(self, **request: Any) -> dict[str, Any]:
        """Weigh a consistent read."""
        answer = super().get_item(**request)
        size = item_size(answer.get("Item", {}))
        self._read(size, max(1, ceil(size / _READ_BYTES)))
        return answer

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        """Weigh a Scan of the index; to ask for less of its items saves nothing."""
        is_count = request.pop("Select", None) == "COUNT"
        items = [item for page in super().paginate(**request) for item in page["Items"]]
        size = sum(map(item_size, items))
        self._read(size, scan_units(size))
        self.meter.scans.append(self._table_bytes)
        yield {"Count": len(items), "Items": [] if is_count else items}

    def _read(self, size: int, units: float) -> None:
        self.meter.read_bytes += size
        self.meter.read_units += units

    def _weigh(self, written: Written) -> None:
        before, after = item_size(written.before or {}), item_size(written.after or {})
        self._table_bytes += after - before
        self.meter.writes += 1
        self.meter.write_bytes += after
        self.meter.write_units += write_units([before, after])
        # The key of the index never changes while an item is in it, so each change of what it holds is one write.
        held = [
            projected(item) if item and "pending_since" in item else None for item in (written.before, written.after)
        ]
        if held[0] != held[1]:
            self.meter.index_units += write_units(item_size(item or {}) for item in held)
