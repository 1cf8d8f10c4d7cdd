"""What an answer changes: task and answer in, change out, one row per rule."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.comet_api import (
    Answer,
    Forbidden,
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
from shared.lifecycle import (
    LONGEST_URL,
    MAX_COPY_ATTEMPTS,
    QUEUE_SECONDS,
    Limits,
    begin_copy,
    close,
    decide,
    interrupt_copy,
    refuse_copy,
    take_back,
)
from shared.task import ABSENT, POLLED_ATTRIBUTES, Change, HandOff, Status, Task
from tests.unit.conftest import NOW, pending

URL = "https://v.volces.com/a.mp4?sig"
HOUR = 3600
DAY = 86400
ENDED = {"updated_at": NOW, "ended_at": NOW, "expires_at": NOW + 30 * DAY}
GONE = {"pending_since", "lease", "lease_until", "denied_since", "no_url_since"}
SILENT: dict[str, Answer] = {
    "silence_key_rejected": KeyRejected(message="Invalid token."),
    "silence_throttled": Throttled(retry_after=None),
    "silence_unavailable": Unavailable(reason="HTTP 502"),
    "silence_unreadable": Unreadable(reason="the body is no JSON object"),
    "silence_misdirected": Misdirected(reason="HTTP 302"),
}
WORDS = {
    "silence_key_rejected": "CometAPI rejects the API key: Invalid token. Store a valid key.",
    "silence_throttled": "The last question got HTTP 429: CometAPI asks for fewer questions.",
    "silence_unavailable": "The last question got HTTP 502.",
    "silence_unreadable": "The last question got no report: the body is no JSON object.",
    "silence_misdirected": "The last question got HTTP 302, a redirect; check CometApiBaseUrl.",
}
UNKNOWN = UnknownTask(message="task_not_exist")
REFUSED = Forbidden(message="This token has no access to this model")


def report(status: str | None, **fields: Any) -> Report:
    return Report(status=Status(status) if status else None, word=status or "upscaling", **fields)


def known(age: int = 300, **attributes: object) -> Task:
    """Return a task that CometAPI reported on before."""
    return pending(age, **{"reported_at": NOW - age, **attributes})


def copying(age: int = 300, **attributes: object) -> Task:
    return known(age, **{"status": "COPYING", "progress": 100, **attributes})


def denied_by(reported: float | None) -> UnknownTask:
    return UnknownTask(message="task_not_exist", key_reported_at=reported)


def change(task: Task, answer: Answer, limits: Limits, now: int = NOW) -> dict[str, Any] | None:
    """Return what is set; removed attributes as None."""
    found = decide(task, answer, now, limits)
    if found is None:
        return None
    assert not found.remove & found.set.keys(), "DynamoDB refuses to set and remove one attribute"
    return {**{name: None for name in found.remove if name in task.item}, **found.set}


def error_of(task: Task, answer: Answer, limits: Limits) -> dict[str, str]:
    found = change(task, answer, limits)
    assert found
    error: dict[str, str] = found["error"]
    return error


# ------------------------------------------------------------------ a render that goes on


@pytest.mark.parametrize("status", ["SUBMITTED", None])
def test_an_unchanged_answer_writes_nothing(status: str | None, limits: Limits) -> None:
    assert decide(known(), report(status), NOW, limits) is None


def test_the_first_report_is_noted_once(limits: Limits) -> None:
    assert change(pending(), report("SUBMITTED"), limits) == {"reported_at": NOW, "updated_at": NOW}
    assert change(known(), report("IN_PROGRESS"), limits) == {"status": "IN_PROGRESS", "updated_at": NOW}


def test_progress_and_status_go_forwards_only(limits: Limits) -> None:
    rendering = report("IN_PROGRESS", progress=45)
    assert change(known(), rendering, limits) == {"status": "IN_PROGRESS", "progress": 45, "updated_at": NOW}
    ahead = known(status="IN_PROGRESS", progress=60)
    assert change(ahead, rendering, limits) is None
    assert change(ahead, report("SUBMITTED", progress=0), limits) is None
    assert change(copying(copy_attempts=1), rendering, limits) is None
    assert change(known(status="garbage"), rendering, limits) == {
        "status": "IN_PROGRESS",
        "progress": 45,
        "updated_at": NOW,
    }


@pytest.mark.parametrize(
    ("answer", "attributes", "is_written"),
    [
        (report("IN_PROGRESS", progress=45), {"updated_at": NOW - 59}, False),
        (report("IN_PROGRESS", progress=45), {"updated_at": NOW - 60}, True),
        (report("SUBMITTED", progress=45), {"updated_at": NOW, "status": "SUBMITTED"}, False),
        (report("IN_PROGRESS", progress=45), {"updated_at": NOW, "status": "SUBMITTED"}, True),
        (report("IN_PROGRESS", progress=45, model="m"), {"updated_at": NOW}, True),
        (report("IN_PROGRESS", progress=45), {"updated_at": NOW, "error": {"code": "c", "message": ""}}, True),
        (report("IN_PROGRESS", progress=45), {"updated_at": NOW, "denied_since": NOW}, True),
        (report("IN_PROGRESS", progress=45), {"updated_at": NOW, "reported_at": None}, True),
        (report("FAILED"), {"updated_at": NOW}, True),
        (report("SUCCESS", video_url=URL), {"updated_at": NOW}, True),
        (Unclear(code="c", message="m"), {"updated_at": NOW}, True),
        (UNKNOWN, {"updated_at": NOW}, True),
        (REFUSED, {"updated_at": NOW}, True),
    ],
)
def test_only_mere_progress_waits_for_a_minute(
    answer: Answer, attributes: dict[str, Any], limits: Limits, *, is_written: bool
) -> None:
    found = change(known(**{"status": "IN_PROGRESS", "progress": 5, **attributes}), answer, limits)
    assert (found is not None) is is_written


def test_an_unknown_word_keeps_waiting_but_may_show_progress(limits: Limits) -> None:
    assert change(known(status="IN_PROGRESS"), report(None, progress=7), limits) == {"progress": 7, "updated_at": NOW}


def test_what_is_final_counts_only_when_it_is_done(limits: Limits) -> None:
    early = report("SUBMITTED", completed_at=7, created_at=5, model="m", result={"seed": 1})
    assert change(known(), early, limits) == {"created_at": 5, "model": "m", "updated_at": NOW}
    same = known(created_at=5, model="m")
    assert change(same, report("SUBMITTED", created_at=5, model="m"), limits) is None
    assert change(same, report(None, completed_at=7, result={"seed": 1}), limits) is None
    found = change(same, report("FAILED", completed_at=7, result={"seed": 1}), limits)
    assert found
    assert (found["completed_at"], found["result"]) == (7, {"seed": 1})


# ------------------------------------------------------------------ endings


@pytest.mark.parametrize("status", ["FAILED", "ERROR"])
def test_a_failure_ends_with_the_providers_words(status: str, limits: Limits) -> None:
    task = known(no_url_since=1, denied_since=2, lease="w", lease_until=NOW, copy_attempts=1)
    assert change(task, report(status, code="c", reason="m"), limits) == {
        "status": status,
        "error": {"code": "c", "message": "m"},
        **ENDED,
        **dict.fromkeys(GONE),
    }
    assert error_of(task, report(status), limits) == {"code": "no_code", "message": "CometAPI gave no reason."}
    assert "model" not in (change(known(model="m"), report(status, model="m"), limits) or {}), "it is said already"
    assert (change(pending(), report(status), limits) or {})["reported_at"] == NOW


def test_retention_of_0_keeps_items_for_ever() -> None:
    assert "expires_at" not in (change(pending(), report("FAILED"), Limits(HOUR, 0)) or {})


@pytest.mark.parametrize("age", [300, 1000 * HOUR])
def test_evidence_counts_however_late_it_comes(age: int, limits: Limits) -> None:
    assert isinstance(decide(pending(age), report("SUCCESS", video_url=URL), NOW, limits), HandOff)
    assert (change(pending(age), report("FAILED"), limits) or {})["status"] == "FAILED"


# ------------------------------------------------------------------ hand-offs


def test_success_with_a_url_is_handed_off_as_copying(limits: Limits) -> None:
    task = pending(denied_since=1, no_url_since=5, error={"code": "c", "message": "m"})
    done = report("SUCCESS", video_url=URL, last_frame_url=URL + "f", completed_at=7, model="m", result={"seed": 1})
    found = decide(task, done, NOW, limits)
    assert isinstance(found, HandOff)
    assert (found.video_url, found.last_frame_url) == (URL, URL + "f")
    assert "volces" not in repr(found)
    assert found.set == {
        "status": "COPYING", "progress": 100, "completed_at": 7, "model": "m", "result": {"seed": 1},
        "reported_at": NOW, "lease_until": NOW + 12 * HOUR + 60, "updated_at": NOW,
    }  # fmt: skip
    assert found.remove == {"no_url_since", "denied_since", "error"}
    leased = found.under("word")
    assert leased == replace(found, set={**found.set, "lease": "word"})
    assert leased.video_url == URL


def test_a_lease_outlives_the_message_that_has_its_word(limits: Limits) -> None:
    found = decide(pending(), report("SUCCESS", video_url=URL), NOW, limits)
    assert found
    until = found.set["lease_until"]
    assert until == NOW + QUEUE_SECONDS + 60
    leased = task_after(pending(), found, lease="w")
    assert decide(leased, report("SUCCESS", video_url=URL), until - 1, limits) is None
    again = decide(leased, report("SUCCESS", video_url=URL), until, limits)
    assert isinstance(again, HandOff)
    assert again.set == {"status": "COPYING", "progress": 100, "lease_until": until + 43260, "updated_at": until}
    assert "copy_attempts" not in again.set, "a message that waits is no attempt"


def task_after(task: Task, found: Change, **attributes: object) -> Task:
    return Task.from_item({**task.after(found).item, **attributes})


@pytest.mark.parametrize(
    "answer", [*SILENT.values(), report("SUCCESS", video_url=URL), report("FAILED"), UNKNOWN, REFUSED]
)
@pytest.mark.parametrize("attempts", [0, MAX_COPY_ATTEMPTS])
def test_nothing_changes_while_a_lease_holds(answer: Answer, attempts: int, limits: Limits) -> None:
    task = pending(age=99 * DAY, lease="w", lease_until=NOW + 1, copy_attempts=attempts)
    assert decide(task, answer, NOW, limits) is None


def test_an_ended_task_never_changes(limits: Limits) -> None:
    ended = Task.from_item({"task_id": "task_x", "status": "FAILED", "ended_at": 1})
    for answer in (report("SUCCESS", video_url=URL), report("IN_PROGRESS"), UNKNOWN, *SILENT.values()):
        assert decide(ended, answer, NOW, limits) is None


@pytest.mark.parametrize("answer", [*SILENT.values(), report("SUCCESS", video_url=URL), report("SUBMITTED"), UNKNOWN])
def test_after_twelve_attempts_a_video_is_given_up(answer: Answer, limits: Limits) -> None:
    last = copying(copy_attempts=11, lease="w", lease_until=NOW)
    assert isinstance(decide(last, report("SUCCESS", video_url=URL), NOW, limits), HandOff)
    interrupted = interrupt_copy(copying(copy_attempts=12), CopyInterrupted("c", "S3 is down."), NOW)
    spent = copying(copy_attempts=12, lease_until=NOW, error=interrupted.set["error"])
    found = change(spent, answer, limits)
    assert found
    assert found["status"] == "COPY_FAILED"
    assert found["error"]["code"] == "copies_exhausted"
    assert "in 12 attempts" in found["error"]["message"]
    assert found["error"]["message"].endswith("Last (c): S3 is down.")
    assert "RETRY" in found["error"]["message"]
    dead = error_of(copying(copy_attempts=12), answer, limits)
    assert dead["message"].endswith("Last (no_report): no Copier came to an end; see its log.")


def test_a_url_that_no_host_takes_ends_the_task(limits: Limits) -> None:
    url = URL + "x" * (LONGEST_URL - len(URL))
    assert isinstance(decide(pending(), report("SUCCESS", video_url=url), NOW, limits), HandOff)
    found = change(pending(), report("SUCCESS", video_url=url + "x", completed_at=7), limits)
    assert found
    assert (found["status"], found["completed_at"], found["reported_at"]) == ("COPY_FAILED", 7, NOW)
    assert found["error"] == {
        "code": "url_too_long",
        "message": "CometAPI gave a video URL that is longer than 8192 characters, which no video host takes. "
        "Set status to RETRY to ask again, or ask CometAPI's support for the video.",
    }
    assert "volces" not in str(found)


# ------------------------------------------------------------------ success without a URL


def test_success_without_a_url_is_copying_and_asked_again(limits: Limits) -> None:
    first = decide(known(age=100 * HOUR), report("SUCCESS", completed_at=7), NOW, limits)
    assert first
    assert not isinstance(first, HandOff), "most gateways fill it in a moment later"
    assert first.set == {
        "status": "COPYING", "progress": 100, "no_url_since": NOW, "completed_at": 7, "updated_at": NOW,
    }  # fmt: skip


@pytest.mark.parametrize("age", [0, 15, 3599])
def test_the_second_such_answer_tries_the_content_route(age: int, limits: Limits) -> None:
    found = decide(copying(no_url_since=NOW - age), report("SUCCESS"), NOW, limits)
    assert isinstance(found, HandOff)
    assert found.video_url is None
    assert found.set == {"status": "COPYING", "progress": 100, "lease_until": NOW + 43260, "updated_at": NOW}
    assert "no_url_since" not in found.remove


@pytest.mark.parametrize(
    ("age", "code", "ends"),
    [
        (3600, "content_not_ready", True),
        (3599, "content_not_ready", False),
        (99 * HOUR, "s3_error", False),
        (99 * HOUR, "key_rejected", False),
        (99 * HOUR, None, False),  # the message was lost: nobody has looked
    ],
)
def test_an_hour_with_neither_url_nor_content_ends_it(
    age: int, code: str | None, limits: Limits, *, ends: bool
) -> None:
    error = interrupt_copy(copying(), CopyInterrupted(code or "", "Oh."), NOW).set["error"]
    task = copying(no_url_since=NOW - age, copy_attempts=6, error=error if code else None)
    found = change(task, report("SUCCESS", completed_at=7), limits)
    assert found
    assert ("ended_at" in found) is ends
    if ends:
        assert (found["status"], found["progress"], found["completed_at"]) == ("COPY_FAILED", 100, 7)
        assert found["error"]["code"] == "no_video_url"
        for words in ("60 minutes", "RETRY", "CometAPI's support"):
            assert words in found["error"]["message"]


def test_a_url_that_comes_after_all_is_taken(limits: Limits) -> None:
    found = decide(copying(no_url_since=NOW - 9 * HOUR), report("SUCCESS", video_url=URL), NOW, limits)
    assert isinstance(found, HandOff)
    assert found.video_url == URL
    assert "no_url_since" in found.remove


def test_a_gateway_that_takes_a_success_back_does_not_hide_the_content_route(limits: Limits) -> None:
    waiting = copying(no_url_since=NOW - 60)
    assert decide(waiting, report("IN_PROGRESS"), NOW, limits) is None
    assert isinstance(decide(waiting, report("SUCCESS"), NOW, limits), HandOff)


# ------------------------------------------------------------------ denials


@pytest.mark.parametrize(
    ("denied", "key_reported_at", "reported_at", "ends"),
    [
        (600, NOW - 599.0, None, True),
        (600, NOW, None, True),
        (599, NOW, None, False),  # it may have been created a moment ago
        (600, NOW - 600.0, None, False),  # the proof is older than the first denial
        (9 * DAY, None, None, False),  # a key that never got any report may be another account's
        (9 * DAY, NOW - 10.0 * DAY, None, False),
        (9 * DAY, NOW, NOW - 10 * DAY, False),  # CometAPI knew it once
        (9 * DAY, NOW, NOW, False),
        (None, NOW, None, False),
    ],
)
def test_only_a_proven_denial_ends_a_task(
    denied: int | None, key_reported_at: float | None, reported_at: int | None, limits: Limits, *, ends: bool
) -> None:
    task = pending(
        age=6 * DAY, denied_since=None if denied is None else NOW - denied, reported_at=reported_at, updated_at=NOW
    )
    found = change(task, denied_by(key_reported_at), limits)
    assert ("ended_at" in (found or {})) is ends
    if ends:
        assert found
        assert found == {
            **dict.fromkeys({"pending_since", "denied_since"}), **ENDED, "status": "NOT_FOUND", "error": found["error"],
        }  # fmt: skip
        assert found["error"]["code"] == "task_not_exist"
        for words in ("task_not_exist", "others under the same key", "Check the id", "RETRY"):
            assert words in found["error"]["message"]


@pytest.mark.parametrize(
    ("key_reported_at", "begins"), [(NOW, True), (NOW - 900.0, True), (NOW - 900.1, False), (None, False)]
)
def test_a_row_of_denials_begins_with_one_of_a_proven_key(
    key_reported_at: float | None, limits: Limits, *, begins: bool
) -> None:
    found = change(pending(), denied_by(key_reported_at), limits)
    assert found
    assert found.get("denied_since") == (NOW if begins else None)
    noted = pending(error=found["error"])
    assert change(noted, denied_by(NOW), limits) == {"denied_since": NOW, "updated_at": NOW}
    assert change(noted, UNKNOWN, limits) is None
    in_a_row = pending(error=found["error"], denied_since=NOW - 9)
    assert change(in_a_row, denied_by(NOW), limits) is None


def test_a_denial_is_noted_at_once_and_once(limits: Limits) -> None:
    first = change(pending(), denied_by(NOW), limits)
    assert first == {
        "denied_since": NOW,
        "error": {
            "code": "task_not_exist",
            "message": "CometAPI does not know this task under this key; check the id, and whose key it is.",
        },
        "updated_at": NOW,
    }
    task = Task.from_item({**pending().item, **first})
    assert change(task, UNKNOWN, limits, NOW + 3000) is None
    for answer in SILENT.values():
        assert change(task, answer, limits, NOW + 60) is None, "other silence does not break the row"
    assert error_of(known(), UNKNOWN, limits) == {
        "code": "task_not_exist",
        "message": "CometAPI reported on this task before and does not know it now, so the API key is probably of "
        "another account. The task waits; store the right key in the SSM parameter that CometApiKeyParameter names.",
    }


@pytest.mark.parametrize("answer", [report("SUBMITTED"), report("IN_PROGRESS"), report(None), report("SUCCESS")])
def test_any_report_ends_a_row_of_denials_and_its_word(answer: Answer, limits: Limits) -> None:
    error = error_of(pending(), UNKNOWN, limits)
    found = decide(known(denied_since=NOW - 9, error=error), answer, NOW, limits)
    assert found
    assert found.remove >= {"denied_since", "error"}


# ------------------------------------------------------------------ silence


@pytest.mark.parametrize("code", SILENT)
def test_silence_is_counted_from_the_last_write_and_leaves_a_row_of_denials_alone(code: str, limits: Limits) -> None:
    reported = known(reported_at=NOW - DAY, updated_at=NOW - 899)
    assert decide(reported, SILENT[code], NOW, limits) is None
    denied = pending(updated_at=NOW - 900, denied_since=NOW - 2000, error={"code": "task_not_exist", "message": ""})
    found = decide(denied, SILENT[code], NOW, limits)
    assert found
    assert found.set.keys() == {"error", "updated_at"}
    assert not found.remove


@pytest.mark.parametrize("code", SILENT)
def test_silence_leaves_a_word_after_a_quarter_of_an_hour(code: str, limits: Limits) -> None:
    answer = SILENT[code]
    assert decide(pending(updated_at=NOW - 899), answer, NOW, limits) is None
    quiet = pending(updated_at=NOW - 900)
    said = {"code": code, "message": f"{WORDS[code]} The task waits and is asked about again."}
    assert change(quiet, answer, limits) == {"error": said, "updated_at": NOW}
    same = pending(updated_at=NOW - 9000, error={"code": code, "message": "in other words"})
    assert change(same, answer, limits) is None, "again only when its kind changes"
    other = pending(updated_at=NOW - 900, error={"code": "other", "message": ""})
    assert change(other, answer, limits) == {"error": said, "updated_at": NOW}
    assert change(known(error=said), report("SUBMITTED"), limits) == {"error": None, "updated_at": NOW}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Unclear(code="bad", message="no"), {"code": "bad", "message": "no"}),
        (
            REFUSED,
            {
                "code": "forbidden",
                "message": "CometAPI refuses to report on this task: This token has no access to this model",
            },
        ),
    ],
)
@pytest.mark.parametrize("attempts", [None, 1])
def test_a_refusal_is_noted_at_once_and_forgotten_with_the_next_report(
    answer: Answer, said: dict[str, str], attempts: int | None, limits: Limits
) -> None:
    task = known(updated_at=NOW, copy_attempts=attempts)
    assert change(task, answer, limits) == {"error": said, "updated_at": NOW}
    noted = known(error={**said, "message": "in other words"}, copy_attempts=attempts)
    assert change(noted, answer, limits) is None
    assert change(noted, report("SUBMITTED"), limits) == {"error": None, "updated_at": NOW}


def test_the_trouble_of_a_copy_stays_until_the_next_one(limits: Limits) -> None:
    error = interrupt_copy(copying(copy_attempts=1), CopyInterrupted("c", "S3 is down."), NOW).set["error"]
    task = copying(copy_attempts=1, error=error)
    assert change(task, report("IN_PROGRESS"), limits) is None
    again = decide(task, report("SUCCESS", video_url=URL), NOW, limits)
    assert again
    assert "error" not in again.remove


@pytest.mark.parametrize("answer", [*SILENT.values(), UNKNOWN, denied_by(NOW), REFUSED])
@pytest.mark.parametrize(("hours", "patience"), [(24, 7 * DAY), (83, 7 * DAY), (85, 170 * HOUR)])
def test_silence_ends_no_task_younger_than_a_week(answer: Answer, hours: int, patience: int) -> None:
    limits = Limits(hours * HOUR, 0)
    early = change(known(age=patience - 1), answer, limits)
    assert "ended_at" not in (early or {})
    found = change(known(age=patience), answer, limits)
    assert found
    assert (found["status"], found["error"]["code"]) == ("EXPIRED", "deadline")
    assert f"{patience // HOUR} hours" in found["error"]["message"]


@pytest.mark.parametrize(
    "answer", [report("SUBMITTED"), report("IN_PROGRESS", progress=9), report(None), Unclear(code="c", message="m")]
)
def test_a_task_that_does_not_finish_expires_with_advice(answer: Answer, limits: Limits) -> None:
    early = change(known(age=24 * HOUR - 1), answer, limits)
    assert "ended_at" not in (early or {})
    found = change(known(age=24 * HOUR, error={"code": "c", "message": "Oh no."}), answer, limits)
    assert found
    assert (found["status"], found["error"]["code"]) == ("EXPIRED", "deadline")
    for words in ("24 hours", "may still succeed", "RETRY", "Oh no."):
        assert words in found["error"]["message"]
    assert error_of(known(age=24 * HOUR), answer, limits)["message"].endswith("to ask again.")


@pytest.mark.parametrize(
    "answer", [report("SUBMITTED"), report(None), Unclear(code="c", message="m"), UNKNOWN, REFUSED, *SILENT.values()]
)
def test_copying_never_ends_by_the_deadline(answer: Answer, limits: Limits) -> None:
    assert "ended_at" not in (change(copying(age=7 * DAY - 1), answer, limits) or {})
    trouble = {"code": "c", "message": "Oh no."}
    ended = error_of(copying(age=7 * DAY, error=trouble), answer, limits)
    assert ended["code"] == "deadline"
    advice = " Ask its support for the video, or set status to RETRY to ask again. The last trouble was: Oh no."
    assert ended["message"].endswith(advice)
    for words in ("reported success", "168 hours", "success no more"):
        assert words in ended["message"]
    assert "may still succeed" not in ended["message"]
    without_url = decide(copying(age=99 * DAY, no_url_since=NOW), report("SUCCESS"), NOW, limits)
    assert isinstance(without_url, HandOff)


# ------------------------------------------------------------------ who may write


def test_every_decision_rests_on_what_was_seen(limits: Limits) -> None:
    task = pending(copy_attempts=1, lease="w", lease_until=NOW, updated_at=1)
    answers = (report("IN_PROGRESS"), report("FAILED"), report("SUCCESS", video_url=URL), report("SUCCESS"), UNKNOWN,
               REFUSED, Unavailable(reason=""))  # fmt: skip
    for answer in answers:
        found = decide(task, answer, NOW, limits)
        assert found
        assert found.task_id == "task_x"
        assert found.expected == {
            "pending_since": NOW - 300, "status": "SUBMITTED", "progress": 0, "reported_at": ABSENT, "copy_attempts": 1,
            "lease": "w", "lease_until": NOW, "denied_since": ABSENT, "no_url_since": ABSENT,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("attempts", "backoff"), [(0, 60), (1, 120), (2, 240), (5, 1920), (6, 3600), (11, 3600), (100, 3600)]
)
def test_a_copy_begins_under_the_word_of_its_message(attempts: int, backoff: int) -> None:
    task = copying(copy_attempts=attempts or None, lease="word", lease_until=NOW + 9 * HOUR)
    found = begin_copy(task, "word", "own", NOW, 900.9)
    assert (found.task_id, found.expected, found.remove) == ("task_x", {"lease": "word"}, frozenset())
    assert found.set == {
        "lease": "own", "lease_until": NOW + 900 + backoff, "copy_attempts": attempts + 1, "updated_at": NOW,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 60), (2, 120), (3, 240), (6, 1920), (7, 3600), (11, 3600), (12, 0)]
)
def test_an_interrupted_copy_is_handed_off_again_after_a_pause(attempts: int, seconds: int, limits: Limits) -> None:
    begun = copying(copy_attempts=attempts, lease="own", lease_until=NOW + 999)
    found = interrupt_copy(begun, CopyInterrupted("c", "S3 is down."), NOW)
    error = {"code": "c", "message": "S3 is down. The copy is tried again later."}
    assert found.set == {"lease_until": NOW + seconds, "error": error, "updated_at": NOW}
    assert (found.task_id, found.expected, found.remove) == ("task_x", {"lease": "own"}, frozenset())
    after = begun.after(found)
    assert decide(after, report("SUCCESS", video_url=URL), NOW + seconds - 1, limits) is None
    assert decide(after, report("SUCCESS", video_url=URL), NOW + seconds, limits)


def test_a_lease_whose_message_was_not_sent_passes_at_once() -> None:
    found = take_back("task_x", "word", NOW)
    assert found == Change("task_x", {"lease": "word"}, {"lease_until": NOW, "updated_at": NOW})


def test_the_copier_closes_under_its_own_word(limits: Limits) -> None:
    task = copying(copy_attempts=1, lease="own", lease_until=NOW, error={"code": "c"})
    found = close(task, {"s3_uri": "s3://b/k", "size": 7, "etag": "e", "result": {"seed": 1}}, NOW, limits)
    assert (found.task_id, found.expected) == ("task_x", {"lease": "own"})
    assert found.set == {
        "status": "SUCCESS", "progress": 100, "s3_uri": "s3://b/k", "size": 7, "etag": "e", "result": {"seed": 1},
        "stored_at": NOW, **ENDED,
    }  # fmt: skip
    assert found.remove == GONE | {"error"}


def test_the_copier_refuses_with_a_reason(limits: Limits) -> None:
    task = copying(copy_attempts=1, lease="own", error={"code": "old"})
    found = refuse_copy(task, VideoRefused("too_large", "Too large."), NOW, limits)
    assert found.expected == {"lease": "own"}
    assert found.set == {"status": "COPY_FAILED", "error": {"code": "too_large", "message": "Too large."}, **ENDED}
    assert found.remove == GONE


# ------------------------------------------------------------------ any life

words = st.sampled_from([None, *(Status(word) for word in ("SUBMITTED", "IN_PROGRESS", "SUCCESS", "FAILED", "ERROR"))])
texts = st.none() | st.text(max_size=5)
numbers = st.none() | st.integers(0, 100)
reports = st.builds(Report, status=words, word=st.just("w"), progress=numbers, model=texts, created_at=numbers,
                    completed_at=numbers, video_url=st.none() | st.just(URL), code=texts, reason=texts)  # fmt: skip
successes = st.builds(report, st.just("SUCCESS"), video_url=st.none() | st.just(URL))
denials = st.builds(denied_by, st.none() | st.integers(-2000, 0).map(float))  # seconds before the answer
answers = (
    reports
    | successes
    | denials
    | st.sampled_from([*SILENT.values(), REFUSED])
    | st.builds(Unclear, code=st.text(), message=st.text())
)
copies = st.sampled_from(["lost", "dies", "content_not_ready", "s3_error", "refused", "stored"])
spans = st.integers(0, 20) | st.integers(0, 900) | st.integers(0, 20 * HOUR)


@given(st.lists(st.tuples(answers, spans, copies), max_size=40))
def test_any_life_is_sound(steps: list[tuple[Answer, int, str]]) -> None:
    limits = Limits(24 * HOUR, DAY)
    now, denied_since, was_reported = NOW, None, False
    task = Task.from_item({"task_id": "task_x", "pending_since": NOW, "status": "SUBMITTED", "progress": 0})
    for said, seconds, copy in steps:
        now += seconds
        answer = at(now, said)
        found = decide(task, answer, now, limits)
        polled = Task.from_item({name: task.item[name] for name in POLLED_ATTRIBUTES if name in task.item})
        assert decide(polled, answer, now, limits) == found
        if task.pending_since is None or now < task.lease_until:
            assert found is None
            continue
        is_report = isinstance(answer, Report)
        was_reported |= is_report
        is_proven = isinstance(answer, UnknownTask) and now - (answer.key_reported_at or 0) <= 900
        denied_since = None if is_report else denied_since or (now if is_proven else None)
        after = step(task, found)
        if after.pending_since is None:
            assert_evidence(task, after, answer, now, was_reported=was_reported, denied_since=denied_since)
        else:
            assert after.pending_since == task.pending_since
            assert after.status in {"SUBMITTED", "IN_PROGRESS", "COPYING"}
        task = copied(after, found, copy, now, limits) if isinstance(found, HandOff) else after


def at(now: int, said: Answer) -> Answer:
    if isinstance(said, UnknownTask) and said.key_reported_at is not None:
        return replace(said, key_reported_at=now + said.key_reported_at)
    return said


def step(task: Task, found: Change | None) -> Task:
    if found is None:
        return task
    assert not found.remove & found.set.keys()
    assert "updated_at" in found.set
    after = task.after(found)
    assert after.progress >= task.progress
    assert after.copy_attempts >= task.copy_attempts
    assert (after.reported_at or 0) >= (task.reported_at or 0)
    return after


def copied(task: Task, found: HandOff, copy: str, now: int, limits: Limits) -> Task:
    """Play what follows a hand-off."""
    task = step(task, found.under("word"))
    if copy == "lost":
        return task
    task = step(task, begin_copy(task, "word", "own", now, 900))
    assert task.lease == "own"
    if copy == "dies":
        return task
    if copy == "stored":
        return step(task, close(task, {"s3_uri": "s3://b/k", "size": 7, "etag": "e"}, now, limits))
    if copy == "refused":
        return step(task, refuse_copy(task, VideoRefused("too_large", "Too large."), now, limits))
    return step(task, interrupt_copy(task, CopyInterrupted(copy, "Not yet."), now))


def assert_evidence(
    before: Task, after: Task, answer: Answer, now: int, *, was_reported: bool, denied_since: int | None
) -> None:
    assert after.error["message"]
    assert not GONE & after.item.keys()
    age = now - NOW
    if after.status in {"FAILED", "ERROR"}:
        assert isinstance(answer, Report)
        assert answer.status == after.status
    elif after.status == "NOT_FOUND":
        assert isinstance(answer, UnknownTask)
        assert not was_reported
        assert denied_since is not None
        assert now - denied_since >= 600
        assert (answer.key_reported_at or 0) > denied_since
    elif after.status == "EXPIRED":
        is_early = isinstance(answer, Report | Unclear) and before.status != "COPYING"
        assert age >= (24 * HOUR if is_early else 7 * DAY)
    else:
        assert after.status == "COPY_FAILED"
        if after.error["code"] == "no_video_url":
            assert before.error["code"] == "content_not_ready"
        else:
            assert (after.error["code"], before.copy_attempts) == ("copies_exhausted", 12)
