"""What `make watch` shows of given items."""

import json
import time
from decimal import Decimal
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from infra import watch
from infra.health import Finding
from infra.operator_view import RATE_SECONDS, Above, as_json, operator_view
from infra.states import PENDING, STATES, states_of
from infra.task_view import TaskRow, duration
from infra.trouble import TroubleError
from infra.watch import follow, screenshot
from tests.template import ROOT
from tests.unit.conftest import NOW

REASON = "The request failed because the input text may contain sensitive information."
ITEMS: dict[str, dict[str, Any]] = {
    "inserted": {"status": "queued"},
    "rendering": {"status": "IN_PROGRESS", "progress": Decimal(45), "pending_since": NOW - 90, "updated_at": NOW - 5},
    "old": {
        "status": "COPYING",
        "progress": Decimal(100),
        "pending_since": NOW - 7 * 3600,
        "updated_at": NOW - 60,
        "error": {"code": "http_418", "message": "The video host answers HTTP 418 instead of a video."},
    },
    "stored": {
        "status": "SUCCESS",
        "ended_at": NOW - 30,
        "s3_uri": "s3://videos/videos/a.mp4",
        "size": Decimal(4096),
        "result": {"duration": "5", "usage": {"total_tokens": Decimal(108900)}, "cost": Decimal("0.5")},
    },
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
    assert shown(ROWS)[0].split("  ") == ["1 INSERTED", "1 IN_PROGRESS", "1 COPYING", "2 SUCCESS", "1 FAILED"]


def test_the_oldest_and_the_rate() -> None:
    assert shown(ROWS)[1] == "3 pending, the oldest for 7 h 00; 0.1 stored a minute"


def test_the_last_reasons_in_full_newest_first() -> None:
    text = " ".join(" ".join(shown(ROWS)).split())
    assert f"0:20 ago FAILED task_refused: {REASON} 1:00 ago COPYING task_old: The video host answers HTTP 418" in text


def test_a_reason_that_many_have_is_told_once() -> None:
    rows = [
        TaskRow.from_item({"task_id": f"task_{n}", "status": "FAILED", "ended_at": NOW, "error": "x"}) for n in range(9)
    ]
    lines = [line for line in shown(rows) if "ago  FAILED" in line]
    assert lines == ["0:00 ago  FAILED  task_0 and 8 more: x"]


def test_a_line_and_a_bar_per_task() -> None:
    (rendering,) = [line for line in shown(ROWS) if line.startswith("task_renderi")]
    assert rendering.split()[1:] == ["IN_PROGRESS", "━━━━╸", "1:30"]
    (stored,) = [line for line in shown(ROWS) if line.startswith("task_stored ")]
    assert stored.split()[1:] == ["SUCCESS", "5", "s", "109k", "tok", "4.1", "kB", "videos/a.mp4"]


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
    assert found["counts"] == {"INSERTED": 1, "IN_PROGRESS": 1, "COPYING": 1, "SUCCESS": 2, "FAILED": 1}
    assert (found["pending"], found["oldest_pending_seconds"], found["stored_per_minute"]) == (3, 7 * 3600, 0.1)
    assert found["troubles"] == ["task_refused", "task_old"]
    (refused,) = [task for task in found["tasks"] if task["task_id"] == "task_refused"]
    assert (refused["code"], refused["error"], refused["outcome"]) == ("content", REASON, "ended without a video")


def test_the_screenshot_is_an_svg_of_what_is_shown() -> None:
    picture = screenshot(ROWS, NOW)
    assert picture.startswith("<svg")
    assert "task_refused" in picture
    assert 'url("http' not in picture


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "0:00"), (65, "1:05"), (3599.9, "59:59"), (25320, "7 h 02"), (172799, "47 h 59"), (2591999, "29 d 23")],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize("is_terminal", [True, False])
def test_following_until_all_is_done(is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - a parameter
    pauses: list[float] = []
    clock = SimpleNamespace(sleep=pauses.append, time=time.time, strftime=time.strftime)
    monkeypatch.setattr(watch, "time", clock)
    console = Console(width=80, height=24, file=StringIO(), color_system=None, force_terminal=is_terminal)
    looks = iter([[], ROWS[:1], ROWS])
    assert follow(lambda: next(looks), console, lambda rows: len(rows) == len(ROWS)) == ROWS
    assert pauses == [1, 1]
    assert isinstance(console.file, StringIO)
    assert "task_refused" in console.file.getvalue()


def test_the_readme_shows_it() -> None:
    assert "](infra/watch.svg)" in (ROOT / "README.md").read_text()
    assert (ROOT / "infra/watch.svg").read_text().startswith("<svg")


@pytest.mark.parametrize("state", STATES)
def test_every_state_is_counted_by_its_own_word(state: str) -> None:
    ended = {} if state in PENDING else {"ended_at": NOW}
    waiting = {"pending_since": NOW} if state in PENDING and state not in {"INSERTED", "RETRY"} else {}
    row = TaskRow.from_item({"task_id": "a", "status": state.replace("INSERTED", "queued"), **ended, **waiting})
    assert row.stage == state
    assert shown([row])[0] == f"1 {state}"
    assert row.outcome == ("pending" if state in PENDING else "ended without a video")


def test_a_task_that_is_asked_for_again_is_pending_and_its_age_goes_on() -> None:
    row = TaskRow.from_item({"task_id": "a", "status": "RETRY", "created_at": NOW - 90, "ended_at": NOW - 60})
    assert (row.outcome, row.age(NOW)) == ("pending", "1:30")


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({}, ""),
        ({"duration": Decimal(5)}, "5 s"),
        ({"seconds": "10", "usage": {"completion_tokens": Decimal(2_500_000)}}, "10 s 2.5M tok"),
        ({"usage": {"total_tokens": Decimal(900)}}, "900 tok"),
        ({"duration": "long", "usage": "many"}, ""),
        ({"duration": Decimal("NaN"), "usage": {"total_tokens": Decimal("1e100")}}, ""),
        ("text", ""),
    ],
)
def test_what_a_render_was(result: object, said: str) -> None:
    assert TaskRow.from_item({"task_id": "a", "result": result}).render == said


@pytest.mark.parametrize("width", [80, 140])
def test_a_key_is_cut_alike_in_every_width(width: int) -> None:
    key = f"{'campaign/' * 20}scene-7b.mp4"
    row = TaskRow.from_item({"task_id": "a", "status": "SUCCESS", "ended_at": 1, "s3_uri": f"s3://bucket/{key}"})
    (line,) = [line for line in shown([row], width) if line.startswith("a ")]
    assert "campa" in line
    assert line.rstrip().endswith("scene-7b.mp4")
    assert "…" in line
    assert "s3://" not in line


def test_health_comes_first_and_what_is_wrong_stands_alone() -> None:
    health = [Finding(is_good=False, text="Alarm A: mend it."), Finding(is_good=True, text="x"), Finding(None, "y")]
    console = Console(width=80, height=24, file=StringIO(), color_system=None)
    console.print(operator_view(ROWS, console, NOW, Above("Stack s", health)))
    assert isinstance(console.file, StringIO)
    assert console.file.getvalue().splitlines()[:3] == ["Stack s", "Alarm A: mend it.", "x; y"]


def test_only_some_states_are_listed_and_all_counted() -> None:
    above = Above(only=states_of("failed, success"))
    console = Console(width=80, height=24, file=StringIO(), color_system=None)
    console.print(operator_view(ROWS, console, NOW, above))
    assert isinstance(console.file, StringIO)
    lines = console.file.getvalue().splitlines()
    assert "1 COPYING" in lines[0]
    assert lines[1].endswith("; listed: SUCCESS, FAILED")
    assert sorted(line.split()[1] for line in lines if line.startswith("task_")) == ["FAILED", "SUCCESS", "SUCCESS"]
    assert {task["stage"] for task in as_json(ROWS, NOW, above)["tasks"]} == {"FAILED", "SUCCESS"}


def test_words_for_states() -> None:
    assert states_of("pending") >= {"INSERTED", "COPYING"}
    assert states_of("ended failed") == states_of("ENDED")
    with pytest.raises(TroubleError, match=r"^DONE is no status\. There are INSERTED"):
        states_of("failed,done")


def test_scripts_get_the_whole_result() -> None:
    (stored,) = [task for task in as_json(ROWS, NOW)["tasks"] if task["task_id"] == "task_stored"]
    assert stored["result"] == {"duration": "5", "usage": {"total_tokens": 108900}, "cost": 0.5}
