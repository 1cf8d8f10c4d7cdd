"""How a table and a bucket must behave for the functions to keep their promise, whoever plays them.

Each scenario takes what it is about, and asserts. The simulation's, moto's and any other AWS must pass them all.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from copier.parts import Part
from copier.video_bucket import KeyTaken, Label, VideoBucket
from shared.task import ABSENT, Change
from shared.task_table import Segment, TaskTable

TABLE, BUCKET = "tasks", "videos"
ITEM: dict[str, Any] = {
    "task_id": {"S": "t"},
    "pending_since": {"N": "5"},
    "status": {"S": "SUBMITTED"},
    "nothing": {"NULL": True},
    "error": {"M": {"code": {"S": "c"}}},
}
EXPECTATIONS: list[tuple[dict[str, object], bool]] = [
    ({}, True),
    ({"pending_since": 5}, True),
    ({"pending_since": 5, "ended_at": ABSENT}, True),
    ({"nothing": None}, True),
    ({"error": {"code": "c"}}, True),
    ({"pending_since": 6}, False),
    ({"pending_since": "5"}, False),
    ({"pending_since": ABSENT}, False),
    ({"ended_at": 5}, False),
    ({"ended_at": None}, False),
    ({"nothing": ABSENT}, False),
    ({"error": {"code": "d"}}, False),
    ({"pending_since": 5, "status": "RETRY"}, False),
]


class Tables:
    """A client of DynamoDB with the empty tasks table, and the real TaskTable over it."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.table = TaskTable(client, TABLE)

    def put(self, item: dict[str, Any]) -> None:
        self.client.put_item(TableName=TABLE, Item=item)

    def delete(self, task_id: str) -> None:
        self.client.delete_item(TableName=TABLE, Key={"task_id": {"S": task_id}})

    def pending(self, segments: int = 1) -> list[str]:
        found = sorted(task.task_id for n in range(segments) for task in self.table.pending(Segment(n, segments)))
        assert self.table.count_pending() == len(found)
        return found


def a_change_happens_only_while_all_is_as_it_was(tables: Tables) -> None:
    for expected, happens in EXPECTATIONS:
        tables.put(ITEM)
        change = Change("t", expected, {"mark": 1, "error": {"code": "d"}}, frozenset({"status"}))
        assert tables.table.write(change) is happens, expected
        found = tables.table.get("t")
        assert found
        assert found.item.get("mark") == (1 if happens else None)
        assert found.status == (None if happens else "SUBMITTED")
        assert found.item["nothing"] is None


def numbers_are_equal_by_value(tables: Tables) -> None:
    tables.put({**ITEM, "progress": {"N": "30.0"}})
    assert tables.table.write(Change("t", {"progress": 30}, {"progress": 40}))
    found = tables.table.get("t")
    assert found
    assert found.progress == 40


def a_change_made_twice_happens_once(tables: Tables) -> None:
    tables.put(ITEM)
    change = Change("t", {"copy_attempts": ABSENT}, {"copy_attempts": 1})
    other = Change("t", {"copy_attempts": ABSENT}, {"copy_attempts": 2})
    # The second one finds what it wanted, as one does that botocore repeats; another one finds what it did not want.
    assert [tables.table.write(each) for each in (change, change, other)] == [True, True, False]


def a_deleted_item_is_not_brought_back(tables: Tables) -> None:
    tables.put(ITEM)
    tables.delete("t")
    tables.delete("t")
    for expected in ({}, {"pending_since": ABSENT}, {"pending_since": 5}):
        assert tables.table.write(Change("t", expected, {"mark": 1})) is False
    assert tables.table.get("t") is None


def an_item_put_again_is_another_one(tables: Tables) -> None:
    tables.put(ITEM)
    tables.put({"task_id": {"S": "t"}, "color": {"S": "blue"}})
    found = tables.table.get("t")
    assert found
    assert found.item == {"task_id": "t", "color": "blue"}


def the_index_holds_what_is_pending(tables: Tables) -> None:
    for number in range(10):
        tables.put({"task_id": {"S": f"p{number}"}, "pending_since": {"N": str(number)}})
        tables.put({"task_id": {"S": f"e{number}"}, "ended_at": {"N": str(number)}})
    assert tables.table.write(Change("p0", {}, {"ended_at": 1}, frozenset({"pending_since"})))
    assert tables.table.write(Change("e0", {}, {"pending_since": 1}, frozenset({"ended_at"})))
    for segments in (1, 3):
        assert tables.pending(segments) == sorted(["e0", *(f"p{number}" for number in range(1, 10))])


def the_index_holds_what_is_compared(tables: Tables) -> None:
    tables.put({**ITEM, "prompt": {"S": "the owner's"}, "s3_uri": {"S": "s3://b/k"}})
    (task,) = tables.table.pending(Segment())
    assert task.item == {"task_id": "t", "pending_since": 5, "status": "SUBMITTED", "error": {"code": "c"}}


def an_object_is_never_overwritten(bucket: VideoBucket) -> None:
    assert bucket.find("k") is None
    stored = bucket.put("k", Part.of(bytearray(b"one")), _label("a"))
    for _ in range(2):
        _assert_taken(lambda: bucket.put("k", Part.of(bytearray(b"other")), _label("b")))
    assert bucket.find("k") == stored
    assert (stored.size, stored.task_id) == (3, "a")


def a_completed_upload_never_overwrites(bucket: VideoBucket) -> None:
    stored = bucket.put("k", Part.of(bytearray(b"one")), _label("a"))
    _assert_taken(lambda: _upload(bucket, "k", b"other"))
    assert bucket.find("k") == stored


def an_upload_is_nowhere_before_it_is_complete(bucket: VideoBucket) -> None:
    with suppress(ZeroDivisionError), bucket.upload("k", _label("a")) as upload:
        upload.part(1, Part.of(bytearray(b"one")))
        assert bucket.find("k") is None
        raise ZeroDivisionError
    assert bucket.find("k") is None
    stored = _upload(bucket, "k", b"whole")
    assert bucket.find("k") == stored


def an_upload_completes_once(bucket: VideoBucket) -> None:
    with bucket.upload("k", _label("a")) as upload:
        upload.part(1, Part.of(bytearray(b"one")))
        upload.complete(3)
        _assert_taken(lambda: upload.complete(3))


def an_aborted_upload_takes_no_parts(bucket: VideoBucket) -> None:
    with bucket.upload("k", _label("a")) as upload:
        upload.part(1, Part.of(bytearray(b"one")))
        upload.abort()
        try:
            upload.part(2, Part.of(bytearray(b"two")))
        except ClientError as error:
            assert error.response["Error"]["Code"] == "NoSuchUpload"  # noqa: PT017 - the code is the point
        else:
            raise AssertionError


TABLE_SCENARIOS: list[Callable[[Tables], None]] = [
    a_change_happens_only_while_all_is_as_it_was,
    numbers_are_equal_by_value,
    a_change_made_twice_happens_once,
    a_deleted_item_is_not_brought_back,
    an_item_put_again_is_another_one,
    the_index_holds_what_is_pending,
    the_index_holds_what_is_compared,
]
BUCKET_SCENARIOS: list[Callable[[VideoBucket], None]] = [
    an_object_is_never_overwritten,
    a_completed_upload_never_overwrites,
    an_upload_is_nowhere_before_it_is_complete,
]
FORGOTTEN_UPLOAD_SCENARIOS: list[Callable[[VideoBucket], None]] = [
    an_upload_completes_once,
    an_aborted_upload_takes_no_parts,
]
"""Moto has no answer to a question about an upload that it has forgotten."""


def _label(task_id: str) -> Label:
    return {"ContentType": "video/mp4", "Metadata": {"task-id": task_id}}


def _upload(bucket: VideoBucket, key: str, body: bytes) -> Any:
    with bucket.upload(key, _label("c")) as upload:
        upload.part(1, Part.of(bytearray(body)))
        return upload.complete(len(body))


def _assert_taken(action: Callable[[], object]) -> None:
    try:
        action()
    except KeyTaken:
        return
    raise AssertionError
