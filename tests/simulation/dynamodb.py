"""An in-memory DynamoDB table, as far as the functions use it; a conformance test compares it with others."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from types import SimpleNamespace
from typing import Any, Protocol
from zlib import crc32

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from tests.template import table_schema

type Wire = dict[str, Any]
"""An item as DynamoDB's protocol has it, each value under its type."""

_deserialize: Callable[[Wire], Any] = TypeDeserializer().deserialize  # type: ignore[assignment]  # more exact there
_serialize: Callable[[Any], Wire] = TypeSerializer().serialize  # type: ignore[assignment]  # see above

_INDEX = table_schema()["GlobalSecondaryIndexes"][0]
PROJECTED = frozenset(
    {*_INDEX["Projection"]["NonKeyAttributes"], *(key["AttributeName"] for key in _INDEX["KeySchema"])}
)
"""What the index holds of an item."""


class ConditionalCheckFailedException(ClientError):  # noqa: N818 - botocore's name
    """Somebody else was first."""


class Call(Protocol):
    """Has an effect on the world outside, or not, or twice: whatever the weather is like."""

    def __call__[T](self, what: str, effect: Callable[[], T]) -> T: ...


@dataclass(frozen=True, slots=True)
class Written:
    """One successful write: the item before and after it."""

    key: str
    before: Wire | None
    after: Wire | None


@dataclass(slots=True)
class Store:
    """The items, all their former versions, and who is told of every write."""

    items: dict[str, Wire] = field(default_factory=dict)
    versions: dict[str, list[tuple[float, Wire | None]]] = field(default_factory=dict)
    pending: dict[str, Wire] = field(default_factory=dict)
    """What the index would hold, did it follow at once."""
    now: Callable[[], float] = lambda: 0.0
    told: Callable[[Written], None] = lambda _: None

    def put(self, key: str, after: Wire | None) -> None:
        before = self.items.get(key)
        if after is None:
            self.items.pop(key, None)
        else:
            self.items[key] = after
        self.versions.setdefault(key, []).append((self.now(), after))
        self.pending.pop(key, None)
        if after is not None and "pending_since" in after:
            self.pending[key] = projected(after)
        self.told(Written(key, before, after))


@dataclass(slots=True)
class Staleness:
    """How old what an index tells may be: `share` of its items, by up to `seconds`."""

    random: Random = field(default_factory=lambda: Random(0))  # noqa: S311 - not for secrets
    share: float = 0.0
    seconds: float = 0.0
    page_size: int = 100


def at_once[T](what: str, effect: Callable[[], T]) -> T:  # noqa: ARG001 - nobody looks
    """Have the effect, in a world where nothing goes wrong."""
    return effect()


class DynamoDB:
    """A client of DynamoDB with one table."""

    exceptions = SimpleNamespace(ConditionalCheckFailedException=ConditionalCheckFailedException)

    def __init__(self, store: Store, call: Call = at_once, staleness: Staleness | None = None) -> None:
        self.store = store
        self._call = call
        self._staleness = staleness or Staleness()

    def put_item(self, *, TableName: str, Item: Wire) -> None:  # noqa: ARG002, N803 - boto3's names
        self._call(f"PutItem {Item['task_id']['S']}", lambda: self.store.put(Item["task_id"]["S"], dict(Item)))

    def delete_item(self, *, TableName: str, Key: Wire) -> None:  # noqa: ARG002, N803 - see above
        self._call(f"DeleteItem {Key['task_id']['S']}", lambda: self.store.put(Key["task_id"]["S"], None))

    def get_item(self, *, TableName: str, Key: Wire, ConsistentRead: bool) -> dict[str, Any]:  # noqa: ARG002, N803 - see above
        key = Key["task_id"]["S"]
        item = self._call(f"GetItem {key}", lambda: self.store.items.get(key))
        return {"Item": item} if item else {}

    def update_item(self, **request: Any) -> None:
        self._call(f"UpdateItem {request['Key']['task_id']['S']}", lambda: self._update(request))

    def get_paginator(self, operation: str) -> "DynamoDB":
        assert operation == "scan"
        return self

    def paginate(
        self,
        *,
        TableName: str,  # noqa: ARG002, N803 - boto3's names
        IndexName: str,  # noqa: N803 - see above
        Segment: int,  # noqa: N803 - see above
        TotalSegments: int,  # noqa: N803 - see above
        Select: str = "ALL_PROJECTED_ATTRIBUTES",  # noqa: N803 - see above
    ) -> Iterator[dict[str, Any]]:
        assert IndexName == _INDEX["IndexName"]
        known = self.store.versions if self._staleness.share else self.store.pending
        keys = [key for key in known if crc32(key.encode()) % TotalSegments == Segment]
        size = self._staleness.page_size
        for start in range(0, max(1, len(keys)), size):
            page = keys[start : start + size]
            items = self._call("Scan pending", lambda page=page: self._page(page))  # type: ignore[misc]
            yield {"Count": len(items), "Items": [] if Select == "COUNT" else items}

    def _page(self, keys: list[str]) -> list[Wire]:
        seen = (self._seen(key) for key in keys)
        return [item for item in seen if item]

    def _seen(self, key: str) -> Wire | None:
        """Return an item as an index shows it: it follows the table, but not at once."""
        staleness = self._staleness
        if staleness.share and staleness.random.random() < staleness.share:
            oldest = self.store.now() - staleness.seconds * staleness.random.random()
            item = next((item for since, item in reversed(self.store.versions[key]) if since <= oldest), None)
            return projected(item) if item and "pending_since" in item else None
        return self.store.pending.get(key)

    def _update(self, request: dict[str, Any]) -> None:
        names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
        item = self.store.items.get(request["Key"]["task_id"]["S"])
        conditions = request.get("ConditionExpression")
        if conditions and not all(_holds(part, names, values, item or {}) for part in conditions.split(" AND ")):
            code = {"Code": "ConditionalCheckFailedException", "Message": ""}
            response: Any = {"Error": code}
            if item and request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD":
                response["Item"] = item
            raise ConditionalCheckFailedException(response, "UpdateItem")
        after = dict(item or request["Key"])
        sets, _, removes = request["UpdateExpression"].removeprefix("SET ").partition(" REMOVE ")
        for assignment in sets.split(", "):
            alias, _, value = assignment.partition(" = ")
            after[names[alias]] = values[value]
        for alias in removes.split(", ") if removes else ():
            after.pop(names[alias], None)
        self.store.put(after["task_id"]["S"], after)


def projected(item: Wire) -> Wire:
    """Return the attributes that the index holds."""
    return {name: value for name, value in item.items() if name in PROJECTED}


def deserialize(value: Wire) -> Any:
    """Do as boto3's TypeDeserializer does with all that occurs here, in a third of the time."""
    ((kind, inner),) = value.items()
    match kind:
        case "S" | "BOOL":
            return inner
        case "N":
            return Decimal(inner)
        case "M":
            return {name: deserialize(each) for name, each in inner.items()}
        case "NULL":
            return None
    return _deserialize(value)


def serialize(value: Any) -> Wire:
    """Do as boto3's TypeSerializer does with all that occurs here, in less than half of the time."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return {"N": str(value)}
    if isinstance(value, dict):
        return {"M": {name: serialize(each) for name, each in value.items()}}
    return _serialize(value)


def _holds(condition: str, names: dict[str, str], values: Wire, item: Wire) -> bool:
    function, _, argument = condition.removesuffix(")").partition("(")
    name = names.get(argument, argument)
    if function == "attribute_exists":
        return name in item
    if function == "attribute_not_exists":
        return name not in item
    alias, _, value = condition.partition(" = ")
    return names[alias] in item and _are_equal(item[names[alias]], values[value])


def _are_equal(one: Wire, other: Wire) -> bool:
    if one == other:
        return True
    return "N" in one and "N" in other and Decimal(one["N"]) == Decimal(other["N"])
