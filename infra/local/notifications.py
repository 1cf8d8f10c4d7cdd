"""Listeners for stored videos, as users would build them: a queue behind SNS and a queue behind EventBridge."""

import json
import uuid
from collections import Counter
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_plus

from infra.local.aws import LocalAws


def seen_by_consumer(log: Iterable[str]) -> Counter[str]:
    """Count by object key which videos arrived at the example consumer, as the lines of its `log` say."""
    said = [json.loads(line) for line in log if line.startswith("{")]
    arrived = [entry["s3_uri"] for entry in said if entry.get("message") == "a video arrived"]
    return Counter(uri.split("/", 3)[3] for uri in arrived)


class Queue:
    """A queue of its own for one listener."""

    def __init__(self, aws: LocalAws, name: str) -> None:
        self._aws = aws
        self.name = f"{name}-{uuid.uuid4().hex[:8]}"
        self._url = aws.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        attributes = aws.sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        self.arn = attributes["Attributes"]["QueueArn"]

    @classmethod
    def behind(cls, topic_arn: str, aws: LocalAws, name: str) -> "Queue":
        """Return a new queue that hears an SNS topic from now on."""
        queue = cls(aws, name)
        aws.sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue.arn)
        return queue

    def receive(self) -> list[dict[str, Any]]:
        """Return the bodies of all messages that have arrived since the last call."""
        bodies: list[dict[str, Any]] = []
        while messages := self._aws.sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            bodies += [json.loads(message["Body"]) for message in messages]
            for message in messages:
                self._aws.sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return bodies


class Notifications:
    """Collects which objects were announced from now on, and how often, on each of the two ways."""

    def __init__(self, aws: LocalAws, topic_arn: str, bucket: str) -> None:
        self.by_sns: Counter[str] = Counter()
        self.by_eventbridge: Counter[str] = Counter()
        self._sns = Queue.behind(topic_arn, aws, "videos-sns")
        self._eventbridge = Queue(aws, "videos-eventbridge")
        detail = {"bucket": {"name": [bucket]}}
        pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}
        aws.events.put_rule(Name=self._eventbridge.name, EventPattern=json.dumps(pattern))
        aws.events.put_targets(Rule=self._eventbridge.name, Targets=[{"Id": "queue", "Arn": self._eventbridge.arn}])

    def collect(self) -> None:
        """Add what has arrived since the last call to `by_sns` and `by_eventbridge`, keyed by object key."""
        for body in self._sns.receive():
            message = json.loads(body["Message"])
            # S3 greets a newly configured topic with a test event, which has no records.
            self.by_sns.update(unquote_plus(record["s3"]["object"]["key"]) for record in message.get("Records", []))
        for body in self._eventbridge.receive():
            self.by_eventbridge[body["detail"]["object"]["key"]] += 1

    def at_least(self, videos: int) -> bool:
        """Return whether each way has announced so many videos; the same one twice counts twice."""
        return min(self.by_sns.total(), self.by_eventbridge.total()) >= videos
