"""The Announcer over records of the stream: each ending is told once, in order, and nothing else is."""

import json
import os
from copy import deepcopy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from announcer import handler as announcer
from shared.aws import CLIENT_CONFIG
from tests.integration.conftest import gives_up_as
from tests.logs import logged, metrics_in
from tests.template import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_sqs import SQSClient

EVENT = json.loads((ROOT / "events/ended.json").read_text())
CONTEXT: Any = SimpleNamespace(
    function_name="a", memory_limit_in_mb=256, invoked_function_arn="arn", aws_request_id="id"
)
TOLD = ["task_stored", "task_failed", "task_invalid", "task_invalid_again"]


class Subscriber:
    """A queue that hears the topic, as a user's would."""

    def __init__(self, sqs: "SQSClient", queue: str) -> None:
        self._sqs, self._queue = sqs, queue

    def heard(self) -> list[dict[str, Any]]:
        messages = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]

    def tasks(self) -> list[str]:
        return [json.loads(body["Message"])["task_id"] for body in self.heard()]


@pytest.fixture
def subscriber(aws: None, monkeypatch: pytest.MonkeyPatch) -> "Iterator[Subscriber]":  # noqa: ARG001
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic = sns.create_topic(Name="ended")["TopicArn"]
    queue = sqs.create_queue(QueueName="ended")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    monkeypatch.setenv("TASK_ENDED_TOPIC", topic)
    announcer._tools.cache_clear()  # noqa: SLF001
    yield Subscriber(sqs, queue)
    announcer._tools.cache_clear()  # noqa: SLF001


def records(*images: dict[str, Any]) -> dict[str, Any]:
    """Return an event of tasks that ended so, each under its own sequence number from 11 on."""
    found = []
    for number, image in enumerate(images, 11):
        record = deepcopy(EVENT["Records"][1])
        record["eventID"], record["dynamodb"]["SequenceNumber"] = f"event_{number}", str(number)
        task_id = {"task_id": {"S": f"task_{number}"}}
        record["dynamodb"] |= {
            "Keys": task_id,
            "NewImage": {**task_id, "ended_at": {"N": "1776567700"}, **image},
            "OldImage": {**task_id, "pending_since": {"N": "1776567600"}},
        }
        found.append(record)
    return {"Records": found}


def test_every_ending_is_announced_once_and_in_order(subscriber: Subscriber, caplog: pytest.LogCaptureFixture) -> None:
    assert announcer.handler(EVENT, CONTEXT) == {"batchItemFailures": []}
    invalid = {"code": "invalid_item", "message": "s3_key must be a string."}
    refused = {"code": "content", "message": "The prompt was refused."}
    uri = "s3://videos/videos/task_stored.mp4"
    nothing = {"error": None, "s3_uri": None, "result": None}
    assert [json.loads(body["Message"]) for body in subscriber.heard()] == [
        {
            "task_id": "task_stored", "status": "SUCCESS", "error": None, "s3_uri": uri,
            "result": {"duration": 5, "usage": {"total_tokens": 246840}},
        },
        {**nothing, "task_id": "task_failed", "status": "FAILED", "error": refused},
        {**nothing, "task_id": "task_invalid", "status": "INVALID", "error": invalid},
        {**nothing, "task_id": "task_invalid_again", "status": "INVALID", "error": invalid},
    ]  # fmt: skip
    assert logged(caplog, "INFO") == [{"message": "ending announced", "task_id": task_id} for task_id in TOLD]


def test_subscribers_can_filter_by_status(subscriber: Subscriber) -> None:
    announcer.handler(EVENT, CONTEXT)
    statuses = [body["MessageAttributes"]["status"]["Value"] for body in subscriber.heard()]
    assert statuses == ["SUCCESS", "FAILED", "INVALID", "INVALID"]


def test_the_first_failure_stops_the_batch_and_alone_is_delivered_again(
    subscriber: Subscriber,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    client, _ = announcer._tools()  # noqa: SLF001
    published: list[str] = []

    def fail_on_the_third(params: dict[str, Any], **_: object) -> None:
        published.append(json.loads(params["Message"])["task_id"])
        if len(published) == 3:
            params["TopicArn"] += "-gone"

    client.meta.events.register("provide-client-params.sns.Publish", fail_on_the_third)
    assert announcer.handler(EVENT, CONTEXT) == {"batchItemFailures": [{"itemIdentifier": "3"}]}
    assert published == TOLD[:3], "what comes behind it would be announced again"
    assert subscriber.tasks() == TOLD[:2]
    assert metrics_in(capsys.readouterr().out) == {"AnnounceFailures": [1]}
    failure = {"task_id": TOLD[2], "event_id": EVENT["Records"][2]["eventID"], "cause": "NotFound"}
    assert logged(caplog, "ERROR") == [{"message": "not announced; delivered again", **failure}]
    rest = {"Records": EVENT["Records"][2:]}
    assert announcer.handler(rest, CONTEXT) == {"batchItemFailures": []}
    assert subscriber.tasks() == TOLD[2:]
    monkeypatch.setenv("TASK_ENDED_TOPIC", f"{os.environ['TASK_ENDED_TOPIC']}-gone")
    announcer._tools.cache_clear()  # noqa: SLF001
    assert announcer.handler(EVENT, CONTEXT) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert subscriber.heard() == []


@pytest.mark.parametrize(
    "image",
    [
        {},  # an owner's own `ended_at`
        {"status": {"N": "7"}},
        {"status": {"S": ""}},
        {"status": {"NULL": True}},
        {"status": {"S": "FAILED"}, "error": {"B": b"bytes"}},
        {"status": {"S": "FAILED"}, "error": {"SS": ["a", "b"]}},
        {"status": {"S": "FAILED"}, "error": {"M": {"deep": {"L": [{"BS": [b"x"]}]}}}},
        {"status": {"S": "FAILED"}, "error": {"N": "no number"}},
        {"status": {"S": "FAILED"}, "error": {"XX": "of no type"}},
        {"status": {"S": "FAILED"}, "error": {"S": "x" * 300_000}},
    ],
    ids=str,
)
def test_what_can_never_be_announced_keeps_nobody_back(
    image: dict[str, Any],
    subscriber: Subscriber,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    event = records({"status": {"S": "SUCCESS"}}, image, {"status": {"S": "EXPIRED"}})
    assert announcer.handler(event, CONTEXT) == {"batchItemFailures": []}
    assert subscriber.tasks() == ["task_11", "task_13"]
    assert metrics_in(capsys.readouterr().out) == {"AnnounceRefused": [1]}
    (error,) = logged(caplog, "ERROR")
    assert error["message"] == "an ending that cannot be announced is passed over"
    assert (error["event_id"], error["task_id"]) == ("event_12", "task_12")


@pytest.mark.parametrize("keys", [{}, {"Keys": {}}, {"Keys": {"task_id": {}}}], ids=str)
def test_a_record_without_its_key_is_passed_over_too(
    keys: dict[str, Any], subscriber: Subscriber, caplog: pytest.LogCaptureFixture
) -> None:
    event = records({})
    change = event["Records"][0]["dynamodb"]
    del change["Keys"]
    change |= keys
    assert announcer.handler(event, CONTEXT) == {"batchItemFailures": []}
    assert [(line["task_id"], line["event_id"]) for line in logged(caplog, "ERROR")] == [("", "event_11")]
    assert subscriber.heard() == []


def test_numbers_are_jsons(subscriber: Subscriber) -> None:
    numbers = [{"N": text} for text in ("7", "0.5", "-3", "1E+3", "9" * 38, "1E-130", "9.9E+125")]
    event = records({"status": {"S": "FAILED"}, "result": {"L": numbers}})
    assert announcer.handler(event, CONTEXT) == {"batchItemFailures": []}
    (body,) = subscriber.heard()
    assert json.loads(body["Message"])["result"][:5] == [7, 0.5, -3, 1000, int("9" * 38)]


def test_no_message_holds_what_a_queue_refuses(subscriber: Subscriber) -> None:
    """SNS would take it, and SQS, whose bodies must be XML, would lose it."""
    announcer.handler(records({"status": {"S": "FAILED"}, "error": {"S": "\ufffe\u00e9"}}), CONTEXT)
    (body,) = subscriber.heard()
    assert body["Message"].isascii()
    assert json.loads(body["Message"])["error"] == "\ufffe\u00e9"


def test_without_its_setting_nothing_is_passed_over(
    subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("TASK_ENDED_TOPIC")
    assert announcer.handler(EVENT, CONTEXT) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    (error,) = logged(caplog, "ERROR")
    assert "TASK_ENDED_TOPIC" in error["cause"]
    assert subscriber.heard() == []


def test_an_aws_that_does_not_answer_is_asked_again_later(
    subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(announcer, "CLIENT_CONFIG", None)
    assert announcer.handler(EVENT, CONTEXT) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    (error,) = logged(caplog, "ERROR")
    assert error["cause"] == "EndpointConnectionError"
    assert subscriber.heard() == []


def refuse_with(error: str | Exception) -> None:
    """Let SNS refuse every ending from now on, with a code, or fail in another way."""

    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": error, "Message": ""}}, "Publish") if isinstance(error, str) else error

    client, _ = announcer._tools()  # noqa: SLF001
    client.meta.events.register("before-call.sns.Publish", refuse)


@pytest.mark.parametrize(
    "code",
    ["InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid", "ValidationError", "ValidationException"],
)
def test_what_sns_never_takes_is_passed_over(subscriber: Subscriber, code: str) -> None:
    refuse_with(code)
    assert announcer.handler(EVENT, CONTEXT) == {"batchItemFailures": []}
    assert subscriber.heard() == []


@pytest.mark.parametrize(
    "error",
    [
        "AuthorizationError",
        "InternalError",
        "InvalidSecurity",
        "NotFound",
        "Throttled",
        "KMSAccessDenied",
        "KMSDisabled",
        "KMSInvalidState",
        "KMSNotFound",
        "KMSOptInRequired",
        "KMSThrottling",
        RuntimeError("cannot schedule new futures after shutdown"),
        AttributeError("a mistake of our own"),
        KeyError("another"),
        MemoryError(),
    ],
    ids=repr,
)
def test_what_sns_may_take_later_is_delivered_again(subscriber: Subscriber, error: str | Exception) -> None:
    """A mistake of our own, too: the next version tells of what this one could not."""
    refuse_with(error)
    assert announcer.handler(EVENT, CONTEXT) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert subscriber.heard() == []


def test_its_client_gives_up_before_lambda_does(subscriber: Subscriber) -> None:
    assert subscriber.heard() == []
    client: Any = announcer._tools()[0]  # noqa: SLF001
    assert gives_up_as(CLIENT_CONFIG, client)
