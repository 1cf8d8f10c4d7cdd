"""Files of tasks: what is read from them, and the sentence where a line is none."""

import io
from decimal import Decimal
from typing import Any

import pytest

from infra.feed import FileError, read

CSV: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "an id alone": ("task_id\na\n", {"a": {"task_id": "a"}}),
    "a key": ("task_id,s3_key\na,x/1.mp4\n", {"a": {"task_id": "a", "s3_key": "x/1.mp4"}}),
    "empty fields": ("task_id,s3_key,metadata.x\na,,\n", {"a": {"task_id": "a"}}),
    "metadata": (
        "task_id,metadata.project,metadata.scene\na,trailer,7b\nb,,8\n",
        {
            "a": {"task_id": "a", "metadata": {"project": "trailer", "scene": "7b"}},
            "b": {"task_id": "b", "metadata": {"scene": "8"}},
        },
    ),
    "attributes of the owner": ("task_id,color\na,blue\n", {"a": {"task_id": "a", "color": "blue"}}),
    "quoted fields, foreign line ends": (
        'task_id,s3_key\r\n"a","x, y.mp4"\r\n',
        {"a": {"task_id": "a", "s3_key": "x, y.mp4"}},
    ),
    "nothing but names": ("task_id\n", {}),
    "nothing": ("", {}),
}
JSON_LINES: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "an id alone": ('{"task_id": "a"}\n', {"a": {"task_id": "a"}}),
    "the answer of a create call": (
        '{"id": "a", "object": "video", "progress": 0}',
        {"a": {"task_id": "a", "id": "a", "object": "video", "progress": 0}},
    ),
    "both names": ('{"id": "x", "task_id": "a"}', {"a": {"id": "x", "task_id": "a"}}),
    "fractions": ('{"task_id": "a", "cost": 0.1}', {"a": {"task_id": "a", "cost": Decimal("0.1")}}),
    "empty lines": ('\n{"task_id": "a"}\n\n{"task_id": "b"}\n', {"a": {"task_id": "a"}, "b": {"task_id": "b"}}),
}
NO_CSV = {
    "no id": ("task_id,s3_key\n,x\n", "line 2 has no task_id"),
    "no such column": ("name\na\n", "line 2 has no task_id"),
    "twice": ("task_id\na\nb\na\n", "line 4 repeats the task_id a"),
    "too many fields": ("task_id\na,b\n", "line 2 has not as many fields"),
    "too few fields": ("task_id,s3_key\na\n", "line 2 has not as many fields"),
}
NO_JSON_LINES = {
    "no JSON": ('{"task_id": "a"}\nb\n', "line 2 is no JSON"),
    "no object": ('["a"]\n', "line 1 is no JSON object"),
    "no id": ('{"s3_key": "x"}\n', "line 1 has no task_id"),
    "an id that is a number": ('{"task_id": 7}\n', "line 1 has no task_id"),
    "twice": ('{"task_id": "a"}\n{"id": "a"}\n', "line 2 repeats the task_id a"),
}


@pytest.mark.parametrize(("text", "items"), CSV.values(), ids=CSV.keys())
def test_csv(text: str, items: dict[str, Any]) -> None:
    assert read(io.StringIO(text, newline=""), is_csv=True) == items


@pytest.mark.parametrize(("text", "items"), JSON_LINES.values(), ids=JSON_LINES.keys())
def test_json_lines(text: str, items: dict[str, Any]) -> None:
    assert read(io.StringIO(text), is_csv=False) == items


@pytest.mark.parametrize(("text", "message"), NO_CSV.values(), ids=NO_CSV.keys())
def test_no_csv(text: str, message: str) -> None:
    with pytest.raises(FileError, match=message):
        read(io.StringIO(text, newline=""), is_csv=True)


@pytest.mark.parametrize(("text", "message"), NO_JSON_LINES.values(), ids=NO_JSON_LINES.keys())
def test_no_json_lines(text: str, message: str) -> None:
    with pytest.raises(FileError, match=message):
        read(io.StringIO(text), is_csv=False)
