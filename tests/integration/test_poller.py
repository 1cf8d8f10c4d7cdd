"""Ticks and rounds of the Poller: what is planned, asked, written and handed off, and what a disturbance costs."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from operator import itemgetter
from threading import Event, Lock
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from copier.handler import Tools as CopierTools
from copier.handler import settle
from infra.local.cometapi import SimulatedCometApi
from poller import remarks
from poller.pace import Pace
from poller.plan import due, rounds
from poller.round import Round
from shared.api_key import ApiKey
from shared.aws import cause_of
from shared.comet_api import Answer, CometApi, normal_base
from shared.errors import ConfigurationError, CopyInterrupted
from shared.lifecycle import Limits, begin_copy, interrupt_copy
from shared.task import Change, Task
from shared.task_table import Segment
from tests.integration.conftest import TABLE
from tests.integration.copying import CopyShop
from tests.integration.polling import INTERVAL, MINUTE, Stack, use_clock_for_key
from tests.logs import logged

TROUBLES = {
    "no answer": EndpointConnectionError(endpoint_url="https://aws"),
    "too slow": ReadTimeoutError(endpoint_url="https://aws"),
    "refused": ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "Call"),
}
SCHEDULED = {"scheduled_time": "<aws.scheduler.scheduled-time>"}
"""As on a local AWS, where a tick is for the minute of the clock."""
troubles = pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)


@pytest.fixture
def stack(dynamodb: Any, comet_api: SimulatedCometApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    made = Stack(dynamodb, comet_api)
    use_clock_for_key(made, monkeypatch)
    monkeypatch.setattr(remarks, "_heard", set())
    yield made
    made.executor.shutdown()


def raising(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def handed_off(stack: Stack) -> Counter[str]:
    return Counter(message.task_id for message in stack.sent)


# ------------------------------------------------------------------ a round


def test_one_tick_follows_every_task(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    rendering = stack.insert()
    done = stack.done(color="blue")
    failed = stack.insert(stack.comet_api.create(answers=["failed_object_error"]))
    counts = stack.tick()
    items = stack.items()
    assert items[rendering]["status"] == "IN_PROGRESS"
    assert items[done]["status"] == "COPYING", "SUCCESS means that the object is there"
    assert items[done]["color"] == "blue"
    assert "s3_uri" not in items[done]
    assert "copy_attempts" not in items[done]
    (message,) = stack.sent
    assert (message.task_id, message.lease) == (done, items[done]["lease"])
    assert message.video_url.startswith(stack.comet_api.base_url)
    assert items[done]["lease_until"] - items[done]["updated_at"] == 12 * 3600 + 60
    assert items[failed]["status"] == "FAILED"
    assert items[failed]["error"]["message"]
    assert "pending_since" not in items[failed]
    assert all(item["reported_at"] for item in items.values())
    assert (counts["TasksFailed"], counts["HandOffs"], counts["AnswersReport"]) == (1, 1, counts["Polls"])
    ended = {"message": "task ended", "task_id": failed, "status": "FAILED", "error": items[failed]["error"]}
    lines = sorted(logged(caplog, "INFO"), key=itemgetter("message"))
    assert lines == [{"message": "handed off", "task_id": done}, ended]


def test_a_last_frame_is_handed_off_with_its_video(stack: Stack) -> None:
    task_id = stack.insert(stack.comet_api.create(answers=["success_with_last_frame"], last_frame="png"))
    stack.round()
    (message,) = stack.sent
    assert message.last_frame_url
    assert message.last_frame_url.startswith(stack.comet_api.last_frame_url(task_id).partition("?")[0])


def test_a_round_tells_of_a_word_that_nobody_has_seen(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    task_id = stack.insert(stack.comet_api.create(answers=["status_word_unheard_of"]))
    assert stack.round()["UnknownStatusWords"] == 1
    assert [line["task_id"] for line in logged(caplog, "WARNING")] == [task_id]


def test_a_round_tells_that_no_report_came(stack: Stack) -> None:
    stack.insert()
    stack.comet_api.fault("http_502")
    done = stack.round()
    assert (done["AnswersReport"], done["AnswersUnavailable"]) == (0, 1)


def test_a_round_tells_how_long_it_took(stack: Stack) -> None:
    stack.done()
    stack.after["SendMessage"] = lambda: stack.clock.move_to(stack.clock.now() + 0.6254)
    assert stack.round()["RoundSeconds"] == 0.625


def test_a_round_in_which_nobody_is_due_tells_of_no_answers(stack: Stack) -> None:
    stack.insert(age=5)
    assert stack.round() == {"OldestPendingSeconds": 5}


def test_an_idle_tick_costs_one_scan(stack: Stack) -> None:
    counts = stack.tick()
    assert counts == {"PendingTasks": 0, "OldestPendingSeconds": 0}
    assert stack.calls == ["Scan"]
    assert stack.comet_api.requests == []


def test_unchanged_answers_write_nothing(stack: Stack) -> None:
    task_id = stack.insert()
    stack.tick()
    before = stack.item(task_id)
    assert stack.tick()["Polls"] >= 2
    assert stack.item(task_id) == before


def test_progress_alone_is_written_once_a_minute(stack: Stack) -> None:
    steps = [{"name": "documented_in_progress", "progress": progress} for progress in range(1, 99)]
    task_id = stack.insert(stack.comet_api.create(answers=steps), age=15)
    assert stack.tick(4)["Polls"] == 16
    assert stack.calls.count("UpdateItem") in {4, 5}
    assert stack.item(task_id)["progress"] >= 12


def test_a_round_over_many_answers_together_asks_each_once(stack: Stack) -> None:
    tasks = {stack.insert() for _ in range(40)}
    assert stack.round()["Polls"] == 40
    assert {request.path.rpartition("/")[2] for request in stack.comet_api.requests} == tasks


class SlowApi(CometApi):
    """Every answer takes 14 s by the stack's clock."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack.comet_api.base_url, ApiKey(lambda: stack.key), connections=1, allow_insecure=True)
        self._stack = stack

    def ask(self, task_id: str) -> Answer:
        answer = super().ask(task_id)
        self._stack.clock.ahead += 14
        return answer


@pytest.mark.parametrize(("late", "polls"), [(0, 2), (8, 1), (20, 2)])
def test_a_round_asks_nothing_after_the_next_one_is_due(stack: Stack, late: int, polls: int) -> None:
    for _ in range(9):
        stack.insert(age=9 * 3600)
    asked = stack.everybody()
    stack.clock.ahead += late
    stack.most_concurrent = 1
    assert stack.round(asked, stack.environment(SlowApi(stack)))["Polls"] == polls


def test_each_answer_is_written_with_its_own_time(stack: Stack) -> None:
    """Not that of its round, which may be half a minute ago."""
    for _ in range(2):
        stack.insert()
    stack.most_concurrent = 1
    began = int(stack.clock.now())
    stack.round(worker=stack.environment(SlowApi(stack)))
    assert sorted(item["reported_at"] - began for item in stack.items().values()) == [14, 28]


def test_quiet_is_kept_from_the_answer_on_that_asks_for_it(stack: Stack) -> None:
    stack.insert()
    stack.comet_api.fault({"name": "throttled_retry_after_seconds", "retry_after": 20})
    worker = stack.environment(SlowApi(stack))
    assert stack.round(worker=worker)["AnswersThrottled"] == 1
    stack.clock.ahead += 19
    assert "Polls" not in stack.round(worker=worker)


def test_nothing_is_asked_that_could_not_be_written_before_the_time_out(stack: Stack) -> None:
    stack.insert()
    assert "Polls" not in stack.worker.round(stack.everybody(), stack.clock.now() - 1)


def test_a_late_message_asks_old_tasks_only(stack: Stack) -> None:
    young, old = stack.insert(), stack.insert(age=9 * 3600)
    asked = stack.everybody()
    stack.clock.ahead += INTERVAL
    assert stack.round(asked)["Polls"] == 1
    assert stack.item(old)["status"] == "IN_PROGRESS"
    assert stack.item(young)["status"] == "SUBMITTED"


def test_a_duplicate_costs_polls_and_nothing_else(stack: Stack) -> None:
    tasks = [stack.insert() for _ in range(3)] + [stack.done() for _ in range(3)]
    asked = stack.everybody()
    stack.round(asked)
    before, sent = stack.items(), list(stack.sent)
    assert stack.round(asked, stack.environment())["Polls"] == 3, "a lease is not asked about"
    assert stack.items() == before
    assert stack.sent == sent
    assert handed_off(stack) == Counter(tasks[3:])


# ------------------------------------------------------------------ what a tick plans


def test_a_tick_plans_the_next_minute_in_one_batch_and_asks_nothing(stack: Stack) -> None:
    stack.insert()
    stack.clock.ahead += 7
    done = stack.worker.tick(SCHEDULED, stack.clock.now() + 70)
    assert stack.calls.count("SendMessageBatch") == 1
    assert done == {"PendingTasks": 1, "RoundsPlanned": 4, "OldestPendingSeconds": 207}
    assert [delay for delay, _ in stack.planned] == [52, 67, 82, 97]
    assert [asked.until % 60 for _, asked in stack.planned] == [0, 15, 30, 45]
    assert stack.delayed(stack.rounds) == 4


@pytest.mark.parametrize(("event", "age"), [(SCHEDULED, 20), ({}, 200)], ids=["nothing was pending before", "by hand"])
def test_a_tick_sends_rounds_and_then_runs_the_one_that_nobody_has_planned(
    stack: Stack, event: dict[str, str], age: int
) -> None:
    stack.insert(age=age)
    stack.clock.ahead += 20
    done = stack.environment(SlowApi(stack)).tick(event, stack.clock.now() + 70)
    assert (done["RoundsPlanned"], done["Polls"]) == (6, 1)
    assert [delay for delay, _ in stack.planned] == [9, 24, 39, 54, 69, 84]


def test_a_scan_that_takes_long_delays_no_round(stack: Stack) -> None:
    stack.insert()
    stack.after["Scan"] = lambda: stack.clock.move_to(stack.clock.now() + 5)
    stack.worker.tick(SCHEDULED, stack.clock.now() + 70)
    assert [delay for delay, _ in stack.planned] == [54, 69, 84, 99]


def test_a_scan_that_outlasts_the_first_round_leaves_it_the_old_tasks(stack: Stack) -> None:
    stack.insert()
    now = stack.clock.now()
    first = rounds(int(now) // 60 * 60, INTERVAL, 1)[0]
    names = (f"task_{number}" for number in count())
    tasks = (Task.from_item({"task_id": name, "pending_since": 0}) for name in names)
    old = next(task.task_id for task in tasks if due([task], first, now, INTERVAL))
    stack.insert(stack.comet_api.create(task_id=old), age=9 * 3600)
    stack.after["Scan"] = lambda: stack.clock.move_to(stack.clock.now() + INTERVAL)
    stack.worker.tick({}, now + 70)
    assert [request.path.rpartition("/")[2] for request in stack.comet_api.requests] == [old]


def test_only_ticks_plan(stack: Stack) -> None:
    stack.insert()
    assert stack.round()["OldestPendingSeconds"] == 200
    assert stack.planned == []


def test_a_minute_that_ticks_twice_plans_the_same_windows(stack: Stack) -> None:
    stack.insert()
    for worker in (stack.worker, stack.environment()):
        worker.tick({}, stack.clock.now() + 70)
    windows = [(asked.after, asked.until) for _, asked in stack.planned]
    assert windows[:7] == windows[7:]


def test_above_the_limit_a_tick_plans_segments_that_ask_each_task_once(stack: Stack) -> None:
    stack.tasks_per_worker = 5
    stack.worker = stack.environment()
    tasks = {stack.done() for _ in range(12)}
    counts = stack.tick()
    assert counts["RoundsPlanned"] == 23
    assert stack.calls.count("SendMessageBatch") == 3, "SQS takes ten at once"
    assert [(asked.segment, asked.segments, delay) for delay, asked in stack.planned[:2]] == [(1, 3, 0), (2, 3, 0)]
    assert Counter(asked.segment for _, asked in stack.planned) == {0: 7, 1: 8, 2: 8}
    assert handed_off(stack) == Counter(tasks)


def test_above_the_limit_a_tick_asks_what_is_in_the_first_segment(stack: Stack) -> None:
    stack.tasks_per_worker = 5
    stack.worker = stack.environment()
    for number in range(12):
        stack.insert(f"task_{number}")  # ids drawn by chance may all be of other segments
    stack.worker.tick({}, stack.clock.now() + 70)
    asked = {request.path.rpartition("/")[2] for request in stack.comet_api.requests}
    assert asked
    assert asked == {task.task_id for task in stack.table.pending(Segment(0, 3))}


def test_a_tick_plans_as_many_segments_as_it_may_and_no_more(stack: Stack) -> None:
    stack.tasks_per_worker, stack.most_workers = 2, 3
    stack.worker = stack.environment()
    tasks = {stack.insert() for _ in range(20)}
    counts = stack.tick()
    assert {asked.segments for _, asked in stack.planned} == {3}
    assert {request.path.rpartition("/")[2] for request in stack.comet_api.requests} == tasks
    assert counts["PendingTasks"] == 20


def test_a_count_that_lags_behind_what_was_read_hides_no_task(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index is eventually consistent."""
    stack.tasks_per_worker = 5
    stack.worker = stack.environment()
    tasks = {stack.done() for _ in range(6)}
    monkeypatch.setattr(stack.table, "count_pending", lambda: 0)
    assert stack.tick()["PendingTasks"] == 6
    assert {asked.segments for _, asked in stack.planned} == {2}
    assert handed_off(stack) == Counter(tasks)


def test_the_tick_never_holds_all_tasks(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.tasks_per_worker = 5
    stack.worker = stack.environment()
    for _ in range(12):
        stack.insert()
    read: Counter[int] = Counter()
    pending = stack.table.pending

    def noted(share: Segment) -> Iterator[Task]:
        for task in pending(share):
            read[share.segments] += 1
            yield task

    monkeypatch.setattr(stack.table, "pending", noted)
    stack.tick()
    assert read[1] == stack.tasks_per_worker + 1


@troubles
@pytest.mark.parametrize("event", [SCHEDULED, {}], ids=["scheduled", "by hand"])
def test_while_the_queue_of_rounds_is_down_each_tick_runs_one(
    stack: Stack, trouble: Exception, event: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stack.insert()
    stack.before["SendMessageBatch"] = raising(trouble)
    done = stack.worker.tick(event, stack.clock.now() + 70)
    assert (done["QueueErrors"], done["Polls"], done.get("RoundsPlanned")) == (1, 1, None)
    assert logged(caplog, "WARNING") == [
        {"message": "rounds not planned; the next tick plans again", "cause": cause_of(trouble)}
    ]


def test_messages_that_the_queue_refuses_are_counted(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.insert()
    some: dict[str, Any] = {"Successful": [], "Failed": [{"Id": "1", "Code": "InternalError", "SenderFault": False}]}
    monkeypatch.setattr(stack.sqs, "send_message_batch", lambda **_: some)
    done = stack.worker.tick({}, stack.clock.now() + 70)
    assert (done["QueueErrors"], done["RoundsPlanned"]) == (1, 6)


@troubles
def test_a_table_that_is_down_costs_the_round(
    stack: Stack, trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    stack.insert()
    stack.before["Scan"] = raising(trouble)
    assert stack.tick() == {"TableErrors": 1}
    assert stack.round() == {"TableErrors": 1}
    message = f"the pending tasks cannot be read; the next round tries again ({cause_of(trouble)})"
    assert logged(caplog, "ERROR") == [{"message": message}] * 2
    stack.before.clear()
    assert stack.round()["Polls"] == 1


def test_an_item_without_room_is_counted_and_named(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    task_id = stack.insert(notes="x" * 404_870)
    done = stack.round()
    assert (done["TableErrors"], done["ItemsTooLarge"]) == (1, 1)
    (warning,) = [vars(record) for record in caplog.records if "not written" in record.getMessage()]
    assert warning["task_id"] == task_id


# ------------------------------------------------------------------ hand-offs


def test_the_message_is_sent_before_the_lease_is_written(stack: Stack) -> None:
    task_id = stack.done()
    stack.round()
    assert stack.calls[-2:] == ["SendMessage", "UpdateItem"]
    assert stack.delayed(stack.copies) == 1
    assert [message.lease for message in stack.sent] == [stack.item(task_id)["lease"]]


@pytest.mark.parametrize(("call", "seconds", "times"), [
    ("UpdateItem", 0.9, 1), ("UpdateItem", 1.1, 2), ("SendMessage", 0.9, 1), ("SendMessage", 1.1, 2),
])  # fmt: skip
def test_a_lease_that_may_come_after_its_message_gets_another_one(
    stack: Stack, call: str, seconds: float, times: int
) -> None:
    task_id = stack.done()
    clock, slow = stack.clock, [seconds]

    def take_long() -> None:
        clock.ahead += slow.pop() if slow else 0.0

    stack.after[call] = take_long
    assert stack.round()["HandOffs"] == 1
    assert len(stack.sent) == times
    assert {message.lease for message in stack.sent} == {stack.item(task_id)["lease"]}


@troubles
@pytest.mark.parametrize("is_made", [True, False])
def test_a_write_without_a_certain_answer_sends_once_more(stack: Stack, trouble: Exception, *, is_made: bool) -> None:
    task_id = stack.done()
    (stack.after if is_made else stack.before)["UpdateItem"] = raising(trouble)
    done = stack.round()
    assert "HandOffs" not in done
    assert done["TableErrors"] == 1
    assert len({message.lease for message in stack.sent}) == 1
    assert len(stack.sent) == 2
    item = stack.item(task_id)
    assert item.get("lease") == (stack.sent[0].lease if is_made else None)
    stack.after.clear()
    stack.before.clear()
    stack.round()
    assert len(stack.sent) == (2 if is_made else 3), "without a lease the next round hands off again"


@troubles
def test_where_the_message_was_not_sent_nothing_is_written(
    stack: Stack, trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    task_id = stack.done()
    before = stack.item(task_id)
    stack.before["SendMessage"] = raising(trouble)
    assert stack.round()["QueueErrors"] == 1
    assert logged(caplog, "WARNING") == [
        {"message": "hand-off not sent; a later round tries again", "task_id": task_id, "cause": cause_of(trouble)}
    ]
    assert stack.item(task_id) == before
    stack.before.clear()
    assert stack.round()["HandOffs"] == 1


@troubles
@pytest.mark.parametrize("is_certain", [True, False], ids=["late", "without an answer"])
def test_a_lease_whose_message_cannot_be_sent_again_is_taken_back(
    stack: Stack, trouble: Exception, *, is_certain: bool
) -> None:
    task_id = stack.done()

    def then_refuse() -> None:
        stack.after.clear()
        stack.before["SendMessage"] = raising(trouble)
        stack.clock.ahead += 1.1
        if not is_certain:
            raise trouble

    stack.after["UpdateItem"] = then_refuse
    done = stack.round()
    assert "HandOffs" not in done
    assert (done["QueueErrors"], done.get("TableErrors", 0)) == (1, int(not is_certain))
    item = stack.item(task_id)
    assert item["lease"] == stack.sent[0].lease
    assert item["lease_until"] <= stack.clock.now()
    stack.before.clear()
    assert stack.round()["HandOffs"] == 1, "the next round hands off anew"
    assert stack.item(task_id)["lease"] == stack.sent[-1].lease != item["lease"]


def test_a_lease_that_a_copier_has_meanwhile_is_not_taken_back(stack: Stack) -> None:
    """The message whose second sending failed may have been served."""
    task_id = stack.done()

    def refuse() -> None:
        task = stack.table.get(task_id)
        assert task
        assert stack.table.write(begin_copy(task, task.lease or "", "own", int(stack.clock.now()), 900))
        raise EndpointConnectionError(endpoint_url="https://aws")

    def then_refuse() -> None:
        stack.after.clear()
        stack.before["SendMessage"] = refuse
        stack.clock.ahead += 1.1

    stack.after["UpdateItem"] = then_refuse
    stack.round()
    item = stack.item(task_id)
    assert item["lease"] == "own"
    assert item["lease_until"] > stack.clock.now() + 900


def test_a_lost_race_is_no_trouble(stack: Stack) -> None:
    task_id = stack.done()

    def cancel() -> None:
        stack.before.clear()
        stack.dynamodb.delete_item(TableName=TABLE, Key={"task_id": {"S": task_id}})

    stack.before["SendMessage"] = cancel
    done = stack.round()
    assert not done.keys() & {"HandOffs", "TableErrors", "QueueErrors"}
    assert len(stack.sent) == 1
    assert stack.items() == {}, "a cancelled task does not come back"


def test_an_ending_that_lost_the_race_is_not_told(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    task_id = stack.insert(stack.comet_api.create(answers=["failed_object_error"]))

    def cancel() -> None:
        stack.before.clear()
        stack.dynamodb.delete_item(TableName=TABLE, Key={"task_id": {"S": task_id}})

    stack.before["UpdateItem"] = cancel
    done = stack.round()
    assert done["AnswersReport"] == 1
    assert "TasksFailed" not in done
    assert logged(caplog, "INFO") == []


def test_two_pollers_at_once_give_each_video_one_lease_that_has_a_message(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_at_a_time, write = Lock(), stack.table.write  # moto's conditional writes are not atomic between threads

    def write_alone(change: Change) -> bool:
        with one_at_a_time:
            return write(change)

    monkeypatch.setattr(stack.table, "write", write_alone)
    tasks = {stack.done() for _ in range(20)}
    asked = stack.everybody()
    with ThreadPoolExecutor(2) as pollers:
        done = list(pollers.map(lambda worker: stack.round(asked, worker), (stack.worker, stack.environment())))
    assert sum(counts.get("HandOffs", 0) for counts in done) == 20
    words = {(message.task_id, message.lease) for message in stack.sent}
    items = stack.items()
    assert all((task_id, items[task_id]["lease"]) in words for task_id in tasks)


def test_a_lost_message_is_sent_again_after_the_lease_and_was_no_attempt(stack: Stack) -> None:
    task_id = stack.done()
    stack.tick()
    stack.clock.ahead += 12 * 3600 - 120
    stack.tick()
    assert len(stack.sent) == 1
    stack.clock.ahead += 240
    stack.tick()
    assert [message.task_id for message in stack.sent] == [task_id] * 2
    assert stack.sent[0].lease != stack.sent[1].lease
    assert stack.item(task_id)["lease"] == stack.sent[1].lease
    assert "copy_attempts" not in stack.item(task_id)


@pytest.mark.parametrize("answer", ["documented_success_without_url", "success_null_url", "success_without_url"])
def test_a_success_without_a_url_goes_by_the_content_route_for_an_hour(stack: Stack, answer: str) -> None:
    task_id = stack.insert(stack.comet_api.create(answers=[answer]), error={"code": "c", "message": "m"})
    stack.round()
    assert stack.item(task_id)["status"] == "COPYING"
    assert stack.sent == []
    started = stack.clock.now()
    for _ in range(9):
        stack.tick()
        message = stack.sent[-1]
        assert message.video_url == f"{stack.comet_api.base_url}/v1/videos/{task_id}/content"
        task = stack.table.get(task_id)
        if task is None or task.pending_since is None:
            break
        copy_in_vain(stack, task, message.lease)
        stack.clock.move_to(int(stack.item(task_id)["lease_until"]))
    item = stack.item(task_id)
    assert (item["status"], item["error"]["code"]) == ("COPY_FAILED", "no_video_url")
    assert "pending_since" not in item
    assert 3600 <= float(item["ended_at"]) - started < 2 * 3600
    assert 4 <= item["copy_attempts"] <= 7, "ever less often"


def copy_in_vain(stack: Stack, task: Task, lease: str) -> None:
    now = int(stack.clock.now())
    assert stack.table.write(begin_copy(task, lease, "own", now, 900))
    begun = stack.table.get(task.task_id)
    assert begun
    assert stack.table.write(interrupt_copy(begun, CopyInterrupted("content_not_ready", "Not yet."), now))


# ------------------------------------------------------------------ trouble at CometAPI

FAULTS = {
    "unauthorized": "silence_key_rejected",
    "html": "silence_unreadable",
    "http_502": "silence_unavailable",
    "throttled_retry_after_seconds": "silence_throttled",
    "redirect_302": "silence_misdirected",
    "task_not_exist_flat": "task_not_exist",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_trouble_ends_nothing_and_leaves_a_word_and_all_are_stored_afterwards(stack: Stack, fault: str) -> None:
    tasks = {stack.done(age=1800 + number) for number in range(6)}
    stack.comet_api.fault(fault)
    stack.tick(10)
    items = stack.items()
    assert {item["status"] for item in items.values()} == {"SUBMITTED"}
    noted = {item.get("error", {}).get("code") for item in items.values()}
    assert FAULTS[fault] in noted
    assert noted <= {FAULTS[fault], None}
    assert stack.sent == []
    stack.comet_api.clear()
    stack.tick(5)  # old tasks are asked about less often
    assert handed_off(stack) == Counter(tasks)
    assert not any("error" in item for item in stack.items().values())
    with CopyShop(stack.comet_api) as shop:
        base = normal_base(stack.comet_api.base_url, allow_insecure=True)
        tools = CopierTools(stack.table, shop.copier(), Limits(0, 86400), base, stack.keys)
        for message in stack.sent:
            settle(tools, message, seconds=60)
            assert shop.has_stored(message.task_id)
    assert all(item["status"] == "SUCCESS" and item["s3_uri"] for item in stack.items().values())


def test_a_silent_gateway_leaves_its_word_on_every_task_within_minutes(stack: Stack) -> None:
    """One question a round, to another task each time: nothing waits without a word."""
    tasks = [stack.insert() for _ in range(6)]
    stack.comet_api.fault("http_502")
    stack.tick(20)
    items = stack.items()
    assert {items[task_id]["error"]["code"] for task_id in tasks} == {"silence_unavailable"}


def test_a_rejected_key_is_read_anew_and_a_new_one_works_at_once(stack: Stack) -> None:
    stack.key = "sk-of-yesterday"
    tasks = {stack.done() for _ in range(10)}
    assert stack.tick()["AnswersKeyRejected"] == 4
    assert len(stack.comet_api.requests) == 4, "one question a round, the same key is not tried twice"
    stack.key = stack.comet_api.api_key
    stack.tick()
    assert handed_off(stack) == Counter(tasks)


def test_a_key_of_another_account_ends_nothing_and_is_read_anew_each_round(stack: Stack) -> None:
    stack.comet_api.foreign_key = stack.key = "sk-foreign"
    old = {stack.done(age=1800, reported_at=5) for _ in range(3)}
    new = {stack.done() for _ in range(4)}
    stack.tick(15)
    items = stack.items()
    assert {items[task_id]["status"] for task_id in new | old} == {"SUBMITTED"}
    assert {items[task_id]["error"]["code"] for task_id in new | old} == {"task_not_exist"}
    assert all("whose key it is" in items[task_id]["error"]["message"] for task_id in new)
    assert all("reported on this task before" in items[task_id]["error"]["message"] for task_id in old)
    assert stack.key_reads > 2 * 15, "each round that asks somebody: three a minute or four, as the ids fall"
    stack.key = stack.comet_api.api_key
    stack.tick(5)
    assert handed_off(stack) == Counter(new | old)
    assert not any(item.keys() & {"error", "denied_since"} for item in stack.items().values())
    reads = stack.key_reads
    stack.insert()
    stack.tick(2)
    assert stack.key_reads == reads


def test_wrong_ids_in_a_quiet_stack_end_once_the_key_is_proven(stack: Stack) -> None:
    wrong = [stack.insert("task_" + str(number) * 32) for number in range(5)]
    stack.tick(12)
    items = stack.items()
    assert {items[task_id]["status"] for task_id in wrong} == {"SUBMITTED"}
    assert not any("denied_since" in item for item in items.values()), "the key may be another account's"
    stack.insert()
    stack.tick(10)
    assert {stack.item(task_id)["status"] for task_id in wrong} == {"SUBMITTED"}
    stack.tick(3)
    items = stack.items()
    assert {items[task_id]["status"] for task_id in wrong} == {"NOT_FOUND"}
    assert "check the id" in items[wrong[0]]["error"]["message"].lower()


def test_a_wrong_id_among_good_ones_ends_after_ten_minutes(stack: Stack) -> None:
    for _ in range(3):
        stack.insert()
    wrong = stack.insert("task_" + "0" * 32)
    stack.tick(10)
    assert stack.item(wrong)["status"] == "SUBMITTED"
    assert stack.tick(2)["TasksNotFound"] == 1
    assert stack.item(wrong)["status"] == "NOT_FOUND"


@pytest.mark.parametrize("refusal", ["forbidden", "quota_exhausted"])
def test_one_task_that_is_forbidden_keeps_no_other_from_being_asked(stack: Stack, refusal: str) -> None:
    for _ in range(20):
        stack.insert()
    stack.round()
    forbidden = stack.insert(stack.comet_api.create(answers=[refusal]))
    counts = stack.tick()
    assert (counts["AnswersForbidden"], counts["AnswersReport"], counts["AnswersKeyRejected"]) == (4, 80, 0)
    item = stack.item(forbidden)
    assert (item["status"], item["error"]["code"]) == ("SUBMITTED", "forbidden")
    assert {"forbidden": "no access to this model", "quota_exhausted": "quota"}[refusal] in item["error"]["message"]


def test_tasks_that_are_asked_in_vain_keep_no_round_from_the_others(stack: Stack) -> None:
    stack.most_concurrent = 1
    for _ in range(40):
        error = {"code": "silence_unavailable", "message": "…"}
        stack.insert(stack.comet_api.create(answers=["http_502"]), age=36000, error=error)
    others = [stack.insert() for _ in range(3)]
    stack.round(worker=stack.environment())
    items = stack.items()
    assert {items[task_id]["status"] for task_id in others} == {"IN_PROGRESS"}


@pytest.mark.parametrize(("refusal", "old", "silent_for"), [
    ("forbidden", 20, 36000), ("http_502", 20, 36000), ("http_502", 1, 0),
])  # fmt: skip
def test_old_tasks_that_are_asked_in_vain_keep_no_new_environment_from_the_others(
    stack: Stack, refusal: str, old: int, silent_for: int
) -> None:
    written = int(stack.clock.now()) - silent_for  # only a long silence is noted
    for _ in range(old):
        stack.insert(stack.comet_api.create(answers=[refusal]), age=36000, updated_at=written)
    young = [stack.insert() for _ in range(20)]

    def all_were_asked_by_a_new_environment() -> bool:
        stack.round(worker=stack.environment())
        items = stack.items()
        return {items[task_id]["status"] for task_id in young} == {"IN_PROGRESS"}

    assert any(all_were_asked_by_a_new_environment() for _ in range(60))


def test_a_key_that_is_forbidden_everything_stops_the_round(stack: Stack) -> None:
    for _ in range(20):
        stack.insert()
    stack.comet_api.fault("forbidden")
    assert stack.tick()["AnswersKeyRejected"] == 4
    assert not any("error" in item for item in stack.items().values())


def test_a_gateway_that_is_down_is_probed_with_one_task_a_round(stack: Stack) -> None:
    for _ in range(30):
        stack.insert()
    stack.round()
    stack.comet_api.fault("http_502")
    assert 5 <= stack.round()["Polls"] <= 5 + 8
    stack.comet_api.forget_requests()
    stack.tick()
    assert len(stack.comet_api.requests) == 4
    stack.comet_api.clear()
    assert stack.round()["Polls"] == 30


def test_a_good_answer_is_as_old_as_the_end_of_its_round(stack: Stack) -> None:
    """Else who runs one round a minute would begin each with a probe, while answers are slow."""
    stack.done()
    stack.after["SendMessage"] = lambda: stack.clock.move_to(stack.clock.now() + 7)
    stack.round()
    stack.clock.ahead += 55
    for _ in range(5):
        stack.insert()
    stack.comet_api.fault("http_502")
    assert stack.round()["Polls"] == 5


def test_a_probe_that_is_answered_lets_single_failures_pass_again(stack: Stack) -> None:
    for _ in range(30):
        stack.insert()
    stack.comet_api.fault("http_502")
    stack.round()
    stack.comet_api.clear()
    for task_id in stack.items():
        stack.dynamodb.delete_item(TableName=TABLE, Key={"task_id": {"S": task_id}})
    for number in range(30):
        stack.insert(stack.comet_api.create(answers=["http_502" if number % 5 == 0 else "documented_in_progress"]))
    polls = (stack.round()["Polls"] for _ in range(50))
    assert next(count for count in polls if count > 1) == 30, "the first round whose probe is not one of the six"


def test_a_key_that_is_gone_in_the_middle_of_a_round_is_told(stack: Stack) -> None:
    stack.insert()
    stack.key = ""
    with pytest.raises(ConfigurationError):
        stack.round()


def test_a_gateway_that_asks_for_quiet_hears_of_each_environment_once(stack: Stack) -> None:
    for _ in range(30):
        stack.insert()
    stack.comet_api.fault({"name": "throttled_retry_after_seconds", "retry_after": 20})
    environments = [stack.environment() for _ in range(10)]
    for worker in environments:
        stack.round(worker=worker)
    assert len(stack.comet_api.requests) == 10
    stack.clock.ahead += 19
    for worker in environments:
        stack.round(worker=worker)
    assert len(stack.comet_api.requests) == 10, "until its Retry-After"
    stack.clock.ahead += 2
    for worker in environments:
        stack.round(worker=worker)
    assert len(stack.comet_api.requests) == 20


def test_the_round_after_one_that_was_throttled_asks_half_as_many_at_once(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers: list[object] = []
    submit = stack.executor.submit

    def count_workers(*work: Any) -> Any:
        workers.append(work)
        return submit(*work)

    monkeypatch.setattr(stack.executor, "submit", count_workers)
    for _ in range(20):
        stack.insert()

    def workers_of_a_round() -> int:
        workers.clear()
        stack.round()
        stack.clock.ahead += INTERVAL
        return len(workers)

    assert workers_of_a_round() == 8
    stack.comet_api.fault("throttled")
    workers_of_a_round()
    stack.comet_api.clear()
    assert [workers_of_a_round() for _ in range(3)] == [4, 5, 6]


def test_a_redirect_is_never_followed_with_the_key(stack: Stack) -> None:
    stack.comet_api.fault("redirect_302")
    task_id = stack.insert()
    assert stack.tick()["AnswersMisdirected"]
    assert {request.path for request in stack.comet_api.requests} == {f"/v1/videos/{task_id}"}


def test_each_kind_of_trouble_is_logged_once_in_an_environments_life(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    stack.insert()
    for fault in ("html", "http_502", "throttled", "redirect_302", "task_not_exist_flat", "not_found"):
        stack.comet_api.fault(fault)
        for _ in range(3):
            stack.clock.ahead += 61
            stack.round()
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert Counter(warnings) == {
        "CometAPI gave no report": 3,
        "CometAPI asks for fewer questions (HTTP 429)": 1,
        "CometAPI does not know a task under this key": 1,
        "CometAPI refused to report": 1,
    }


@troubles
def test_a_change_that_is_not_written_is_made_by_a_later_round(
    stack: Stack, trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    task_id = stack.insert()
    other = stack.insert()
    stack.before["UpdateItem"] = raising(trouble)
    assert stack.round()["TableErrors"] == 2
    said = {"message": "change not written; a later round tries again", "cause": cause_of(trouble)}
    assert sorted(logged(caplog, "WARNING"), key=itemgetter("task_id")) == [
        {**said, "task_id": name} for name in sorted((task_id, other))
    ]
    stack.before.clear()
    stack.round()
    assert {stack.item(name)["status"] for name in (task_id, other)} == {"IN_PROGRESS"}


def test_an_item_that_was_changed_by_hand_does_not_stop_a_round(stack: Stack) -> None:
    strange: dict[str, Any] = {"status": 7, "progress": "x", "error": "y", "lease": 5, "lease_until": "z", "model": []}
    task_id = stack.insert(**strange, copy_attempts={"a": 1}, denied_since="w", reported_at=False)
    other = stack.insert()
    stack.round()
    assert {stack.item(name)["status"] for name in (task_id, other)} == {"IN_PROGRESS"}
    boto3.resource("dynamodb").Table(TABLE).delete_item(Key={"task_id": task_id})


# ------------------------------------------------------------------ what is easily passed over


def test_what_nobody_foresaw_in_one_of_many_questions_fails_the_round(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        stack.insert()
    stack.round()  # asks one first; from now on they are asked by threads
    monkeypatch.setattr("poller.round.decide", raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        stack.round()


def test_a_round_that_fails_leaves_no_question_under_way(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda would freeze it, and tell nobody."""
    stack.insert()
    stack.round()
    stack.insert()
    is_asking, number, answers, real = Event(), count(), list[Answer](), CometApi.ask

    def ask(api: CometApi, task_id: str) -> Answer:
        if next(number) == 0:
            is_asking.wait(10)
            raise ZeroDivisionError
        is_asking.set()
        time.sleep(0.2)
        answers.append(real(api, task_id))
        return answers[-1]

    monkeypatch.setattr(CometApi, "ask", ask)
    with pytest.raises(ZeroDivisionError):
        stack.round()
    assert answers


@pytest.mark.parametrize(("begin", "call"), [
    (Stack.tick, "Scan"), (Stack.tick, "SendMessageBatch"),
    (Stack.round, "Scan"), (Stack.round, "SendMessage"), (Stack.round, "UpdateItem"),
])  # fmt: skip
def test_what_nobody_foresaw_is_not_taken_for_an_outage_of_aws(
    stack: Stack, begin: Callable[[Stack], object], call: str
) -> None:
    stack.done()
    stack.before[call] = raising(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        begin(stack)


def test_what_many_threads_do_is_counted_one_at_a_time(stack: Stack) -> None:
    class Noted(Counter[str]):
        def __setitem__(self, name: str, number: int) -> None:
            assert asking._lock.locked()  # noqa: SLF001 - threads meet too seldom to tell
            super().__setitem__(name, number)

    task = Task.from_item({"task_id": stack.done(), "pending_since": 0})
    asking = Round(stack.worker._tools, Pace(1), stack.clock.now() + MINUTE)  # noqa: SLF001 - what it works with
    asking.counts = Noted()
    asking.run([task])
    assert asking.counts["Polls"] == 1


def test_a_lease_hides_nobody_who_has_waited_for_long(stack: Stack) -> None:
    """Its message may be lost, and its URL die."""
    stack.insert(age=7 * 3600, lease_until=int(stack.clock.now()) + 3600)
    assert stack.tick()["OldestPendingSeconds"] >= 7 * 3600


def test_a_write_that_is_throttled_is_no_item_that_is_too_large(stack: Stack) -> None:
    stack.insert()
    stack.before["UpdateItem"] = raising(ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "Call"))
    done = stack.round()
    assert done["TableErrors"] == 1
    assert "ItemsTooLarge" not in done


def test_a_tick_counts_what_both_queues_refused(stack: Stack) -> None:
    stack.done()
    refuse = raising(TROUBLES["refused"])
    stack.before |= {"SendMessage": refuse, "SendMessageBatch": refuse}
    done = stack.worker.tick(SCHEDULED, stack.clock.now() + 60)
    assert done["QueueErrors"] == 2
