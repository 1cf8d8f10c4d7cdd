"""Files of tasks: CSV, JSON, or a plain list of ids; each line is held against Intake's own rules."""

import csv
import difflib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Never

from boto3.dynamodb.types import TypeSerializer

from infra.command import printable
from intake.admission import problem_of
from shared.task import POLLED_ATTRIBUTES, WORKING_ATTRIBUTES, Task

MOST_BYTES = 100 << 20
METADATA = "metadata."

_DELIMITERS = ",;\t"
_BLANK = re.compile(r"\s*")
_NAMES = {"taskid": "task_id", "id": "task_id", "s3key": "s3_key"}
_OWN = {"task_id", "s3_key", "metadata"}
_SERVICE = {
    *POLLED_ATTRIBUTES,
    *WORKING_ATTRIBUTES,
    *("result", "s3_uri", "size", "etag", "stored_at", "ended_at", "expires_at"),
} - {"task_id"}
_ADMITTED = ("pending_since", "ended_at")
"""Intake takes an item that has one of these for one that it has seen."""

type Item = dict[str, Any]
type Lines = Iterator[tuple[int, Item]]


class FileError(Exception):
    """A line of the file is no task; nothing was inserted."""


@dataclass(frozen=True)
class TaskFile:
    """What a file says: the items by task id, and the columns that are no words of this service."""

    items: Mapping[str, Item]
    other_columns: Sequence[str] = ()


def decode(content: bytes) -> str:
    """Return the text of a file; FileError names the line that is no UTF-8."""
    if len(content) > MOST_BYTES:
        raise FileError(f"it is larger than {MOST_BYTES >> 20} MB; split it")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FileError("it is UTF-16, as some spreadsheets write `Unicode text`; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FileError(
            f"line {line} is not UTF-8 (byte {content[error.start]:#04x}), it may be Latin-1; save the file as UTF-8"
        ) from error


def parse(text: str, key: str | None = None) -> TaskFile:
    """Read a file; `key` is the s3_key of items without one, such as trailer/{task_id}.mp4.

    FileError names the first line that is no task, that Intake would refuse, or that repeats an id or a key.
    """
    if not text.strip():
        raise FileError("it is empty; give it one task a line")
    if key is not None and "{task_id}" not in key:
        raise FileError("KEY must hold {task_id}, else all videos would have one key")
    lines, others = _lines(text)
    items: dict[str, Item] = {}
    keys: dict[str, int] = {}
    for number, line in lines:
        item = _checked(number, {"s3_key": key, **line} if key else line)
        task_id = item["task_id"]
        if task_id in items:
            raise FileError(f"line {number} repeats the task_id {task_id}; remove one of the two")
        s3_key = Task.from_item(item).s3_key.replace("{task_id}", task_id)
        if s3_key in keys:
            raise FileError(f"line {number} has the same s3_key as line {keys[s3_key]}; the second video has no place")
        items[task_id], keys[s3_key] = item, number
    if not items:
        raise FileError("it holds no task but only a line of names")
    return TaskFile(items, others)


def _checked(number: int, line: Item) -> Item:
    task_id = line.get("task_id") or line.get("id")
    if not isinstance(task_id, str) or not task_id:
        raise FileError(f"line {number} has no task_id; give it the id that POST /v1/videos returned")
    item = line | {"task_id": task_id}
    if seen := [name for name in _ADMITTED if name in item]:
        raise FileError(f"line {number} holds {seen[0]}, which the service writes; remove it")
    if problem := problem_of(item):
        raise FileError(f"line {number}: {printable(problem).rstrip('.')}")
    try:
        json.dumps(item, default=str, ensure_ascii=False).encode()  # half a character is not noticed by the serializer
        TypeSerializer().serialize(item)
    except (TypeError, ArithmeticError, UnicodeEncodeError) as error:
        raise FileError(f"line {number} holds a value that DynamoDB does not take: {type(error).__name__}") from error
    return item


def _lines(text: str) -> tuple[Lines, Sequence[str]]:
    if text.lstrip()[0] in "{[":
        return _json_items(text), ()
    first, cells = _first_line(text)
    delimiter = next((d for d in _DELIMITERS if _names_an_id(cells[d])), None)
    if delimiter is not None:
        names = [_column(name) for name in cells[delimiter]]
        return _csv_items(text, delimiter, names), [n for n in names if n and n not in _OWN and not _is_metadata(n)]
    if any(d in first for d in _DELIMITERS) or not re.search(r"\d", first):
        raise FileError(
            f"line 1 names no column task_id, but {printable(first)[:80]!r}. A table has its names in line 1; a plain "
            "list has one id a line"
        )
    return _plain_items(text), ()


def _first_line(text: str) -> tuple[str, Mapping[str, Sequence[str]]]:
    first = next(line for line in text.splitlines() if line.strip())
    return first.strip(), {d: next(csv.reader([first], delimiter=d, skipinitialspace=True)) for d in _DELIMITERS}


def _plain_items(text: str) -> Lines:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, {"task_id": line.strip()}


def _csv_items(text: str, delimiter: str, names: Sequence[str]) -> Lines:
    if twice := next((name for name in names if name and names.count(name) > 1), None):
        raise FileError(f"line 1 names the column {twice} twice")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    begins, is_header = 1, True
    while True:
        try:
            row = [field.strip() for field in next(rows)]
        except StopIteration:
            return
        except csv.Error as error:
            raise FileError(f"line {begins} is no CSV: {error}") from error
        number, begins = begins, rows.line_num + 1
        if is_header or not any(row):
            is_header = is_header and not any(row)
            continue
        if len(row) < len(names) or any(row[len(names) :]) or any(v for n, v in zip(names, row, strict=False) if not n):
            raise FileError(f"line {number} has not as many fields as the first line has names")
        yield number, _nested((name, value) for name, value in zip(names, row, strict=False) if value)


def _nested(fields: Iterable[tuple[str, str]]) -> Item:
    said = dict(fields)
    metadata = {name.removeprefix(METADATA): said.pop(name) for name in list(said) if _is_metadata(name)}
    return said | ({"metadata": metadata} if metadata else {})


def _json_items(text: str) -> Lines:
    """Read one value after the other, however they are spread over lines, or the members of a list."""
    decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number)  # DynamoDB has no floats
    at = _skip(text, 0)
    is_list = text[at] == "["
    at += is_list
    number, counted_to = 1, 0
    while (at := _skip(text, at, "," if is_list else "")) < len(text) and not (is_list and text[at] == "]"):
        number, counted_to = number + text.count("\n", counted_to, at), at
        try:
            item, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            line = getattr(error, "lineno", number)
            raise FileError(f"line {line} is no JSON: {getattr(error, 'msg', error)}") from error
        if not isinstance(item, dict):
            raise FileError(f"line {number} is no JSON object")
        yield number, item
    if is_list and text[at:].strip() != "]":
        raise FileError("it is no JSON: the list does not end where the file does")


def _skip(text: str, at: int, separator: str = "") -> int:
    """Return where the next value begins."""
    while True:
        match = _BLANK.match(text, at)
        at = match.end() if match else at
        if not separator or not text.startswith(separator, at):
            return at
        at += 1


def _no_number(word: str) -> Never:
    raise ValueError(f"{word} is no number in JSON")


def _names_an_id(cells: Iterable[str]) -> bool:
    return any(_NAMES.get(_bare(cell)) == "task_id" for cell in cells)


def _column(name: str) -> str:
    """Return the attribute that the name of a column means; FileError where that is in doubt."""
    name = name.strip()
    if known := _NAMES.get(_bare(name)):
        return known
    head, dot, tail = name.partition(".")
    if dot and _bare(head) == "metadata":
        return METADATA + tail.strip().lower()
    if name.lower() in _SERVICE:
        raise FileError(f"line 1 has the column {name!r}, which the service writes; remove or rename it")
    meant = difflib.get_close_matches(_bare(name), [*_NAMES, "metadata"], n=1, cutoff=0.75) if len(name) > 3 else []
    if meant or _bare(name).startswith("metadata"):
        wanted = f"{METADATA}name" if not meant or meant[0] == "metadata" else _NAMES[meant[0]]
        raise FileError(f"line 1 has the column {printable(name)!r}; did you mean {wanted}?")
    return name


def _is_metadata(name: str) -> bool:
    return name.startswith(METADATA)


def _bare(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()
