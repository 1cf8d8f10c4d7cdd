"""What `make watch` shows of given items."""

import json
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from infra import watch
from infra.operator_view import RATE_SECONDS, as_json, operator_view
from infra.task_view import TaskRow, duration
from infra.watch import follow, screenshot
from tests.template import ROOT
from tests.unit.conftest import NOW

REASON = "The request failed because the input text may contain sensitive information."
ITEMS: dict[str, dict[str, Any]] = {
    "inserted": {"task_id": "task_inserted"},
    "rendering": {"status": "IN_PROGRESS", "progress": Decimal(45), "pending_since": NOW - 90, "updated_at": NOW - 5},
    "old": {
        "status": "SUCCESS",
        "progress": Decimal(100),
        "pending_since": NOW - 7 * 3600,
        "updated_at": NOW - 60,
        "error": {"code": "http_418", "message": "The video host answers HTTP 418 instead of a video."},
    },
    "stored": {"status": "SUCCESS", "ended_at": NOW - 30, "s3_uri": "s3://videos/videos/a.mp4", "size": Decimal(4096)},
    "stored before": {
        "status": "SUCCESS",
        "ended_at": NOW - RATE_SECONDS - 1,
        "s3_uri": "s3://videos/videos/b.mp4",
        "size": Decimal(10**7),
    },
    "refused": {
        "status": "FAILED",
        "ended_at": NOW - 20,
        "updated_at": NOW - 20,
        "error": {"code": "content", "message": REASON},
    },
}
ROWS = [TaskRow.from_item({"task_id": f"task_{case}".replace(" ", "_"), **item}) for case, item in ITEMS.items()]


def shown(rows: list[TaskRow], width: int = 80, height: int = 24) -> list[str]:
    console = Console(width=width, height=height, file=StringIO(), color_system=None, force_terminal=False)
    console.print(operator_view(rows, console, NOW))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def test_counts_by_status_in_the_order_of_a_task_s_life() -> None:
    assert shown(ROWS)[0].split("  ") == ["1 INSERTED", "1 IN_PROGRESS", "1 COPYING", "2 STORED", "1 FAILED"]


def test_the_oldest_and_the_rate() -> None:
    assert shown(ROWS)[1] == "3 pending, the oldest for 7 h 00; 0.1 stored a minute"


def test_the_last_reasons_in_full_newest_first() -> None:
    text = " ".join(" ".join(shown(ROWS)).split())
    assert f"0:20 ago FAILED task_refused: {REASON} 1:00 ago COPYING task_old: The video host answers HTTP 418" in text


def test_a_line_and_a_bar_per_task() -> None:
    (rendering,) = [line for line in shown(ROWS) if line.startswith("task_renderi")]
    assert rendering.split()[1:] == ["IN_PROGRESS", "━━━━╸", "1:30"]
    (stored,) = [line for line in shown(ROWS) if line.startswith("task_stored ")]
    assert stored.split()[-3:] == ["4.1", "kB", "videos/a.mp4"]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    long = TaskRow.from_item({"task_id": "task_" + "x" * 200, "status": "FAILED", "ended_at": 1, "error": "y" * 999})
    assert max(map(len, shown([*ROWS, long], width))) <= width


@pytest.mark.parametrize("height", [12, 24, 50])
def test_many_tasks_fit_and_what_is_left_out_is_counted(height: int) -> None:
    rows = [TaskRow.from_item({"task_id": f"task_{n}", "pending_since": NOW - n}) for n in range(500)]
    lines = shown(ROWS + rows, height=height)
    assert len(lines) <= height
    listed = sum(line.startswith("task_") for line in lines)
    assert f"{506 - listed} more" in " ".join(lines)


def test_an_empty_table() -> None:
    assert shown([])[:2] == ["no tasks yet", "0 pending; 0 stored a minute"]


def test_words_of_strangers_do_not_reach_the_terminal_as_control_characters() -> None:
    evil = TaskRow.from_item({"task_id": "task_\x1b[2J", "error": {"code": "\x07", "message": "\x1b]0;x\x07[red]y"}})
    text = "\n".join(shown([evil]))
    assert "\x1b" not in text
    assert "[red]y" in text


def test_the_same_for_scripts() -> None:
    found = json.loads(json.dumps(as_json(ROWS, NOW)))
    assert found["at"] == NOW
    assert found["counts"] == {"INSERTED": 1, "IN_PROGRESS": 1, "COPYING": 1, "STORED": 2, "FAILED": 1}
    assert (found["pending"], found["oldest_pending_seconds"], found["stored_per_minute"]) == (3, 7 * 3600, 0.1)
    assert found["troubles"] == ["task_refused", "task_old"]
    (refused,) = [task for task in found["tasks"] if task["task_id"] == "task_refused"]
    assert (refused["code"], refused["error"], refused["outcome"]) == ("content", REASON, "ended without a video")


def test_the_screenshot_is_an_svg_of_what_is_shown() -> None:
    picture = screenshot(ROWS, NOW)
    assert picture.startswith("<svg")
    assert "task_refused" in picture
    assert 'url("http' not in picture


@pytest.mark.parametrize(("seconds", "said"), [(-5, "0:00"), (65, "1:05"), (3599.9, "59:59"), (25320, "7 h 02")])
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize("is_terminal", [True, False])
def test_following_until_all_is_done(is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - a parameter
    monkeypatch.setattr(watch, "INTERVAL_SECONDS", 0)
    console = Console(width=80, height=24, file=StringIO(), color_system=None, force_terminal=is_terminal)
    looks = iter([[], ROWS[:1], ROWS])
    assert follow(lambda: next(looks), console, lambda rows: len(rows) == len(ROWS)) == ROWS
    assert isinstance(console.file, StringIO)
    assert "task_refused" in console.file.getvalue()


def test_the_readme_shows_it() -> None:
    assert "](infra/watch.svg)" in (ROOT / "README.md").read_text()
    assert (ROOT / "infra/watch.svg").read_text().startswith("<svg")
