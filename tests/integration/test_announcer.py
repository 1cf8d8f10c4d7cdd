"""The Announcer over records of the stream: each ending is told once, and nothing else is."""

import json
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError

from announcer import handler as announcer
from tests.template import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_sqs import SQSClient

EVENT = json.loads((ROOT / "events/ended.json").read_text())
CONTEXT: Any = SimpleNamespace(
    function_name="a", memory_limit_in_mb=256, invoked_function_arn="arn", aws_request_id="id"
)


class Subscriber:
    """A queue that hears the topic, as a user's would."""

    def __init__(self, sqs: "SQSClient", queue: str) -> None:
        self._sqs, self._queue = sqs, queue

    def heard(self) -> list[dict[str, Any]]:
        messages = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]


@pytest.fixture
def subscriber(aws: None, monkeypatch: pytest.MonkeyPatch) -> "Iterator[Subscriber]":  # noqa: ARG001
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic = sns.create_topic(Name="ended")["TopicArn"]
    queue = sqs.create_queue(QueueName="ended")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    monkeypatch.setenv("TASK_ENDED_TOPIC", topic)
    announcer._sns.cache_clear()  # noqa: SLF001
    yield Subscriber(sqs, queue)
    announcer._sns.cache_clear()  # noqa: SLF001


def test_every_ending_is_announced_once(subscriber: Subscriber) -> None:
    assert announcer.handler(EVENT, CONTEXT) == {"batchItemFailures": []}
    invalid = {"code": "invalid_item", "message": "s3_key must be a string."}
    refused = {"code": "content", "message": "The prompt was refused."}
    uri = "s3://videos/videos/task_stored.mp4"
    assert [json.loads(body["Message"]) for body in subscriber.heard()] == [
        {"task_id": "task_stored", "status": "SUCCESS", "error": None, "s3_uri": uri},
        {"task_id": "task_failed", "status": "FAILED", "error": refused, "s3_uri": None},
        {"task_id": "task_invalid", "status": "INVALID", "error": invalid, "s3_uri": None},
        {"task_id": "task_invalid_again", "status": "INVALID", "error": invalid, "s3_uri": None},
    ]


def test_subscribers_can_filter_by_status(subscriber: Subscriber) -> None:
    announcer.handler(EVENT, CONTEXT)
    statuses = [body["MessageAttributes"]["status"]["Value"] for body in subscriber.heard()]
    assert statuses == ["SUCCESS", "FAILED", "INVALID", "INVALID"]


def test_what_cannot_be_announced_is_delivered_again(subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASK_ENDED_TOPIC", f"{os.environ['TASK_ENDED_TOPIC']}-gone")
    failed = announcer.handler(EVENT, CONTEXT)["batchItemFailures"]
    assert [failure["itemIdentifier"] for failure in failed] == ["1", "2", "3", "4"]
    assert subscriber.heard() == []


def test_a_batch_that_fails_whole_counts_as_an_error_of_the_function(
    subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASK_ENDED_TOPIC", f"{os.environ['TASK_ENDED_TOPIC']}-gone")
    with pytest.raises(BatchProcessingError):
        announcer.handler({"Records": EVENT["Records"][:3]}, CONTEXT)
    assert subscriber.heard() == []
