"""Tasks as a person reads them: one row each, in a live table or as plain lines."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.filesize import decimal
from rich.measure import Measurement
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from infra.command import plain, printable
from infra.states import INSERTED
from shared.task import RETRY

WIDE = 120
_DAYS_FROM_HOURS = 48
NARROW_ID = 13
STYLES = {"stored": "green", "pending": "cyan", "ended without a video": "red"}
_TOKENS = ("total_tokens", "completion_tokens")
_SECONDS = ("duration", "seconds")


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
    result: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "TaskRow":
        """Read an item of the tasks table, as the service or a user wrote it."""
        error = item.get("error")
        named = error if isinstance(error, Mapping) else {"message": error}
        result = item.get("result")
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
            result=plain(result) if isinstance(result, Mapping) else {},
        )

    @property
    def outcome(self) -> str:
        """Whether the task is stored, pending or ended without a video."""
        if self.ended_at is None or self.status == RETRY:
            return "pending"
        return "stored" if self.s3_uri else "ended without a video"

    @property
    def stage(self) -> str:
        """The status, but for an item that Intake has not seen: a word in that is not the service's."""
        if self.status == RETRY or self.pending_since is not None or self.ended_at is not None:
            return self.status or INSERTED
        return INSERTED

    @property
    def s3_key(self) -> str:
        """The key of the stored video, else nothing."""
        return self.s3_uri.removeprefix("s3://").partition("/")[2]

    @property
    def tokens(self) -> int:
        """What the render took, 0 where CometAPI does not say."""
        usage = self.result.get("usage")
        return int(_first(usage, _TOKENS) or 0) if isinstance(usage, Mapping) else 0

    @property
    def render(self) -> str:
        """How long the video is and what it took, such as `5 s 109k tok`, as far as CometAPI says."""
        seconds = _first(self.result, _SECONDS)
        said = (f"{seconds:g} s" if seconds else "", f"{_short(self.tokens)} tok" if self.tokens else "")
        return " ".join(filter(None, said))

    @property
    def story(self) -> str:
        """Size and place of the video and what it was, or why there is none."""
        if self.outcome != "stored":
            return self.error
        return "  ".join(filter(None, (decimal(self.size), self.render, self.s3_uri)))

    def age(self, now: float) -> str:
        """Return how long it has taken so far, or in all."""
        if self.since is None:
            return ""
        return duration((now if self.outcome == "pending" else self.ended_at or now) - self.since)

    def line(self) -> str:
        """Return the task as one line of plain text."""
        progress = f" {self.progress} %" if self.outcome == "pending" else ""
        return f"{self.task_id}  {self.stage}{progress}  {self.story}".rstrip()


def task_table(rows: Sequence[TaskRow], width: int, height: int, now: float) -> Table:
    """Return a table of `width` columns, a line and a bar per task, of at most `height` tasks: pending ones stay."""
    shown = _that_fit(rows, height)
    columns = [
        Column("Task", no_wrap=True, overflow="ellipsis", max_width=None if width >= WIDE else NARROW_ID),
        Column("Status", no_wrap=True, min_width=11),
        Column("Render", width=12, no_wrap=True),
        Column("Age", justify="right", no_wrap=True, min_width=4),
        Column("Video, or why there is none", ratio=1, no_wrap=True, overflow="ellipsis"),
    ]
    caption = f"{len(rows) - len(shown):,} more" if len(shown) < len(rows) else None
    table = Table(*columns, caption=caption, caption_justify="left", expand=True, box=None, padding=(0, 2, 0, 0))
    for row in shown:
        table.add_row(*_cells(row, now))
    return table


def duration(seconds: float) -> str:
    """Return a time as people say it: 1:05, 7 h 02, or 29 d 23."""
    minutes, seconds = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= _DAYS_FROM_HOURS:
        return f"{hours // 24} d {hours % 24:02}"
    return f"{hours} h {minutes:02}" if hours else f"{minutes}:{seconds:02}"


@dataclass(frozen=True)
class _Key:
    """A key, which loses its middle where there is no room: folder and name are both of use; `lead` stays whole."""

    lead: str
    key: str

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        room = options.max_width - len(self.lead)
        tail = (room - 1) * 2 // 3
        fits = len(self.key) <= room or tail < 1
        cut = self.key if fits else f"{self.key[: room - 1 - tail]}…{self.key[-tail:]}"
        yield Text(self.lead + cut, no_wrap=True, overflow="ellipsis")

    def __rich_measure__(self, _: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, max(1, min(len(self.lead) + len(self.key), options.max_width)))


def _cells(row: TaskRow, now: float) -> Iterable[RenderableType]:
    style = STYLES[row.outcome]
    render: RenderableType = Text(row.render)
    if row.outcome != "stored" or not row.render:
        done = 100 if row.outcome == "stored" else row.progress
        render = ProgressBar(total=100, completed=done, width=10, complete_style=style, finished_style=style)
    # The reasons stand in full above the table.
    said: RenderableType = Text(row.code or row.error)
    if row.outcome == "stored":
        said = _Key(f"{decimal(row.size)}  ", row.s3_key)
    return Text(row.task_id), Text(row.stage, style=style), render, row.age(now), said


def _that_fit(rows: Sequence[TaskRow], height: int) -> Sequence[TaskRow]:
    if len(rows) <= height:
        return rows
    pending = [row for row in rows if row.outcome == "pending"]
    ended = sorted((row for row in rows if row.outcome != "pending"), key=lambda row: row.ended_at or 0)
    kept = {row.task_id for row in (ended + pending)[-height:]}
    return [row for row in rows if row.task_id in kept]


def _first(said: Mapping[str, Any], names: Iterable[str]) -> float | None:
    """Return the first of such names that holds a number above zero, CometAPI writes some as text."""
    for name in names:
        try:
            value = float(Decimal(str(said.get(name))))
        except InvalidOperation:
            continue
        if 0 < value < 1e15:
            return value
    return None


def _short(number: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.0f}"


def _number(value: object) -> int | None:
    if not isinstance(value, Decimal | int) or isinstance(value, bool):
        return None
    return int(value) if not isinstance(value, Decimal) or value.is_finite() else None


def _text(value: object) -> str:
    return printable(value or "")
