"""A queue of its own, in which a smoke test hears what a stack's topics tell."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import unquote_plus

from infra.health import json_line
from infra.smoke_deployed import Deployed
from infra.smoke_traces import Traces


@dataclass
class Ear:
    """What was heard since `listen`: the status of each ended task of the run, and the key of each stored object."""

    stack: Deployed
    traces: Traces
    endings: dict[str, str] = field(default_factory=dict)
    objects: set[str] = field(default_factory=set)
    _url: str = ""

    def listen(self) -> None:
        """Make the queue, and subscribe it to the topics of endings and of stored videos; botocore's errors."""
        sqs, sns, name = self.stack.target.sqs, self.stack.target.sns, self.traces.run
        topics = [self.stack.output("TaskEndedTopicArn"), self.stack.output("VideoStoredTopicArn")]
        self._url = url = sqs.create_queue(QueueName=name)["QueueUrl"]
        self.traces.add(f"the queue {name}", partial(sqs.delete_queue, QueueUrl=url))
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": _policy(arn, topics)})
        for topic in topics:
            made = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
            subscription = made["SubscriptionArn"]
            self.traces.add(f"the subscription {subscription}", partial(sns.unsubscribe, SubscriptionArn=subscription))

    def hear(self) -> None:
        """Take in what has come since the last time; what is about others is only removed."""
        sqs = self.stack.target.sqs
        while found := sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                self._note(json_line(str(json_line(message["Body"]).get("Message", ""))))
                sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])

    def _note(self, said: Mapping[str, Any]) -> None:
        task_id = str(said.get("task_id", ""))
        if task_id.startswith(self.traces.run):
            self.endings[task_id] = str(said.get("status"))
        records = said.get("Records")  # S3 greets a newly configured topic with a message that has none
        for record in records if isinstance(records, list) else []:
            self.objects.add(unquote_plus(record["s3"]["object"]["key"]))


def _policy(queue: str, topics: list[str]) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": topics}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
