"""What whoever is on call sees in one look: health, counts, the oldest, the rate, the last reasons, then the tasks."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.text import Text

from infra.health import Finding
from infra.states import PENDING, STATES
from infra.task_view import STYLES, TaskRow, duration, task_table

RATE_SECONDS = 600
TROUBLES_SHOWN = 3
ORDER = tuple(STATES)


@dataclass(frozen=True)
class Above:
    """What stands above the tasks: which stack it is, and how it does."""

    title: str = ""
    health: Sequence[Finding] = ()
    only: frozenset[str] = frozenset()
    """The states that are listed; all where it is empty."""
    is_complete: bool = True
    """False where the table is so large that old ended tasks are not counted."""


NOTHING = Above()


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


def operator_view(rows: Sequence[TaskRow], console: Console, now: float, above: Above = NOTHING) -> RenderableType:
    """Return all of it, in the width of `console` and no higher."""
    summary = Summary.of(rows, now)
    listed = [row for row in rows if not above.only or row.stage in above.only]
    head = Group(*_health(above), *_headline(summary, above), *_reasons(summary, now), Text())
    left = console.height - len(console.render_lines(head)) - 3
    return Group(head, task_table(listed, console.width, max(1, left), now))


def as_json(rows: Sequence[TaskRow], now: float, above: Above = NOTHING) -> dict[str, Any]:
    """Return the same for scripts: health, the summary, then every task; times are epoch seconds."""
    summary = asdict(Summary.of(rows, now))
    troubles = [row["task_id"] for row in summary.pop("troubles")]
    listed = [row for row in rows if not above.only or row.stage in above.only]
    return {
        "at": int(now),
        "stack": above.title,
        "health": [asdict(finding) for finding in above.health],
        "is_complete": above.is_complete,
        **summary,
        "troubles": troubles,
        "tasks": [row_as_json(row) for row in listed],
    }


def row_as_json(row: TaskRow) -> dict[str, Any]:
    """Return a task for scripts."""
    return {**asdict(row), "stage": row.stage, "outcome": row.outcome}


def health_lines(health: Sequence[Finding]) -> list[Text]:
    """Return what is wrong, a line each, then the rest in one."""
    wrong = [Text(finding.text, style="bold red") for finding in health if finding.is_good is False]
    rest = [finding for finding in health if finding.is_good is not False]
    well = "; ".join(finding.text for finding in rest)
    style = "green" if rest and all(finding.is_good for finding in rest) else "dim"
    return [*wrong, *([Text(well, style=style)] if well else [])]


def _health(above: Above) -> Iterable[Text]:
    if above.title:
        yield Text(above.title, style="bold")
    yield from health_lines(above.health)


def _headline(summary: Summary, above: Above) -> Iterable[Text]:
    counts = Text("  ").join(Text(f"{count:,} {stage}", style=_style(stage)) for stage, count in summary.counts.items())
    yield counts or Text("no tasks yet")
    oldest = f", the oldest for {duration(summary.oldest_pending_seconds)}" if summary.pending else ""
    only = f"; listed: {', '.join(sorted(above.only, key=_rank))}" if above.only else ""
    partly = "" if above.is_complete else "; of so many tasks, the oldest that have ended are not counted"
    stored = f"{summary.stored_per_minute:g} stored a minute"
    yield Text(f"{summary.pending:,} pending{oldest}; {stored}{only}{partly}", style="dim")


def _reasons(summary: Summary, now: float) -> Iterable[Text]:
    """Yield the last reasons, each once, with the task that had it last."""
    alike: dict[tuple[str, str], list[TaskRow]] = {}
    for row in summary.troubles:
        alike.setdefault((row.stage, row.error), []).append(row)
    for (stage, error), rows in islice(alike.items(), TROUBLES_SHOWN):
        ago = duration(now - (rows[0].updated_at or now))
        more = f" and {len(rows) - 1:,} more" if len(rows) > 1 else ""
        yield Text.assemble(f"{ago} ago  ", (stage, _style(stage)), f"  {rows[0].task_id}{more}: {error}")


def _style(stage: str) -> str:
    if stage == "SUCCESS":
        return STYLES["stored"]
    return STYLES["pending" if stage in PENDING else "ended without a video"]


def _rank(stage: str) -> tuple[int, str]:
    return (ORDER.index(stage) if stage in ORDER else len(ORDER), stage)
