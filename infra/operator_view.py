"""What whoever is on call sees in one look: counts, the oldest, the rate, the last reasons, then task by task."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.text import Text

from infra.task_view import STYLES, TaskRow, duration, task_table

RATE_SECONDS = 600
TROUBLES_SHOWN = 3
ORDER = ("INSERTED", "SUBMITTED", "IN_PROGRESS", "COPYING", "STORED")


@dataclass(frozen=True)
class Summary:
    """How the tasks stand; the rate is videos stored per minute within RATE_SECONDS, the last troubles come first."""

    counts: dict[str, int]
    pending: int
    oldest_pending_seconds: int
    stored_per_minute: float
    troubles: Sequence[TaskRow]

    @classmethod
    def of(cls, rows: Sequence[TaskRow], now: float) -> "Summary":
        """Sum up `rows` as of `now`, in epoch seconds."""
        counts = Counter(row.stage for row in rows)
        waiting = [row.pending_since for row in rows if row.outcome == "pending" and row.pending_since is not None]
        stored = [row for row in rows if row.outcome == "stored" and now - (row.ended_at or 0) <= RATE_SECONDS]
        troubles = [row for row in rows if row.error]
        return cls(
            counts={stage: counts[stage] for stage in sorted(counts, key=_rank)},
            pending=sum(row.outcome == "pending" for row in rows),
            oldest_pending_seconds=max(0, int(now - min(waiting, default=now))),
            stored_per_minute=round(len(stored) / RATE_SECONDS * 60, 2),
            troubles=sorted(troubles, key=lambda row: row.updated_at or 0, reverse=True),
        )


def operator_view(rows: Sequence[TaskRow], console: Console, now: float) -> RenderableType:
    """Return all of it, in the width of `console` and no higher."""
    summary = Summary.of(rows, now)
    above = Group(*_headline(summary), *_reasons(summary, now), Text())
    left = console.height - len(console.render_lines(above)) - 3
    return Group(above, task_table(rows, console.width, max(1, left), now))


def as_json(rows: Sequence[TaskRow], now: float) -> dict[str, Any]:
    """Return the same for scripts: the summary, then every task; times are epoch seconds."""
    summary = asdict(Summary.of(rows, now))
    troubles = [row["task_id"] for row in summary.pop("troubles")]
    tasks = [{**asdict(row), "stage": row.stage, "outcome": row.outcome} for row in rows]
    return {"at": int(now), **summary, "troubles": troubles, "tasks": tasks}


def _headline(summary: Summary) -> Iterable[Text]:
    counts = Text("  ").join(Text(f"{count} {stage}", style=_style(stage)) for stage, count in summary.counts.items())
    yield counts or Text("no tasks yet")
    oldest = f", the oldest for {duration(summary.oldest_pending_seconds)}" if summary.pending else ""
    yield Text(f"{summary.pending} pending{oldest}; {summary.stored_per_minute:g} stored a minute", style="dim")


def _reasons(summary: Summary, now: float) -> Iterable[Text]:
    for row in summary.troubles[:TROUBLES_SHOWN]:
        ago = duration(now - (row.updated_at or now))
        yield Text.assemble(f"{ago} ago  ", (row.stage, _style(row.stage)), f"  {row.task_id}: {row.error}")


def _style(stage: str) -> str:
    if stage == "STORED":
        return STYLES["stored"]
    return STYLES["pending" if stage in ORDER else "ended without a video"]


def _rank(stage: str) -> tuple[int, str]:
    return (ORDER.index(stage) if stage in ORDER else len(ORDER), stage)
