"""Files of tasks: what is read from them, and the sentence where a line is none."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.task_file import FileError, decode, parse

TABLES: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "an id alone": ("task_id\na\n", {"a": {"task_id": "a"}}),
    "a key": ("task_id,s3_key\na,x/1.mp4\n", {"a": {"task_id": "a", "s3_key": "x/1.mp4"}}),
    "semicolons": ("task_id;s3_key\na;x,1.mp4\n", {"a": {"task_id": "a", "s3_key": "x,1.mp4"}}),
    "tabs": ("task_id\ts3_key\na\tx/1.mp4\n", {"a": {"task_id": "a", "s3_key": "x/1.mp4"}}),
    "empty fields": ("task_id,s3_key,metadata.x\na,,\n", {"a": {"task_id": "a"}}),
    "empty lines, of a spreadsheet too": ("\ntask_id,s3_key\n\na,\n,\n", {"a": {"task_id": "a"}}),
    "columns of a spreadsheet without a name": ("task_id,,\na,,\n", {"a": {"task_id": "a"}}),
    "metadata": (
        "task_id,metadata.project,metadata.scene\na,trailer,7b\nb,,8\n",
        {
            "a": {"task_id": "a", "metadata": {"project": "trailer", "scene": "7b"}},
            "b": {"task_id": "b", "metadata": {"scene": "8"}},
        },
    ),
    "names that are clearly meant": (
        "Task ID, S3_Key ,Metadata.Project\na,x/1.mp4,trailer\n",
        {"a": {"task_id": "a", "s3_key": "x/1.mp4", "metadata": {"project": "trailer"}}},
    ),
    "the name of the API": ("id, s3-key\na, x/1.mp4\n", {"a": {"task_id": "a", "s3_key": "x/1.mp4"}}),
    "attributes of the owner": ("task_id,color\na,blue\n", {"a": {"task_id": "a", "color": "blue"}}),
    "quoted fields, foreign line ends": (
        'task_id,s3_key\r\n"a","x, y.mp4"\r\n',
        {"a": {"task_id": "a", "s3_key": "x, y.mp4"}},
    ),
    "a field over two lines": (
        'task_id,note\na,"x\ny"\nb,z\n',
        {
            "a": {"task_id": "a", "note": "x\ny"},
            "b": {"task_id": "b", "note": "z"},
        },
    ),
    "a list of ids": ("task_1\n\n task_2 \n", {"task_1": {"task_id": "task_1"}, "task_2": {"task_id": "task_2"}}),
}
JSON: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "an id alone": ('{"task_id": "a"}\n', {"a": {"task_id": "a"}}),
    "the answer of a create call": (
        '{"id": "a", "object": "video", "status": "queued", "progress": 0, "metadata": {"x": null}}',
        {
            "a": {
                "task_id": "a",
                "id": "a",
                "object": "video",
                "status": "queued",
                "progress": 0,
                "metadata": {"x": None},
            }
        },
    ),
    "both names": ('{"id": "x", "task_id": "a"}', {"a": {"id": "x", "task_id": "a"}}),
    "fractions": ('{"task_id": "a", "cost": 0.1}', {"a": {"task_id": "a", "cost": Decimal("0.1")}}),
    "empty lines": ('\n{"task_id": "a"}\n\n{"task_id": "b"}\n', {"a": {"task_id": "a"}, "b": {"task_id": "b"}}),
    "over several lines": ('{\n "task_id":\n "a"\n}\n{"task_id": "b"}', {"a": {"task_id": "a"}, "b": {"task_id": "b"}}),
    "a list": ('[\n{"task_id": "a"},\n {"task_id": "b"}\n]\n', {"a": {"task_id": "a"}, "b": {"task_id": "b"}}),
}
NO_TABLE = {
    "nothing": ("", "it is empty"),
    "blanks": (" \n\n", "it is empty"),
    "nothing but names": ("task_id\n", "it holds no task but only a line of names"),
    "no id": ("task_id,s3_key\n,x\n", "line 2 has no task_id"),
    "no such column": ("name\na\n", "line 1 names no column task_id, but 'name'"),
    "no such column in a table": ("name,s3_key\na,x\n", "line 1 names no column task_id, but 'name,s3_key'"),
    "twice": ("task_id\na\nb\na\n", "line 4 repeats the task_id a"),
    "too many fields": ("task_id,s3_key\na,b,c\n", "line 2 has not as many fields"),
    "too few fields": ("task_id,s3_key,x\na,b\n", "line 2 has not as many fields"),
    "a value without a name": ("task_id,\na,b\n", "line 2 has not as many fields"),
    "a name twice": ("task_id,s3_key,S3 Key\na,b,c\n", "line 1 names the column s3_key twice"),
    "a misspelled name": ("task_id,s3_kye\na,b\n", "line 1 has the column 's3_kye'; did you mean s3_key?"),
    "metadata with another sign": ("task_id,metadata_x\na,b\n", "column 'metadata_x'; did you mean metadata.name?"),
    "the service's own": ("task_id,Status\na,RETRY\n", "line 1 has the column 'Status', which the service writes"),
    "an open quote": ('task_id\n"a\nb\n', "line 2 is no CSV"),
    "a line after one of two": ('task_id,note\na,"x\ny"\n,z\n', "line 4 has no task_id"),
    "a key that Intake refuses": ("task_id,s3_key\na,x.mp4\nb,/y.mp4\n", "line 3: s3_key must not start or end with /"),
    "a key that is a folder": ("task_id,s3_key\na,x/\n", "line 2: s3_key must not start or end with /"),
    "an id that Intake refuses": ("task_1\nhttps://x/task_2\n", "line 2: task_id must be the id"),
    "metadata that Intake refuses": ("task_id,metadata.a b\na,x\n", "line 2: metadata has the name 'a b'"),
    "two videos with one key": ("task_id,s3_key\na,x.mp4\nb,x.mp4\n", "line 3 has the same s3_key as line 2"),
    "a key that another has by default": (
        "task_id,s3_key\na,\nb,videos/a.mp4\n",
        "line 3 has the same s3_key as line 2",
    ),
}
NO_JSON = {
    "no JSON": ('{"task_id": "a"}\nb\n', "line 2 is no JSON"),
    "broken off": ('{"task_id": "a"}\n{"task_id": \n', "line 3 is no JSON"),
    "a list that is broken off": ('[{"task_id": "a"},\n{"task_id": "b"}', "the list does not end"),
    "more behind a list": ('[{"task_id": "a"}]\n{"task_id": "b"}', "the list does not end where the file does"),
    "no object": ('["a"]\n', "line 1 is no JSON object"),
    "no id": ('{"s3_key": "x"}\n', "line 1 has no task_id"),
    "an id that is a number": ('{"task_id": 7}\n', "line 1 has no task_id"),
    "twice": ('{"task_id": "a"}\n{"id": "a"}\n', "line 2 repeats the task_id a"),
    "no number": ('{"task_id": "a", "x": NaN}\n', "line 1 is no JSON: NaN is no number"),
    "a number that DynamoDB lacks": ('{"task_id": "a", "x": 1e200}\n', "line 1 holds a value that DynamoDB does not"),
    "more digits than DynamoDB has": (f'{{"task_id": "a", "x": 1{"1" * 38}}}', "line 1 holds a value that DynamoDB"),
    "half a character": ('{"task_id": "a", "x": "\\ud800"}\n', "line 1 holds a value that DynamoDB does not take"),
    "too large": (f'{{"task_id": "a", "x": "{"y" * 410_000}"}}', "line 1: the item is larger than 384 KB"),
    "an item of another table": ('{"task_id": "a", "ended_at": 1}', "line 1 holds ended_at, which the service writes"),
    "a key that is no text": ('{"task_id": "a", "s3_key": 7}', "line 1: s3_key must be a string"),
    "metadata that is no map": ('{"task_id": "a"}\n{"task_id": "b", "metadata": ["x"]}', "line 2: metadata must be a"),
}
OF_THE_SERVICE = (
    *("status", "progress", "model", "created_at", "completed_at", "reported_at", "result", "error", "pending_since"),
    *("lease", "lease_until", "denied_since", "no_url_since", "copy_attempts", "s3_uri", "size", "etag", "stored_at"),
    *("updated_at", "ended_at", "expires_at"),
)
NO_TEXT = {
    "Latin-1": (
        "task_id,metadata.x\na,b\nc,é\n".encode("latin-1"),
        r"line 3 is not UTF-8 \(byte 0xe9\), it may be Lat",
    ),
    "UTF-16": ("task_id\na\n".encode("utf-16"), "it is UTF-16"),
}


@pytest.mark.parametrize(("text", "items"), [*TABLES.values(), *JSON.values()], ids=[*TABLES, *JSON])
def test_what_a_file_says(text: str, items: dict[str, Any]) -> None:
    assert parse(text).items == items


@pytest.mark.parametrize(("text", "message"), [*NO_TABLE.values(), *NO_JSON.values()], ids=[*NO_TABLE, *NO_JSON])
def test_what_is_no_task(text: str, message: str) -> None:
    with pytest.raises(FileError) as caught:
        parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", OF_THE_SERVICE)
def test_a_column_that_the_service_writes_is_refused(name: str) -> None:
    with pytest.raises(FileError, match=f"^line 1 has the column '{name}', which the service writes"):
        parse(f"task_id,{name}\na,1\n")


@pytest.mark.parametrize(("content", "message"), NO_TEXT.values(), ids=NO_TEXT.keys())
def test_what_is_no_text(content: bytes, message: str) -> None:
    with pytest.raises(FileError, match=message):
        decode(content)


def test_a_mark_of_utf_8_is_no_part_of_a_name() -> None:
    assert decode("task_id\na\n".encode("utf-8-sig")) == "task_id\na\n"


def test_a_key_for_all_that_have_none() -> None:
    items = parse("task_id,s3_key\na,\nb,x.mp4\n", "trailer/{task_id}.mp4").items
    assert {task_id: item["s3_key"] for task_id, item in items.items()} == {
        "a": "trailer/{task_id}.mp4",
        "b": "x.mp4",
    }


def test_a_key_that_all_would_share_is_refused_and_not_repeated() -> None:
    with pytest.raises(FileError) as caught:
        parse("task_id\na\n", "sk-secret")
    assert str(caught.value) == "KEY must hold {task_id}, else all videos would have one key"


def test_columns_that_are_the_owner_s_are_named() -> None:
    assert parse("task_id,color,metadata.x\na,blue,1\n").other_columns == ["color"]


@given(st.sampled_from(["", "task_id\n", "task_id,s3_key\n", '{"task_id": "a"}\n', "[", "task_1\n"]), st.text())
def test_any_text_is_tasks_or_told(head: str, text: str) -> None:
    with suppress(FileError):
        items = parse(head + text).items
        assert all(item["task_id"] == task_id for task_id, item in items.items())
        assert items


@given(st.binary())
def test_any_bytes_are_text_or_told(content: bytes) -> None:
    with suppress(FileError):
        assert isinstance(decode(content), str)
