"""The Poller as Lambda calls it: by a tick that is anything, by messages that are none, and without its settings."""

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from io import StringIO
from threading import Event
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from copier.connection import trusted_authorities
from infra.local.cometapi import SimulatedCometApi
from poller import handler as poller
from poller import remarks
from poller.round import Tools
from poller.worker import Polling, Worker
from shared.aws import CLIENT_CONFIG
from shared.lifecycle import Limits
from shared.queues import RoundMessage
from tests.integration.conftest import TABLE, gives_up_as
from tests.integration.polling import Stack
from tests.logs import metrics_in, written_by
from tests.template import ROOT

PARAMETER = "/cometapi/api-key"
SAMPLE: dict[str, Any] = json.loads((ROOT / "events/round.json").read_text())
TICK: dict[str, Any] = json.loads((ROOT / "events/tick.json").read_text())
type Handle = Callable[[Any], object]


def settings(stack: Stack) -> dict[str, str]:
    return {
        "TASKS_TABLE": TABLE,
        "RETENTION_DAYS": "30",
        "ROUNDS_QUEUE": stack.rounds,
        "COPIES_QUEUE": stack.copies,
        "COMETAPI_BASE_URL": stack.comet_api.base_url,
        "COMETAPI_KEY_PARAMETER": PARAMETER,
        "POLL_INTERVAL_SECONDS": "15",
        "MAX_CONCURRENT_POLLS": "4",
        "TASKS_PER_WORKER": "2000",
        "MAX_WORKERS": "8",
        "TASK_DEADLINE_HOURS": "24",
        "ALLOW_INSECURE_VIDEO_URLS": "true",
        # What the other functions read, too.
        "VIDEOS_BUCKET": "videos",
        "MAX_VIDEO_BYTES": "1000",
        "TASK_ENDED_TOPIC": "arn:aws:sns:us-east-1:123456789012:ended",
    }


@pytest.fixture
def stack(dynamodb: Any, comet_api: SimulatedCometApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    made = Stack(dynamodb, comet_api)
    made.clock.ahead = 0.0
    for name, value in settings(made).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(remarks, "_heard", set())
    store_key(comet_api.api_key)
    yield made
    made.executor.shutdown()


def store_key(key: str) -> None:
    boto3.client("ssm").put_parameter(Name=PARAMETER, Value=key, Type="SecureString", Overwrite=True)


def context(seconds: int) -> Any:
    """Return what Lambda tells of an invocation that has so many seconds left."""
    return SimpleNamespace(
        function_name="poller", memory_limit_in_mb=512, invoked_function_arn="arn", aws_request_id="id",
        get_remaining_time_in_millis=lambda: seconds * 1000,
    )  # fmt: skip


@pytest.fixture
def handle(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Handle]:
    """Time stands, lest a round be over before it begins."""
    monkeypatch.setattr(poller, "Tools", partial(Tools, now=stack.clock.now))
    monkeypatch.setattr(poller, "time", SimpleNamespace(time=stack.clock.now))
    poller._worker.cache_clear()  # noqa: SLF001
    yield lambda event: poller.handler(event, context(90))
    poller._worker.cache_clear()  # noqa: SLF001


@pytest.fixture
def log() -> Iterator[StringIO]:
    with written_by(poller.logger) as written:
        yield written


def lines(log: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def delivered(body: str) -> dict[str, Any]:
    return {"Records": [{**SAMPLE["Records"][0], "body": body}]}


def asked_now(stack: Stack, **fields: int) -> str:
    body: str = stack.everybody().body()
    return json.dumps({**json.loads(body), **fields})


@pytest.mark.parametrize("most", [4, 256])
def test_every_question_has_a_connection_to_write_over(
    handle: Handle, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setenv("MAX_CONCURRENT_POLLS", str(most))
    handle(TICK)
    tools = poller._worker()._tools  # noqa: SLF001 - what it works with
    for client in (tools.table._client, tools.queues._client):  # noqa: SLF001 - see above
        config: Any = client.meta.config
        assert config.max_pool_connections == most
        assert gives_up_as(CLIENT_CONFIG, client)


def test_no_more_questions_are_asked_at_once_than_are_allowed(handle: Handle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_CONCURRENT_POLLS", "7")
    handle(TICK)
    gate = Event()
    executor: Any = poller._worker()._tools.executor  # noqa: SLF001 - see above
    for _ in range(20):
        executor.submit(gate.wait, 10)
    gate.set()
    assert len(executor._threads) == 7  # noqa: SLF001 - each of which asks one question


@pytest.mark.parametrize("retention", [30, 0])
def test_each_setting_gets_to_where_it_belongs(handle: Handle, monkeypatch: pytest.MonkeyPatch, retention: int) -> None:
    monkeypatch.setenv("RETENTION_DAYS", str(retention))
    handle(TICK)
    worker: Any = poller._worker()  # noqa: SLF001 - see above
    assert worker._polling == Polling(interval=15, most_concurrent=4, tasks_per_worker=2000, most_workers=8)  # noqa: SLF001
    assert worker._tools.limits == Limits(deadline_seconds=24 * 3600, retention_seconds=retention * 86400)  # noqa: SLF001
    assert worker._key is worker._tools.api._key, "whoever doubts a key has the next question ask with the new one"  # noqa: SLF001
    assert worker._tools.api._pool.pool.maxsize == 4, "a connection for each question that is asked at once"  # noqa: SLF001


@pytest.mark.usefixtures("handle")
@pytest.mark.parametrize("kind", ["round", "tick"])
def test_nothing_is_asked_in_the_last_half_minute(stack: Stack, kind: str) -> None:
    """Its answer could come too late to be written down."""
    stack.insert()
    poller.handler(delivered(asked_now(stack)) if kind == "round" else {}, context(29))
    assert stack.comet_api.requests == []


@pytest.mark.parametrize("kind", ["round", "tick"])
def test_what_nobody_foresaw_fails_the_invocation(
    stack: Stack, handle: Handle, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Lambda counts it, and delivers the round again; who swallows it has no alarm ring."""

    def surprise(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Worker, kind, surprise)
    with pytest.raises(ZeroDivisionError):
        handle(delivered(asked_now(stack)) if kind == "round" else {})


def test_a_round_without_a_report_says_so(stack: Stack, handle: Handle, capsys: pytest.CaptureFixture[str]) -> None:
    """An alarm asks for the absence of reports, and CloudWatch fills no metric that was never sent."""
    stack.insert(stack.comet_api.create(answers=["http_502"]))
    handle(delivered(asked_now(stack)))
    assert metrics_in(capsys.readouterr().out)["AnswersReport"] == [0]


def test_a_trouble_that_lasts_is_told_by_the_first_invocation_alone(
    stack: Stack, handle: Handle, log: StringIO
) -> None:
    stack.insert(stack.comet_api.create(answers=["html"]))
    for _ in range(2):
        handle(delivered(asked_now(stack)))
    told = [line["message"] for line in lines(log)]
    assert told == ["CometAPI gave no report", "round done", "round done"]


def test_no_logger_at_all_tells_a_signed_url(
    stack: Stack, handle: Handle, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lambda writes down what any library says at INFO."""
    caplog.set_level("INFO")
    stack.done()
    handle(delivered(asked_now(stack)))
    assert metrics_in(capsys.readouterr().out)["HandOffs"] == [1]
    assert "X-Tos" not in caplog.text


@pytest.mark.parametrize(
    "event",
    [
        TICK, {}, None, [], 7, "tick", {"scheduled_time": "<aws.scheduler.scheduled-time>"}, {"Records": []},
        {"Records": "x"}, {"Records": [{"eventSource": "aws:s3"}]}, {"scheduled_time": ["x"] * 1000},
    ],
    ids=lambda event: str(event)[:40],
)  # fmt: skip
def test_whatever_no_queue_sent_is_a_tick(
    stack: Stack, handle: Handle, event: object, log: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    task_id = stack.insert()
    handle(event)
    (done,) = [line for line in lines(log) if line["message"] == "tick done"]
    assert done["counts"]["PendingTasks"] == 1
    metrics = metrics_in(capsys.readouterr().out)
    assert (metrics["PendingTasks"], metrics["RoundsPlanned"]) == ([1], [done["counts"]["RoundsPlanned"]])
    is_by_hand = not (isinstance(event, dict) and "scheduled_time" in event)
    assert ("Polls" in metrics) is is_by_hand
    assert 0 <= done["counts"]["RoundsPlanned"] - 4 <= (3 if is_by_hand else 0), "what is left of this minute"
    assert task_id in stack.items()


def test_a_message_is_one_round(
    stack: Stack, handle: Handle, log: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = [stack.insert(), stack.done()]
    handle(delivered(asked_now(stack)))
    items = stack.items()
    assert [items[task_id]["status"] for task_id in tasks] == ["IN_PROGRESS", "COPYING"]
    metrics = metrics_in(capsys.readouterr().out)
    assert (metrics["Polls"], metrics["AnswersReport"], metrics["HandOffs"]) == ([2], [2], [1])
    assert metrics["RoundSeconds"]
    assert "RoundsPlanned" not in metrics
    assert [line["message"] for line in lines(log)][-1] == "round done"
    assert {line["function_request_id"] for line in lines(log)} == {"id"}, "what an invocation said belongs together"


def test_a_planned_round_comes_back_as_it_was_planned(stack: Stack, handle: Handle) -> None:
    """Through the queue itself, whose delay is taken away."""
    stack.insert()

    def send_at_once(params: dict[str, Any], **_: object) -> None:
        for entry in params["Entries"]:
            entry["DelaySeconds"] = 0

    stack.sqs.meta.events.register_last("provide-client-params.sqs.SendMessageBatch", send_at_once)
    stack.worker.tick({}, stack.clock.now() + 70)
    messages = stack.sqs.receive_message(QueueUrl=stack.rounds, MaxNumberOfMessages=10)["Messages"]
    rounds = [RoundMessage.read(message["Body"], stack.clock.now()) for message in messages]
    assert [asked.until for asked in rounds] == [asked.until for _, asked in stack.planned]
    for message in messages:
        handle(delivered(message["Body"]))


@pytest.mark.parametrize(
    "body",
    [
        "", "null", "{}", "[]", '"x"', "x" * 100_000, "[" * 100_000,
        '{"task_id": "t", "lease": "w", "video_url": "https://v/secret"}',
    ],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
def test_a_message_that_is_no_round_is_logged_counted_and_gone(
    stack: Stack, handle: Handle, body: str, log: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stack.insert()
    handle(delivered(body))
    assert metrics_in(capsys.readouterr().out)["BadMessages"] == [1]
    (line,) = lines(log)
    assert (line["level"], line["message_id"]) == ("ERROR", SAMPLE["Records"][0]["messageId"])
    assert line["message"].startswith("message dropped: The message is no ")
    assert "secret" not in log.getvalue()
    assert len(log.getvalue()) < 1000
    assert stack.comet_api.requests == []
    assert stack.item(before)["status"] == "SUBMITTED"


@pytest.mark.parametrize(
    "fields",
    [{"segment": 1}, {"segment": -1}, {"segments": 0}, {"after": 9 * 10**9}, {"until": 0}, {"ends_at": 0}],
    ids=str,
)
def test_a_round_of_no_segment_or_another_day_is_none(
    stack: Stack, handle: Handle, fields: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    stack.insert()
    handle(delivered(asked_now(stack, **fields)))
    assert metrics_in(capsys.readouterr().out)["BadMessages"] == [1]
    assert stack.comet_api.requests == []


def test_the_sample_is_a_round_of_another_day(stack: Stack, handle: Handle, log: StringIO) -> None:
    handle(SAMPLE)
    assert "a round of another time" in log.getvalue()
    assert stack.calls == []


def test_without_the_key_each_invocation_says_what_is_missing_until_it_is_there(
    stack: Stack, handle: Handle, log: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    boto3.client("ssm").delete_parameter(Name=PARAMETER)
    task_id = stack.insert()
    before = stack.item(task_id)
    for event in ({}, delivered(asked_now(stack))):
        assert SAMPLE["Records"][0]["messageId"] not in str(handle(event)), "Lambda would deliver it again"
        assert metrics_in(capsys.readouterr().out)["ConfigurationErrors"] == [1]
        assert f"aws ssm put-parameter --type SecureString --name {PARAMETER}" in lines(log)[-1]["message"]
    assert stack.item(task_id) == before
    store_key(stack.comet_api.api_key)
    handle(delivered(asked_now(stack)))
    assert metrics_in(capsys.readouterr().out)["Polls"] == [1]


def test_a_stack_without_a_task_says_at_its_first_tick_that_it_has_no_key(
    handle: Handle, capsys: pytest.CaptureFixture[str]
) -> None:
    boto3.client("ssm").delete_parameter(Name=PARAMETER)
    handle(TICK)
    assert metrics_in(capsys.readouterr().out)["ConfigurationErrors"] == [1]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("POLL_INTERVAL_SECONDS", "often", "POLL_INTERVAL_SECONDS"),
        ("MAX_WORKERS", "", "MAX_WORKERS"),
        ("ALLOW_INSECURE_VIDEO_URLS", "maybe", "ALLOW_INSECURE_VIDEO_URLS"),
        ("ALLOW_INSECURE_VIDEO_URLS", "false", "CometApiBaseUrl"),  # false is false: the key never goes by plain http
        ("COMETAPI_BASE_URL", "no url", "CometApiBaseUrl"),
    ],
)
def test_a_wrong_setting_is_named_at_each_invocation(
    stack: Stack,
    handle: Handle,
    name: str,
    value: str,
    said: str,
    request: pytest.FixtureRequest,
) -> None:
    log, capsys, monkeypatch = map(request.getfixturevalue, ("log", "capsys", "monkeypatch"))
    monkeypatch.setenv(name, value)
    for event in ({}, delivered(asked_now(stack))):
        handle(event)
        assert metrics_in(capsys.readouterr().out)["ConfigurationErrors"] == [1]
        message = lines(log)[-1]["message"]
        assert "no task was changed" in message
        assert said in message
    assert stack.comet_api.requests == []


@pytest.mark.parametrize(
    ("module", "maker"),
    [("poller", "_worker"), ("intake", "_tools"), ("announcer", "_tools"), ("copier", "_tools")],
)
def test_clients_and_settings_are_made_while_lambda_imports_the_module(
    stack: Stack,  # noqa: ARG001
    module: str,
    maker: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def import_anew() -> int:
        spec = importlib.util.find_spec(f"{module}.handler")
        assert spec
        assert spec.loader
        anew = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, anew)  # where its dataclasses look for it
        spec.loader.exec_module(anew)
        made: int = getattr(anew, maker).cache_info().currsize
        return made

    trusted_authorities.cache_clear()
    assert import_anew() == 1
    assert trusted_authorities.cache_info().currsize == (module == "copier")
    monkeypatch.delenv("TASK_ENDED_TOPIC" if module == "announcer" else "TASKS_TABLE")
    assert import_anew() == 0, "without settings it is imported all the same"


def test_neither_key_nor_url_is_ever_written_down(
    stack: Stack, handle: Handle, log: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = (
        "documented_success", "success_with_last_frame", "failed_object_error", "html", "reset", "redirect_302",
        "task_not_exist_nested", "forbidden",
    )  # fmt: skip
    stack.insert()
    handle(delivered(asked_now(stack)))  # from now on the key is proven
    for answer in answers:
        stack.insert(stack.comet_api.create(answers=[answer]))
    for _ in range(3):
        handle(delivered(asked_now(stack)))
    written = log.getvalue() + capsys.readouterr().out + str(stack.items()) + str(stack.sent)
    assert "COPYING" in written
    assert "handed off" in written
    assert stack.comet_api.api_key not in written
    assert "X-Tos" not in written
