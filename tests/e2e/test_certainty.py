"""Only what is certain ends a task: wrong ids, a foreign key, bodies that say little, videos that are nowhere yet."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from shared.api_key import KEY_SECONDS
from shared.lifecycle import DENIED_SECONDS, NO_URL_SECONDS
from tests.cloudwatch import MINUTE
from tests.e2e import alarms
from tests.e2e.ground import DAY, HOUR, Ground, code_of, codes, statuses
from tests.e2e.tasks import Item
from tests.e2e.test_main_job import create

if TYPE_CHECKING:
    from infra.local.stack import LocalStack


AGAIN = " The task waits and is asked about again."
NO_REPORT = "The last question got no report: "
USELESS = {
    "http_502": "The last question got HTTP 502.",
    "redirect_302": "The last question got HTTP 302, a redirect; check CometApiBaseUrl.",
    "html": f"{NO_REPORT}the body is no JSON object.",
    "status_error_without_id": f"{NO_REPORT}a failure without the task's id beside it.",
    "status_expired_without_id": f"{NO_REPORT}a failure without the task's id beside it.",
    "status_success_without_id": f"{NO_REPORT}a success with neither the task's id nor a URL.",
    "id_missing": f"{NO_REPORT}a report without the task's id.",
}
"""Answers that say nothing about a task, and what an item says of them that was not written for 15 minutes."""
LITTLE = ["request_success_over_running", "request_error_over_running"]
"""Answers whose outer word is about the request alone."""
FORBIDDEN = {
    "forbidden": "This token has no access to this model",
    "quota_exhausted": "user quota is not enough",
}
UNKNOWN = "CometAPI does not know this task under this key; check the id, and whose key it is."
WRONG = [f"wrong {number}" for number in range(5)]
ODD = {"Title": "Ein Boot, 🛶", "scene": 7, "ratio": Decimal("1.5"), "ok": True, "url": None, "x" * 2000: "y"}
PAUSES = [60, 120]
"""After the first copies, in seconds; a copy and its message have longer leases."""
FOREIGN_KEY, NEW_KEY = "sk-of-another-account", "sk-of-ours"


@dataclass
class Day:
    """What was seen on the way to the endings."""

    ground: Ground
    seen: dict[str, dict[str, Item]] = field(default_factory=dict)
    phases: dict[str, tuple[float, float]] = field(default_factory=dict)
    seconds_to_the_right_key: float = 0.0
    histories: dict[str, list[Item]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def day(stack: "LocalStack") -> Iterator[Day]:
    day, old_key = Day(Ground(stack)), stack.cometapi.api_key
    try:
        under_the_right_key(day)
        under_a_foreign_key(day)
        day.histories = day.ground.histories()
        yield day
    finally:
        stack.cometapi.configure(api_key=old_key, foreign_key="")
        stack.put_api_key()
        day.ground.cancel(*day.ground.ids)


def under_the_right_key(day: Day) -> None:
    ground, began = day.ground, time.time()
    put_tasks(ground)
    waiting = [*WRONG, *FORBIDDEN]
    ground.until(lambda: all(ground.code(case) for case in waiting), "a word on each that CometAPI refuses")
    day.seen["refused"] = {case: ground.item(case) for case in waiting}
    for case in WRONG[1:]:
        ground.until(lambda case=case: "denied_since" in ground.item(case), "a denial that counts")  # type: ignore[misc]
        ground.change(case, denied_since=int(time.time()) - DENIED_SECONDS - 1)
    endless = {*FORBIDDEN, WRONG[0], "rendering"}
    ending = [case for case in ground.ids if case not in endless]

    def ended() -> bool:
        let_pauses_pass(ground)
        return ground.ended(*ending)

    ground.until(ended, "ended")
    ground.asked_again(WRONG[0], *FORBIDDEN)
    day.seen["later"] = {case: ground.item(case) for case in waiting}
    day.phases["right key"] = (began, time.time())
    ground.cancel(WRONG[0], *FORBIDDEN)


def put_tasks(ground: Ground) -> None:
    """Insert all that is asked about under the right key."""
    for answer in (*USELESS, *LITTLE):
        ground.put(answer, age=1000, answers=[{"name": answer, "times": 2}, "life"])
    ground.put("young", answers=[{"name": "html", "times": 2}, "life"])
    ground.put("success without an id", answers="success_id_missing")
    for answer in FORBIDDEN:
        ground.put(answer, answers=answer)
    for case in WRONG:
        ground.ids[case] = ground.tasks.put({"task_id": f"task_{case.replace(' ', '_')}_{time.time_ns()}"})
    ground.put("rendering", answers={"name": "documented_in_progress", "progress": 80})
    ground.put("refused after a day", age=25 * HOUR, answers="bad_request_flat")
    finished = {"status": "COPYING", "progress": 100}
    ground.put("finished", finished, age=3 * DAY, answers=[{"name": "bad_request_flat", "times": 2}, "life"])
    without = "documented_success_without_url"
    ground.put("URL late", answers=[{"name": without, "times": 3}, "life"], content="not_yet")
    ground.put("URL never", answers=without, content="not_yet")
    ground.put("no URL but content", answers=without)
    ground.ids["whole answer"] = ground.tasks.put({**create(ground.stack, "A boat"), "metadata": ODD})


def let_pauses_pass(ground: Ground) -> None:
    """End the pauses of copies that found no video, and the hour of the one that never has one."""
    for case in ("URL late", "URL never"):
        item = ground.item(case)
        pause = item.get("lease_until", 0) - item.get("updated_at", 0)
        if code_of(item) == "content_not_ready" and pause in PAUSES:
            ground.tasks.end_lease(item)
            if case == "URL never":
                ground.change(case, no_url_since=int(time.time()) - NO_URL_SECONDS - 1)


def under_a_foreign_key(day: Day) -> None:
    ground, cometapi = day.ground, day.ground.stack.cometapi
    cometapi.configure(api_key=NEW_KEY, foreign_key=FOREIGN_KEY)  # a key that is refused is read anew at once
    ground.stack.put_api_key(FOREIGN_KEY)
    known = {"reported_at": int(time.time()) - DAY, "denied_since": int(time.time()) - HOUR}
    ground.put("paid", known, age=2 * DAY)
    ground.put("paid long ago", known, age=8 * DAY)
    ground.put("never known", {"denied_since": int(time.time()) - HOUR})
    waiting = ["paid", "rendering", "never known"]
    ground.until(lambda: ground.ended("paid long ago"), "expired after a week")
    began = time.time()
    ground.asked_again(*waiting)
    day.seen["foreign key"] = {case: ground.item(case) for case in [*waiting, "paid long ago"]}
    day.phases["foreign key"] = (began, time.time())
    for case in ("paid", "rendering"):
        ground.change(case, denied_since=int(time.time()) - HOUR)
    ground.put("of the other account", foreign=True, answers="documented_in_progress")
    ground.until(lambda: ground.ended("never known"), "not found")
    ground.asked_again("paid", "rendering")
    day.seen["foreign key with a report"] = {case: ground.item(case) for case in waiting}
    ground.cancel("of the other account")
    ground.asked_again("paid")
    swapped = time.monotonic()
    ground.stack.put_api_key(NEW_KEY)
    ground.until(lambda: ground.ended("paid"), "stored under the right key", ask=ground.tick)
    day.seconds_to_the_right_key = time.monotonic() - swapped
    ground.until(lambda: ground.code("rendering") is None, "reported on again")


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_id_waits_with_a_word(day: Day, case: str) -> None:
    item = day.seen["refused"][case]
    assert item["error"] == {"code": "task_not_exist", "message": UNKNOWN}
    assert "pending_since" in item


def test_a_wrong_id_ends_when_it_was_denied_for_ten_minutes_under_a_key_that_works(day: Day) -> None:
    assert {statuses(day.histories[case])[-1] for case in WRONG[1:]} == {"NOT_FOUND"}
    still = day.seen["later"][WRONG[0]]
    assert still["error"]["message"] == UNKNOWN
    assert "pending_since" in still


def test_wrong_ids_beside_a_task_that_is_reported_on_do_not_blame_the_key(day: Day) -> None:
    assert not rings(day, "right key")
    assert rings(day, "foreign key")


def rings(day: Day, phase: str) -> bool:
    """Tell whether SuspiciousRounds would ring if a phase went on."""
    since, until = day.phases[phase]
    stack = day.ground.stack
    points = list(alarms.going_on(alarms.logged(stack), since, until, 30))
    minute = int(since) // MINUTE * MINUTE
    alarm, metrics = alarms.deployed(stack)["SuspiciousRounds"], alarms.metrics_of(points)
    return any(alarm.minutes(metrics, minute, minute + 30 * MINUTE, further=1))


def test_a_foreign_key_ends_nothing_before_the_week_is_over(day: Day) -> None:
    seen = day.seen["foreign key"]
    assert seen["rendering"]["progress"] == 80
    assert "pending_since" in seen["paid"]
    assert "pending_since" in seen["rendering"]
    assert seen["never known"]["error"]["message"] == UNKNOWN
    assert "pending_since" in seen["never known"]
    assert (seen["paid long ago"]["status"], code_of(seen["paid long ago"])) == ("EXPIRED", "deadline")


def test_what_was_reported_on_is_never_unknown_even_if_the_foreign_key_works(day: Day) -> None:
    seen = day.seen["foreign key with a report"]
    assert seen["never known"]["status"] == "NOT_FOUND"
    for case in ("paid", "rendering"):
        assert "reported on this task before and does not know it now" in seen[case]["error"]["message"]
        assert "pending_since" in seen[case]


def test_the_right_key_is_picked_up_without_a_deploy(day: Day) -> None:
    assert day.ground.item("paid")["status"] == "SUCCESS"
    assert statuses(day.histories["rendering"]) == ["SUBMITTED", "IN_PROGRESS"]
    assert day.seconds_to_the_right_key < KEY_SECONDS


@pytest.mark.parametrize("answer", USELESS)
def test_a_useless_answer_is_noted_in_true_words_until_the_next_report(day: Day, answer: str) -> None:
    history = day.histories[answer]
    (message,) = {item["error"]["message"] for item in history if code_of(item)}
    assert message == USELESS[answer] + AGAIN
    assert codes(history)[0::2] == [None, None]
    assert statuses(history) == ["SUBMITTED", "COPYING", "SUCCESS"]


def test_a_useless_answer_is_not_noted_on_what_was_written_a_moment_ago(day: Day) -> None:
    assert codes(day.histories["young"]) == [None]


@pytest.mark.parametrize("answer", LITTLE)
def test_the_word_beside_our_id_counts(day: Day, answer: str) -> None:
    assert statuses(day.histories[answer]) == ["SUBMITTED", "IN_PROGRESS", "COPYING", "SUCCESS"]
    assert not any("no_url_since" in item for item in day.histories[answer])


def test_a_success_without_an_id_counts_where_it_has_a_url(day: Day) -> None:
    assert statuses(day.histories["success without an id"]) == ["SUBMITTED", "COPYING", "SUCCESS"]


@pytest.mark.parametrize("answer", FORBIDDEN)
def test_one_task_that_is_forbidden_says_so_while_the_others_go_on(day: Day, answer: str) -> None:
    for item in (day.seen["refused"][answer], day.seen["later"][answer]):
        assert item["error"] == {
            "code": "forbidden",
            "message": f"CometAPI refuses to report on this task: {FORBIDDEN[answer]}",
        }
        assert "pending_since" in item
    assert day.ground.counted("AnswersForbidden") >= 2


def test_a_refusal_to_say_ends_a_task_after_the_deadline(day: Day) -> None:
    item = day.histories["refused after a day"][-1]
    assert (item["status"], code_of(item)) == ("EXPIRED", "deadline")


def test_a_finished_video_does_not_expire_with_the_deadline(day: Day) -> None:
    assert codes(day.histories["finished"])[:2] == [None, "invalid_request"]
    assert statuses(day.histories["finished"]) == ["COPYING", "SUCCESS"]


def test_a_success_without_a_url_is_asked_ever_less_often_and_waits_for_it(day: Day) -> None:
    history = day.histories["URL late"]
    pauses = [item["lease_until"] - item["updated_at"] for item in history if code_of(item) == "content_not_ready"]
    assert [pause for pause in pauses if pause in PAUSES] == PAUSES
    assert statuses(history) == ["SUBMITTED", "COPYING", "SUCCESS"]


def test_a_success_whose_video_is_nowhere_ends_after_an_hour(day: Day) -> None:
    item = day.histories["URL never"][-1]
    assert (item["status"], code_of(item)) == ("COPY_FAILED", "no_video_url")


def test_a_success_without_a_url_is_copied_from_the_content_route(day: Day) -> None:
    item, expected = day.ground.item("no URL but content"), day.ground.stack.cometapi
    assert (item["status"], item["size"]) == ("SUCCESS", expected.expected(item["task_id"]).size)


def test_a_whole_answer_is_valid_whatever_its_metadata_holds(day: Day) -> None:
    item, stack = day.histories["whole answer"][-1], day.ground.stack
    head = stack.aws.s3.head_object(Bucket=stack.outputs["VideosBucketName"], Key=f"videos/{item['task_id']}.mp4")
    assert item["status"] == "SUCCESS"
    assert head["Metadata"].items() >= {"scene": "7", "ratio": "1.5", "ok": "true", "url": "null"}.items()
