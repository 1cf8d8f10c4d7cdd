"""The Copier as Lambda calls it: what it writes about a task, and what it never writes anywhere."""

import json
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache
from io import StringIO
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer

from copier import handler as copier
from copier import watch
from copier.copy import Copier
from copier.video_bucket import S3_CONFIG
from copier.watch import Deadline
from infra.local.cometapi import SimulatedCometApi
from infra.local.cometapi.script import Steps
from shared.aws import CLIENT_CONFIG
from shared.errors import CopyInterrupted
from shared.queues import CopyMessage
from shared.task_table import TaskTable
from tests.integration.conftest import TABLE, gives_up_as
from tests.integration.copying import BUCKET, moto_takes_bytes_only
from tests.integration.strange_host import StrangeHost, say
from tests.logs import metrics_in, written_by
from tests.template import ROOT
from tests.unit.conftest import Clock

COMPLETED_AT = 1_760_000_000
LEASE = "the-pollers-word"
SAMPLE = json.loads((ROOT / "events/copy.json").read_text())
SETTINGS = {
    "TASKS_TABLE": TABLE,
    "RETENTION_DAYS": "30",
    "VIDEOS_BUCKET": BUCKET,
    "COMETAPI_KEY_PARAMETER": "/cometapi/api-key",
    "MAX_VIDEO_BYTES": "1000000",
    "ALLOW_INSECURE_VIDEO_URLS": "true",
    "POWERTOOLS_METRICS_NAMESPACE": "SeedancePoller",
    "POWERTOOLS_SERVICE_NAME": "videos",
}


OF_EVERY_LINE = {
    "location", "timestamp", "service", "cold_start", "function_name", "function_memory_size", "function_arn",
    "function_request_id",
}  # fmt: skip


serialize = TypeSerializer().serialize


class Office:
    """A Copier with its table, its bucket and its log."""

    def __init__(self, table: TaskTable, comet_api: SimulatedCometApi, capsys: pytest.CaptureFixture[str]) -> None:
        self.table, self.comet_api, self.capsys = table, comet_api, capsys
        self.log = StringIO()
        self.metrics = ""

    def pending(self, **options: Any) -> str:
        task_id = self.comet_api.create(**options)
        self.put(task_id, completed_at=COMPLETED_AT, mine="kept")
        return task_id

    def put(self, task_id: str, **attributes: Any) -> None:
        item = {"task_id": task_id, "pending_since": COMPLETED_AT - 60, "status": "COPYING", "lease": LEASE}
        typed = {name: serialize(value) for name, value in {**item, **attributes}.items()}
        boto3.client("dynamodb").put_item(TableName=TABLE, Item=typed)

    def cancel(self, task_id: str) -> None:
        boto3.client("dynamodb").delete_item(TableName=TABLE, Key={"task_id": {"S": task_id}})

    def invoke(self, event: Any, seconds: float = 900) -> Any:
        context: Any = SimpleNamespace(
            function_name="c",
            memory_limit_in_mb=512,
            invoked_function_arn="arn",
            aws_request_id="id",
            get_remaining_time_in_millis=lambda: seconds * 1000,
        )
        answer = copier.handler(event, context)
        self.metrics += self.capsys.readouterr().out
        return answer

    def message(self, task_id: str, **more: Any) -> CopyMessage:
        said = {"lease": LEASE, "video_url": self.comet_api.video_url(task_id), **more}
        return CopyMessage(task_id, **said)

    def deliver(self, message: CopyMessage | str, seconds: float = 900) -> list[str]:
        """Deliver a message, and return the ids of those that come back."""
        body = message if isinstance(message, str) else message.body()
        answer = self.invoke({"Records": [{**SAMPLE["Records"][0], "messageId": "m-1", "body": body}]}, seconds)
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def copy(self, task_id: str, seconds: float = 900, **more: Any) -> dict[str, Any]:
        assert self.deliver(self.message(task_id, **more), seconds) == []
        return self.item(task_id)

    def item(self, task_id: str) -> dict[str, Any]:
        task = self.table.get(task_id)
        assert task
        return dict(task.item)

    @property
    def output(self) -> str:
        return self.log.getvalue() + self.metrics

    def metric(self, name: str) -> Any:
        return next(iter(metrics_in(self.metrics).get(name, ())), None)

    def said(self) -> list[dict[str, Any]]:
        """Return the lines of the log, with what their writer gave them."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [{name: line[name] for name in line if name not in OF_EVERY_LINE} for line in lines]


@cache
def _client(*args: Any, **kwargs: Any) -> Any:
    """Make each client once for all tests: making them takes longer than the tests."""
    return SESSION.client(*args, **kwargs)


SESSION = boto3.Session(region_name="us-east-1")
moto_takes_bytes_only(SESSION)


@pytest.fixture
def office(
    table: TaskTable,
    lasting_comet_api: SimulatedCometApi,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Office]:
    comet_api = lasting_comet_api
    comet_api.forget_requests()
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    boto3.client("ssm").put_parameter(Name="/cometapi/api-key", Value=comet_api.api_key, Type="SecureString")
    for name, value in {**SETTINGS, "COMETAPI_BASE_URL": comet_api.base_url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "client", _client)
    copier._tools.cache_clear()  # noqa: SLF001
    office = Office(table, comet_api, capsys)
    with written_by(copier.logger) as office.log:
        yield office
    copier._tools.cache_clear()  # noqa: SLF001
    assert "Signature" not in office.output
    assert "Traceback" not in office.output


def test_a_video_is_stored_and_its_task_closed(office: Office) -> None:
    task_id = office.pending()
    size = office.comet_api.expected(task_id).size
    item = office.copy(task_id)
    assert item["status"] == "SUCCESS"
    assert item["s3_uri"] == f"s3://{BUCKET}/videos/{task_id}.mp4"
    assert (item["size"], item["progress"], item["mine"]) == (size, 100, "kept")
    assert item["etag"]
    assert item["expires_at"] - item["ended_at"] == 30 * 86400
    assert not {"pending_since", "error", "lease_until"} & item.keys()
    assert boto3.client("s3").head_object(Bucket=BUCKET, Key=f"videos/{task_id}.mp4")["ContentLength"] == size


def test_a_retention_of_0_days_keeps_an_ended_task_for_ever(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETENTION_DAYS", "0")
    assert "expires_at" not in office.copy(office.pending())


@pytest.mark.parametrize(
    ("video", "written"),
    [
        ("fine", {"stored_at": 600, "ended_at": 600}),
        ("length_huge", {"ended_at": 600}),
        ({"name": "error", "status": 451}, {"updated_at": 600, "lease_until": 660}),
    ],
)
def test_an_outcome_is_of_the_time_at_which_the_copy_is_over(
    office: Office, monkeypatch: pytest.MonkeyPatch, video: Steps, written: dict[str, int]
) -> None:
    copy, clock = Copier.copy, SimpleNamespace(time=lambda: COMPLETED_AT, monotonic=time.monotonic)

    def take_ten_minutes(*how: Any) -> Any:
        clock.time = lambda: COMPLETED_AT + 600
        return copy(*how)

    monkeypatch.setattr(copier, "time", clock)
    monkeypatch.setattr(Copier, "copy", take_ten_minutes)
    item = office.copy(office.pending(video=video))
    assert {name: item[name] - COMPLETED_AT for name in written} == written


def test_what_is_measured(office: Office) -> None:
    task_id = office.pending()
    began = time.monotonic()
    office.copy(task_id)
    passed = time.monotonic() - began
    assert office.metric("VideosStored") == 1
    assert office.metric("VideoBytes") == office.comet_api.expected(task_id).size
    assert 0 < office.metric("SecondsFromCompletionToStored") <= time.time() - COMPLETED_AT
    (line,) = office.said()
    assert 0 < line.pop("seconds") <= passed
    stored = {"s3_uri": f"s3://{BUCKET}/videos/{task_id}.mp4", "size": office.comet_api.expected(task_id).size}
    assert line == {"level": "INFO", "message": "video stored", "task_id": task_id, **stored}


def test_a_render_that_is_said_to_end_later_took_no_time(office: Office) -> None:
    task_id = office.pending()
    office.put(task_id, completed_at=int(time.time()) + 3600)
    office.copy(task_id)
    assert office.metric("SecondsFromCompletionToStored") == 0


@pytest.mark.parametrize(
    ("completed_at", "is_time"),
    [(COMPLETED_AT, True), (Decimal("1760000000.5"), True), (str(COMPLETED_AT), False), (True, False), (None, False)],
)
def test_when_a_render_ended_is_known_by_a_number(office: Office, completed_at: object, *, is_time: bool) -> None:
    task_id = office.pending()
    office.put(task_id, completed_at=completed_at)
    assert office.copy(task_id)["status"] == "SUCCESS"
    assert (office.metric("SecondsFromCompletionToStored") is not None) is is_time


def test_a_video_behind_the_key_is_stored(office: Office) -> None:
    task_id = office.pending()
    item = office.copy(task_id, video_url=office.comet_api.content_url(task_id))
    assert (item["status"], item["size"]) == ("SUCCESS", office.comet_api.expected(task_id).size)


def test_a_signed_url_needs_no_key(office: Office) -> None:
    boto3.client("ssm").delete_parameter(Name="/cometapi/api-key")
    assert office.copy(office.pending())["status"] == "SUCCESS"


def test_a_video_that_is_refused_ends_its_task(office: Office) -> None:
    item = office.copy(office.pending(video="length_huge"))
    assert item["status"] == "COPY_FAILED"
    assert item["error"]["code"] == "too_large"
    assert f"which is {SETTINGS['MAX_VIDEO_BYTES']}." in item["error"]["message"]
    assert "pending_since" not in item
    assert office.metric("TasksCopyFailed") == 1
    (line,) = office.said()
    assert line["message"] == f"not copied: {item['error']['message']}"
    assert (line["level"], line["code"]) == ("WARNING", "too_large")


def test_a_copy_that_is_interrupted_gives_the_lease_back(office: Office) -> None:
    item = office.copy(office.pending(video={"name": "error", "status": 451}))
    assert item["status"] == "COPYING"
    assert item["pending_since"]
    assert item["error"]["code"] == "http_451"
    assert item["lease_until"] == item["updated_at"] + 60
    assert item["copy_attempts"] == 1
    assert office.metric("CopyInterrupted") == 1
    (line,) = office.said()
    said = item["error"]["message"].removesuffix(" The copy is tried again later.")
    assert line["message"] == f"not copied, and tried again later: {said}"
    assert (line["level"], line["code"]) == ("WARNING", "http_451")


def test_its_clients_give_up_when_they_should(office: Office) -> None:
    tools: Any = copier._tools()  # noqa: SLF001
    assert office.table
    for client, planned in ((tools.table._client, CLIENT_CONFIG), (tools.copier.bucket.client, S3_CONFIG)):  # noqa: SLF001
        assert gives_up_as(planned, client)


def test_too_little_time(office: Office) -> None:
    assert office.copy(office.pending(), seconds=10)["error"]["code"] == "out_of_time"


def test_an_expired_url_is_not_replaced_here(office: Office) -> None:
    item = office.copy(office.pending(video="expired"))
    assert item["error"]["code"] == "url_expired"
    assert {request.operation for request in office.comet_api.requests} == {"video"}


def test_a_bucket_that_is_gone(office: Office) -> None:
    boto3.client("s3").delete_bucket(Bucket=BUCKET)
    item = office.copy(office.pending())
    assert item["error"] == {
        "code": "s3_error",
        "message": "S3 did not store the video (NoSuchBucket). The copy is tried again later.",
    }
    assert item["pending_since"]


def test_a_bucket_that_hangs_leaves_time_for_a_note(office: Office, hang: Callable[..., None]) -> None:
    events = copier._tools().copier.bucket.client.meta.events  # noqa: SLF001 - a client for all tests
    events.register("before-call.s3.PutObject", hang)
    started = time.monotonic()
    item = office.copy(office.pending(), seconds=15.5)
    events.unregister("before-call.s3.PutObject", hang)
    assert item["error"]["code"] == "out_of_time"
    assert item["lease_until"] == item["updated_at"] + 60
    assert time.monotonic() - started < 5


def test_a_video_whose_item_has_no_room_waits_in_the_bucket_until_it_has(office: Office) -> None:
    task_id = office.pending()
    notes = "x" * 404_700
    office.put(task_id, copy_attempts=0, lease_until=1_900_000_000, updated_at=COMPLETED_AT, notes=notes)
    assert office.deliver(office.message(task_id)) == ["m-1"]
    assert boto3.client("s3").head_object(Bucket=BUCKET, Key=f"videos/{task_id}.mp4")
    assert (office.metric("ItemsTooLarge"), office.metric("VideosStored")) == (1, None)
    assert task_id in office.log.getvalue()
    assert office.item(task_id)["pending_since"], "it is handed off again"
    office.put(task_id, notes="less")
    assert office.copy(task_id)["status"] == "SUCCESS"
    assert office.metric("VideosStored") == 1


def test_a_video_of_a_task_that_was_cancelled_meanwhile_is_not_counted(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id, copy = office.pending(), Copier.copy

    def copy_and_cancel(*how: Any) -> Any:
        stored = copy(*how)
        office.cancel(task_id)
        return stored

    monkeypatch.setattr(Copier, "copy", copy_and_cancel)
    assert office.deliver(office.message(task_id)) == []
    assert office.metric("VideosStored") is None


@pytest.mark.parametrize(("owner", "method"), [(Copier, "copy"), (TaskTable, "get"), (TaskTable, "write")])
def test_a_mistake_of_the_code_is_no_trouble_of_aws(
    office: Office, monkeypatch: pytest.MonkeyPatch, owner: type, method: str
) -> None:
    """Lambda counts it as an error, with its traceback."""

    def fail(*_: Any) -> None:
        raise KeyError(method)

    message = office.message(office.pending())
    monkeypatch.setattr(owner, method, fail)
    with pytest.raises(KeyError, match=method):
        office.deliver(message)


# --- The lease ---


def test_a_copy_takes_the_lease_for_longer_than_it_can_last(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = office.pending(video="stall_before_headers")
    seen: list[dict[str, Any]] = []

    def look(*_: object) -> None:
        seen.append(office.item(task_id))
        raise CopyInterrupted("stopped", "Stopped.")

    monkeypatch.setattr(Copier, "copy", look)
    before = int(time.time())
    office.copy(task_id, seconds=300)
    (item,) = seen
    assert item["lease"] not in {LEASE, ""}
    assert item["copy_attempts"] == 1
    assert before + 360 <= item["lease_until"] <= int(time.time()) + 360


@pytest.mark.parametrize("state", ["cancelled", "ended", "another word", "no word"])
def test_a_message_that_is_too_late(office: Office, state: str) -> None:
    task_id = office.pending()
    message = office.message(task_id)
    match state:
        case "cancelled":
            office.cancel(task_id)
        case "ended":
            office.copy(task_id)
        case "another word":
            office.put(task_id, lease="another")
        case _:
            office.put(task_id, lease=7)
    before = office.table.get(task_id)
    office.comet_api.forget_requests()
    assert office.deliver(message) == []
    assert office.table.get(task_id) == before
    assert office.comet_api.requests == []
    (*_, line) = office.said()
    assert line == {
        "level": "INFO",
        "message": "nothing to copy: the task was cancelled, has ended, or is another message's",
        "task_id": task_id,
    }


def test_a_message_that_comes_twice_is_copied_once(office: Office) -> None:
    task_id = office.pending(video=[{"name": "error", "status": 451, "times": 2}, "fine"])
    first = office.copy(task_id)
    assert office.copy(task_id) == first
    assert first["copy_attempts"] == 1


def test_two_messages_at_the_same_moment(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = office.pending()
    task = office.table.get(task_id)
    office.copy(task_id)
    office.put(task_id, lease="the-other-ones")
    office.comet_api.forget_requests()
    monkeypatch.setattr(TaskTable, "get", lambda *_: task)
    assert office.deliver(office.message(task_id)) == []
    assert office.said()[-1]["message"] == "nothing to copy: another message was faster"
    assert office.comet_api.requests == []


def test_a_task_whose_lease_is_lost_meanwhile(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = office.pending()
    copy = Copier.copy

    def lose(*arguments: Any) -> Any:
        office.put(task_id, lease="the-next-ones")
        return copy(*arguments)

    monkeypatch.setattr(Copier, "copy", lose)
    item = office.copy(task_id)
    assert (item["status"], item["lease"]) == ("COPYING", "the-next-ones")
    assert office.said()[-1]["message"] == "the task was cancelled or replaced meanwhile; it is left as it is"


def test_a_task_that_is_cancelled_meanwhile(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = office.pending()
    copy = Copier.copy

    def cancel(*arguments: Any) -> Any:
        office.cancel(task_id)
        return copy(*arguments)

    monkeypatch.setattr(Copier, "copy", cancel)
    office.deliver(office.message(task_id))
    assert "cancelled or replaced meanwhile" in office.output
    assert office.table.get(task_id) is None


def test_a_task_that_was_put_again_after_its_video_was_stored(office: Office) -> None:
    task_id = office.pending()
    stored = office.copy(task_id)
    office.put(task_id, pending_since=COMPLETED_AT + 60)
    assert office.copy(task_id)["etag"] == stored["etag"]


# --- Messages and settings that are none ---


@pytest.mark.parametrize("event", [{}, {"task_id": "task_x"}, {"Records": []}, {"Records": [{"body": "{}"}]}, [], None])
def test_an_event_that_is_no_message(office: Office, event: Any) -> None:
    assert office.invoke(event) == {"batchItemFailures": []}
    assert office.metric("BadMessages") == 1


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"task_id": "task_x", "lease": "", "video_url": "x"}', "[" * 9999])
def test_a_message_that_is_no_copy_is_gone(office: Office, body: str) -> None:
    assert office.deliver(body) == []
    (line,) = office.said()
    assert line["message"].startswith("message dropped: ")
    assert line == {"level": "ERROR", "message": line["message"], "message_id": "m-1"}, "a body may hold a signed URL"
    assert office.metric("BadMessages") == 1


def test_a_message_that_is_none_is_not_told_under_the_task_before_it(office: Office) -> None:
    task_id = office.pending()
    office.copy(task_id)
    office.deliver("{}")
    stored, dropped = office.said()
    assert (stored["task_id"], dropped.get("task_id")) == (task_id, None)


def test_a_warm_environment_makes_nothing_anew(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = office.pending(), office.pending()
    office.copy(first)
    monkeypatch.delattr(boto3, "client")
    assert office.copy(second)["status"] == "SUCCESS"


def test_a_missing_setting(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDEOS_BUCKET")
    task_id = office.pending()
    before = office.item(task_id)
    assert office.deliver(office.message(task_id)) == ["m-1"]
    assert "VIDEOS_BUCKET" in office.output
    assert office.metric("ConfigurationErrors") == 1
    assert office.item(task_id) == before


@pytest.mark.parametrize("url", ["api.cometapi.com", "http://api.cometapi.com"])
def test_a_base_url_that_is_none(office: Office, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("ALLOW_INSECURE_VIDEO_URLS", "false")
    monkeypatch.setenv("COMETAPI_BASE_URL", url)
    assert office.deliver(office.message(office.pending())) == ["m-1"]
    assert "CometApiBaseUrl" in office.output


def test_a_missing_table(office: Office) -> None:
    boto3.client("dynamodb").delete_table(TableName=TABLE)
    assert office.invoke(SAMPLE)["batchItemFailures"] == [{"itemIdentifier": SAMPLE["Records"][0]["messageId"]}]
    (line,) = office.said()
    assert line == {
        "level": "ERROR",
        "message": "task not settled, the message comes back: ResourceNotFoundException",
        "task_id": CopyMessage.read(SAMPLE["Records"][0]["body"]).task_id,
    }
    assert office.metric("TableErrors") == 1


def test_the_sample_event(office: Office) -> None:
    message = CopyMessage.read(SAMPLE["Records"][0]["body"])
    office.invoke(SAMPLE)
    assert message.task_id in office.output
    assert message.last_frame_url


# --- What the render was ---


USAGE = {"completion_tokens": 40, "total_tokens": 42}


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (USAGE, 42),
        ({"completion_tokens": 40}, 40),
        ({"total_tokens": "many", "completion_tokens": 40}, 40),
        ({"total_tokens": 1}, 1),
        ({"total_tokens": 2**53 - 1}, 2**53 - 1),
        *(({"total_tokens": number}, None) for number in (Decimal("1e100"), 2**53, 0, -1)),
        ("42", None),
        ([42], None),
        (None, None),
    ],
)
def test_tokens_are_counted_where_they_are_told(office: Office, usage: Any, tokens: int | None) -> None:
    task_id = office.comet_api.create()
    office.put(task_id, result={"usage": usage, "duration": 5})
    item = office.copy(task_id)
    assert office.metric("RenderTokens") == tokens
    assert item["result"] == {"usage": usage, "duration": 5}


@pytest.mark.parametrize("result", ["text", None, [1]])
def test_a_result_that_is_none(office: Office, result: Any) -> None:
    task_id = office.comet_api.create()
    office.put(task_id, result=result)
    assert office.copy(task_id)["status"] == "SUCCESS"


def test_a_last_frame_is_noted_with_the_ending(office: Office) -> None:
    task_id = office.comet_api.create()
    office.put(task_id, result={"duration": 5})
    with StrangeHost(say("HTTP/1.1 200 OK\nContent-Length: 12", b"\x89PNG\r\n\x1a\nabcd")) as host:
        item = office.copy(task_id, last_frame_url=host.url)
    uri = f"s3://{BUCKET}/videos/{task_id}.last.png"
    assert item["result"] == {"duration": 5, "last_frame": uri}
    assert item["status"] == "SUCCESS"
    assert office.said()[-1]["message"] == f"last frame: {uri}"


def test_what_the_table_takes_of_a_run_is_not_the_copys(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, left = Clock(), list[float]()

    def copy(_copier: Copier, _task: object, _source: object, deadline: Deadline) -> None:
        left.append(deadline.left())
        raise CopyInterrupted("stopped", "It has seen enough.")

    def slowly(**_: object) -> None:
        clock.now += 40

    monkeypatch.setattr(watch, "time", clock)
    monkeypatch.setattr(Copier, "copy", copy)
    events = copier._tools().table._client.meta.events  # noqa: SLF001 - a client for all tests
    events.register("before-call.dynamodb", slowly)
    try:
        office.copy(office.pending())
    finally:
        events.unregister("before-call.dynamodb", slowly)
    assert left == [900 - 15 - 2 * 40]


def test_a_last_frame_has_what_its_video_left_of_the_run(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    copy, copy_last_frame = Copier.copy, Copier.copy_last_frame

    def note(real: Callable[..., Any]) -> Callable[..., Any]:
        def noting(copier: Copier, task: Any, source: Any, deadline: Any) -> Any:
            given.append(deadline)
            return real(copier, task, source, deadline)

        return noting

    monkeypatch.setattr(Copier, "copy", note(copy))
    monkeypatch.setattr(Copier, "copy_last_frame", note(copy_last_frame))
    office.copy(office.pending(), last_frame_url="nonsense")
    videos, frames = given
    assert frames is videos


def test_a_last_frame_that_is_none_is_a_word(office: Office) -> None:
    task_id = office.comet_api.create()
    office.put(task_id)
    item = office.copy(task_id, last_frame_url="nonsense")
    assert item["result"] == {"last_frame": "insecure_url"}
    assert item["status"] == "SUCCESS"
