"""What an answer changes: task and answer in, change out, one row per rule."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.comet_api import (
    Answer,
    KeyRejected,
    Misdirected,
    Report,
    Throttled,
    Unavailable,
    Unclear,
    UnknownTask,
    Unreadable,
)
from shared.errors import CopyInterrupted, VideoRefused
from shared.lifecycle import LEASE_SECONDS, MAX_HANDOFFS, Limits, close, decide, miss_handoff, refuse_copy
from shared.task import ABSENT, POLLED_ATTRIBUTES, HandOff, Status, Task
from tests.unit.conftest import NOW, pending

URL = "https://v.volces.com/a.mp4?sig"
HOUR = 3600
SILENT: list[Answer] = [
    KeyRejected(message="no"),
    Throttled(retry_after=None),
    Unavailable(reason="HTTP 502"),
    Unreadable(reason="html"),
    Misdirected(reason="HTTP 302"),
]


def report(status: str | None, **fields: Any) -> Report:
    return Report(status=Status(status) if status else None, word=status or "upscaling", **fields)


def change(task: Task, answer: Answer, limits: Limits, now: int = NOW) -> dict[str, Any] | None:
    """Return what is set; removed attributes as None."""
    found = decide(task, answer, now, limits)
    return None if found is None else {**dict.fromkeys(found.remove), **found.set}


def error_code(task: Task, answer: Answer, limits: Limits) -> str:
    found = change(task, answer, limits)
    return str((found or {}).get("error", {}).get("code"))


@pytest.mark.parametrize("status", ["SUBMITTED", None])
def test_an_unchanged_answer_writes_nothing(status: str | None, limits: Limits) -> None:
    assert decide(pending(), report(status), NOW, limits) is None


def test_progress_and_status_go_forwards_only(limits: Limits) -> None:
    rendering = report("IN_PROGRESS", progress=45)
    assert change(pending(), rendering, limits) == {"status": "IN_PROGRESS", "progress": 45, "updated_at": NOW}
    ahead = pending(status="IN_PROGRESS", progress=60)
    assert change(ahead, rendering, limits) is None
    assert change(ahead, report("SUBMITTED", progress=0), limits) is None
    assert change(pending(status="SUCCESS", progress=100, handoffs=1), rendering, limits) is None
    assert change(pending(status="garbage"), rendering, limits) == {
        "status": "IN_PROGRESS",
        "progress": 45,
        "updated_at": NOW,
    }


def test_an_unknown_word_keeps_waiting_but_may_show_progress(limits: Limits) -> None:
    assert change(pending(status="IN_PROGRESS"), report(None, progress=7), limits) == {"progress": 7, "updated_at": NOW}


def test_completed_at_counts_only_when_it_is_done(limits: Limits) -> None:
    assert change(pending(), report("SUBMITTED", completed_at=7, created_at=5, model="m"), limits) == {
        "created_at": 5, "model": "m", "updated_at": NOW,
    }  # fmt: skip
    known = pending(created_at=5, model="m")
    assert change(known, report("SUBMITTED", created_at=5, model="m"), limits) is None
    assert change(known, report("SUBMITTED", progress=1), limits) == {"progress": 1, "updated_at": NOW}
    assert (change(known, report("FAILED", completed_at=7), limits) or {})["completed_at"] == 7


@pytest.mark.parametrize("status", ["FAILED", "ERROR"])
def test_a_failure_ends_with_the_providers_words(status: str, limits: Limits) -> None:
    task = pending(no_url_since=1, not_found_answers=2, lease_until=1, handoffs=1)
    assert change(task, report(status, code="c", reason="m"), limits) == {
        "status": status,
        "error": {"code": "c", "message": "m"},
        "updated_at": NOW,
        "ended_at": NOW,
        "expires_at": NOW + 30 * 86400,
        "pending_since": None,
        "no_url_since": None,
        "not_found_answers": None,
        "lease_until": None,
    }
    assert (change(task, report(status), limits) or {})["error"] == {
        "code": "no_code", "message": "CometAPI gave no reason.",
    }  # fmt: skip


def test_retention_of_0_keeps_items_for_ever() -> None:
    assert "expires_at" not in (change(pending(), report("FAILED"), Limits(HOUR, 0)) or {})


def test_success_with_a_url_is_handed_off_once_recorded(limits: Limits) -> None:
    task = pending(not_found_answers=1, no_url_since=5)
    found = decide(task, report("SUCCESS", video_url=URL, completed_at=7, model="m"), NOW, limits)
    assert isinstance(found, HandOff)
    assert found.video_url == URL
    assert "volces" not in repr(found)
    assert found.set == {
        "status": "SUCCESS", "progress": 100, "completed_at": 7, "model": "m", "handoff_at": NOW, "handoffs": 1,
        "lease_until": NOW + LEASE_SECONDS, "updated_at": NOW,
    }  # fmt: skip
    assert found.remove == {"no_url_since", "not_found_answers"}
    again = decide(task.after(found), report("SUCCESS", video_url=URL), NOW + LEASE_SECONDS, limits)
    assert isinstance(again, HandOff)
    assert again.set["handoffs"] == 2


@pytest.mark.parametrize(
    "answer", [*SILENT, report("SUCCESS", video_url=URL), report("FAILED"), UnknownTask(message="")]
)
def test_nothing_changes_while_the_copier_holds_the_lease(answer: Answer, limits: Limits) -> None:
    assert decide(pending(age=99 * HOUR, handoffs=1, lease_until=NOW + 1), answer, NOW, limits) is None


def test_hand_offs_are_bounded(limits: Limits) -> None:
    last = pending(handoffs=MAX_HANDOFFS - 1, lease_until=NOW, status="SUCCESS")
    assert isinstance(decide(last, report("SUCCESS", video_url=URL), NOW, limits), HandOff)
    missed = miss_handoff(pending(), CopyInterrupted("c", "S3 is down."), NOW)
    spent = pending(handoffs=MAX_HANDOFFS, lease_until=NOW, error=missed.set["error"])
    found = change(spent, Unavailable(reason=""), limits)
    assert found
    assert found["status"] == "COPY_FAILED"
    assert found["error"]["code"] == "handoffs_exhausted"
    assert found["error"]["message"].endswith("Last (c): S3 is down.")
    assert "RETRY" in found["error"]["message"]
    silent = change(pending(handoffs=MAX_HANDOFFS), Unavailable(reason=""), limits)
    assert silent
    assert "the Copier never reported" in silent["error"]["message"]


def test_success_without_a_url_waits_ten_minutes(limits: Limits) -> None:
    done = report("SUCCESS")
    first = decide(pending(age=100 * HOUR), done, NOW, limits)
    assert first
    assert first.set == {"status": "SUCCESS", "progress": 100, "no_url_since": NOW, "updated_at": NOW}
    waiting = pending(status="SUCCESS", progress=100, no_url_since=NOW - 599)
    assert change(waiting, done, limits) is None
    assert change(waiting, done, limits, NOW + 1) == {
        **(change(waiting, done, limits, NOW + 1) or {}), "status": "COPY_FAILED", "ended_at": NOW + 1,
    }  # fmt: skip
    ended = change(pending(no_url_since=NOW - 600), report("SUCCESS", completed_at=7), limits)
    assert ended
    assert (ended["progress"], ended["completed_at"], ended["error"]["code"]) == (100, 7, "no_video_url")
    for words in ("10 minutes", "RETRY", "CometAPI's support"):
        assert words in ended["error"]["message"]
    assert isinstance(decide(pending(no_url_since=NOW - 900), report("SUCCESS", video_url=URL), NOW, limits), HandOff)


def test_an_unknown_task_needs_three_in_a_row_and_two_minutes(limits: Limits) -> None:
    unknown = UnknownTask(message="task_not_exist")
    assert change(pending(), unknown, limits) == {"not_found_answers": 1, "updated_at": NOW}
    assert change(pending(not_found_answers=1), unknown, limits) == {"not_found_answers": 2, "updated_at": NOW}
    assert change(pending(age=119, not_found_answers=2), unknown, limits) == {"not_found_answers": 3, "updated_at": NOW}
    assert change(pending(age=119, not_found_answers=3), unknown, limits) is None
    found = change(pending(age=120, not_found_answers=2), unknown, limits)
    assert found
    assert (found["status"], found["error"]["code"]) == ("NOT_FOUND", "task_not_exist")
    for words in ("task_not_exist", "id is right", "API key", "account"):
        assert words in found["error"]["message"]


@pytest.mark.parametrize("answer", [report("SUBMITTED"), report("IN_PROGRESS"), report(None), report("SUCCESS")])
def test_any_good_answer_resets_the_count(answer: Answer, limits: Limits) -> None:
    found = decide(pending(not_found_answers=2), answer, NOW, limits)
    assert found
    assert "not_found_answers" in found.remove


def test_a_render_that_goes_on_after_all_has_its_ten_minutes_anew(limits: Limits) -> None:
    found = change(pending(no_url_since=NOW - 599), report("IN_PROGRESS"), limits)
    assert found == {"status": "IN_PROGRESS", "no_url_since": None, "updated_at": NOW}


def test_an_unclear_refusal_is_noted_once_and_forgotten_when_all_is_well(limits: Limits) -> None:
    refusal = Unclear(code="bad", message="no")
    noted = {"error": {"code": "bad", "message": "no"}, "updated_at": NOW}
    assert change(pending(), refusal, limits) == noted
    assert change(pending(error={"code": "bad", "message": "no, again"}), refusal, limits) is None
    assert change(pending(error={"code": "other", "message": ""}), refusal, limits) == noted
    assert change(pending(error={"code": "bad"}), report("SUBMITTED"), limits) == {"error": None, "updated_at": NOW}
    assert change(pending(error={"code": "copy"}, handoffs=1), report("SUBMITTED"), limits) is None


@pytest.mark.parametrize("answer", SILENT)
def test_silence_changes_nothing_until_twice_the_deadline(answer: Answer, limits: Limits) -> None:
    assert decide(pending(age=48 * HOUR - 1), answer, NOW, limits) is None
    assert error_code(pending(age=48 * HOUR), answer, limits) == "deadline"


@pytest.mark.parametrize(
    "answer", [report("SUBMITTED"), report("IN_PROGRESS", progress=9), report(None), Unclear(code="c", message="m")]
)
def test_a_task_that_does_not_finish_expires_with_advice(answer: Answer, limits: Limits) -> None:
    early = change(pending(age=24 * HOUR - 1), answer, limits)
    assert early is None or "ended_at" not in early
    found = change(pending(age=24 * HOUR, error={"code": "c", "message": "Oh no."}), answer, limits)
    assert found
    assert (found["status"], found["error"]["code"]) == ("EXPIRED", "deadline")
    for words in ("24 hours", "may still succeed", "RETRY", "Oh no."):
        assert words in found["error"]["message"]
    untroubled = (change(pending(age=24 * HOUR), answer, limits) or {})["error"]["message"]
    assert untroubled.endswith("ask again for as long.")


@pytest.mark.parametrize("hand", ["video_url", "failure"])
def test_evidence_counts_however_late_it_comes(hand: str, limits: Limits) -> None:
    old = pending(age=1000 * HOUR)
    if hand == "video_url":
        assert isinstance(decide(old, report("SUCCESS", video_url=URL), NOW, limits), HandOff)
    else:
        assert (change(old, report("FAILED"), limits) or {})["status"] == "FAILED"


def test_every_decision_rests_on_what_was_seen(limits: Limits) -> None:
    task = pending(handoffs=1)
    for answer in (report("IN_PROGRESS"), report("FAILED"), report("SUCCESS", video_url=URL), UnknownTask(message="")):
        found = decide(task, answer, NOW, limits)
        assert found
        assert found.task_id == "task_x"
        assert found.expected == {
            "pending_since": NOW - 300, "status": "SUBMITTED", "progress": 0, "handoffs": 1, "lease_until": ABSENT,
            "no_url_since": ABSENT, "not_found_answers": ABSENT,
        }  # fmt: skip


def test_the_copier_closes_the_generation_that_it_copied(limits: Limits) -> None:
    task = pending(handoffs=1, lease_until=NOW, error={"code": "c"})
    found = close(task, "s3://b/k", 7, "e", NOW, limits)
    assert (found.task_id, found.expected) == ("task_x", {"pending_since": NOW - 300})
    assert found.set == {
        "status": "SUCCESS", "progress": 100, "s3_uri": "s3://b/k", "size": 7, "etag": "e", "stored_at": NOW,
        "updated_at": NOW, "ended_at": NOW, "expires_at": NOW + 30 * 86400,
    }  # fmt: skip
    assert found.remove == {"pending_since", "lease_until", "no_url_since", "not_found_answers", "error"}


def test_the_copier_refuses_with_a_reason(limits: Limits) -> None:
    found = refuse_copy(pending(), VideoRefused("too_large", "Too large."), NOW, limits)
    assert found.set["status"] == "COPY_FAILED"
    assert found.set["error"] == {"code": "too_large", "message": "Too large."}
    assert found.remove == {"pending_since", "lease_until", "no_url_since", "not_found_answers"}


@pytest.mark.parametrize(
    ("handoffs", "seconds"), [(0, 60), (1, 60), (2, 120), (3, 240), (6, 1920), (7, 3600), (12, 3600)]
)
def test_an_interrupted_copy_is_handed_off_again_after_a_backoff(handoffs: int, seconds: int) -> None:
    found = miss_handoff(pending(handoffs=handoffs), CopyInterrupted("c", "S3 is down."), NOW)
    error = {"code": "c", "message": "S3 is down. The copy is tried again later."}
    assert found.set == {"lease_until": NOW + seconds, "error": error, "updated_at": NOW}
    assert found.task_id == "task_x"
    assert found.expected == {"pending_since": NOW - 300, "handoffs": handoffs}


words = st.sampled_from([*Status][:5]) | st.none()
texts = st.none() | st.text(max_size=5)
numbers = st.none() | st.integers(0, 100)
reports = st.builds(Report, status=words, word=st.just("w"), progress=numbers, model=texts, created_at=numbers,
                    completed_at=numbers, video_url=st.none() | st.just(URL), code=texts, reason=texts)  # fmt: skip
answers = (
    reports
    | st.sampled_from(SILENT)
    | st.builds(UnknownTask, message=st.text())
    | st.builds(Unclear, code=st.text(), message=st.text())
)
ENDINGS = {"FAILED", "ERROR", "NOT_FOUND", "EXPIRED", "COPY_FAILED"}


@given(st.lists(st.tuples(answers, st.integers(0, 20 * HOUR)), max_size=40))
def test_any_life_is_sound(steps: list[tuple[Answer, int]]) -> None:
    limits = Limits(24 * HOUR, 86400)
    now, unknown = NOW, 0
    task = Task.from_item({"task_id": "task_x", "pending_since": NOW, "status": "SUBMITTED", "progress": 0})
    for answer, seconds in steps:
        now += seconds
        found = decide(task, answer, now, limits)
        polled = Task.from_item({name: task.item[name] for name in POLLED_ATTRIBUTES if name in task.item})
        assert decide(polled, answer, now, limits) == found
        unknown = unknown + 1 if isinstance(answer, UnknownTask) else 0 if isinstance(answer, Report) else unknown
        if task.pending_since is None:
            assert found is None
            continue
        after = task.after(found) if found else task
        assert after.progress >= task.progress
        if after.pending_since is None:
            assert after.item["error"]["message"]
            assert_evidence(after, answer, now - NOW, unknown)
        else:
            assert after.pending_since == task.pending_since
            assert after.status in {"SUBMITTED", "IN_PROGRESS", "SUCCESS"}
        task = after


def assert_evidence(after: Task, answer: Answer, age: int, unknown: int) -> None:
    assert after.status in ENDINGS
    if after.status in {"FAILED", "ERROR"}:
        assert isinstance(answer, Report)
        assert answer.status == after.status
    elif after.status == "NOT_FOUND":
        assert unknown >= 3
        assert age >= 120
    elif after.status == "EXPIRED":
        assert age >= 24 * HOUR
    else:
        assert after.error["code"] in {"no_video_url", "handoffs_exhausted"}
