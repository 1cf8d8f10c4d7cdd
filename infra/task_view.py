"""Tasks as a person reads them: one row each, in a live table or as plain lines."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rich.console import RenderableType
from rich.filesize import decimal
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

WIDE = 120
NARROW_ID = 13
STYLES = {"stored": "green", "pending": "cyan", "ended without a video": "red"}


@dataclass(frozen=True)
class TaskRow:
    """What an item says of its task; times are epoch seconds, None where the item does not say."""

    task_id: str
    status: str
    progress: int
    since: int | None
    pending_since: int | None
    updated_at: int | None
    ended_at: int | None
    s3_uri: str
    size: int
    code: str
    error: str

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "TaskRow":
        """Read an item of the tasks table, as the service or a user wrote it."""
        error = item.get("error")
        named = error if isinstance(error, Mapping) else {"message": error}
        return cls(
            task_id=_text(item.get("task_id")),
            status=_text(item.get("status")),
            progress=_number(item.get("progress")) or 0,
            since=_number(item.get("created_at")) or _number(item.get("pending_since")),
            pending_since=_number(item.get("pending_since")),
            updated_at=_number(item.get("updated_at")),
            ended_at=_number(item.get("ended_at")),
            s3_uri=_text(item.get("s3_uri")),
            size=_number(item.get("size")) or 0,
            code=_text(named.get("code")),
            error=_text(named.get("message")),
        )

    @property
    def outcome(self) -> str:
        """Whether the task is stored, pending or ended without a video."""
        if self.ended_at is None:
            return "pending"
        return "stored" if self.s3_uri else "ended without a video"

    @property
    def stage(self) -> str:
        """The status, in the words of a person where the bare one would mislead."""
        if self.outcome == "stored":
            return "STORED"
        if self.outcome == "pending" and self.status == "SUCCESS":
            return "COPYING"
        return self.status or "INSERTED"

    @property
    def s3_key(self) -> str:
        """The key of the stored video, else nothing."""
        return self.s3_uri.removeprefix("s3://").partition("/")[2]

    @property
    def result(self) -> str:
        """Size and place of the video, or why there is none."""
        return f"{decimal(self.size)}  {self.s3_uri}" if self.s3_uri else self.error

    def age(self, now: float) -> str:
        """Return how long it has taken so far, or in all."""
        if self.since is None:
            return ""
        return duration((self.ended_at or now) - self.since)

    def line(self) -> str:
        """Return the task as one line of plain text."""
        progress = f" {self.progress} %" if self.outcome == "pending" else ""
        return f"{self.task_id}  {self.stage}{progress}  {self.result}".rstrip()


def task_table(rows: Sequence[TaskRow], width: int, height: int, now: float) -> Table:
    """Return a table of `width` columns, a line and a bar per task, of at most `height` tasks: pending ones stay."""
    shown = _that_fit(rows, height)
    wide = width >= WIDE
    columns = [
        Column("Task", no_wrap=True, overflow="ellipsis", max_width=None if wide else NARROW_ID),
        Column("Status", no_wrap=True, min_width=11),
        Column("Progress", width=10),
        Column("Age", justify="right", no_wrap=True, min_width=4),
        Column("Result", ratio=1, no_wrap=True, overflow="ellipsis"),
    ]
    caption = f"{len(rows) - len(shown)} more" if len(shown) < len(rows) else None
    table = Table(*columns, caption=caption, caption_justify="left", expand=True, box=None, padding=(0, 2, 0, 0))
    for row in shown:
        table.add_row(*_cells(row, now, wide=wide))
    return table


def duration(seconds: float) -> str:
    """Return a time as people say it: 1:05, or 7 h 02."""
    minutes, seconds = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02}" if hours else f"{minutes}:{seconds:02}"


def _cells(row: TaskRow, now: float, *, wide: bool) -> Iterable[RenderableType]:
    style = STYLES[row.outcome]
    done = 100 if row.outcome == "stored" else row.progress
    bar = ProgressBar(total=100, completed=done, width=10, complete_style=style, finished_style=style)
    place = row.s3_uri if wide else row.s3_key
    # The end of an address is the task's own id, so it may be cut; the last reasons stand in full above the table.
    result = f"{decimal(row.size)}  {place}" if place else row.code or row.error
    return Text(row.task_id), Text(row.stage, style=style), bar, row.age(now), Text(result)


def _that_fit(rows: Sequence[TaskRow], height: int) -> Sequence[TaskRow]:
    if len(rows) <= height:
        return rows
    pending = [row for row in rows if row.outcome == "pending"]
    ended = sorted((row for row in rows if row.outcome != "pending"), key=lambda row: row.ended_at or 0)
    kept = {row.task_id for row in (ended + pending)[-height:]}
    return [row for row in rows if row.task_id in kept]


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, Decimal | int) and not isinstance(value, bool) else None


def _text(value: object) -> str:
    # Some words come from strangers, and a terminal obeys control characters.
    return "".join(character if character.isprintable() else " " for character in str(value or ""))
