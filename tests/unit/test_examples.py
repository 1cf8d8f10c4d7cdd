"""The examples hear of what they say and of nothing else; a local AWS asks no policy of a queue."""

from typing import Any

import pytest

from announcer.handler import _message
from shared.task import Status
from tests.template import ROOT, load, of_type

EXAMPLES = ROOT / "infra/examples"
CONSUMER = load(EXAMPLES / "consumer/template.yaml")
TOPICS = {"queue": "VideoStoredTopicArn", "ended": "TaskEndedTopicArn"}
VIDEO_CREATED = {
    "source": ["aws.s3"],
    "detail-type": ["Object Created"],
    "detail": {"bucket": {"name": [{"Ref": "VideosBucketName"}]}, "object": {"key": [{"suffix": ".mp4"}]}},
}
HERE = {"GetAtt": "Queue.Arn"}


@pytest.mark.parametrize(("example", "topic"), TOPICS.items())
def test_a_queue_takes_what_its_topic_says_and_what_nobody_else_does(example: str, topic: str) -> None:
    """sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html: without the permission SNS drops each message, silently."""
    template = load(EXAMPLES / f"{example}.yaml")
    (policy,) = of_type("AWS::SQS::QueuePolicy", template).values()
    assert policy["Queues"] == [{"Ref": "Queue"}]
    assert policy["PolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": HERE,
            "Condition": {"ArnEquals": {"aws:SourceArn": {"Ref": topic}}},
        }
    ]
    (subscription,) = of_type("AWS::SNS::Subscription", template).values()
    said = {name: value for name, value in subscription.items() if name != "FilterPolicy"}
    # Raw: read_queue.py would find SNS's envelope else.
    assert said == {"TopicArn": {"Ref": topic}, "Protocol": "sqs", "Endpoint": HERE, "RawMessageDelivery": True}
    assert of_type("AWS::SQS::Queue", template) == {"Queue": {"MessageRetentionPeriod": 14 * 86400}}


@pytest.mark.parametrize(("status", "is_heard"), [(status, status != "SUCCESS") for status in Status])
def test_the_queue_of_endings_hears_of_those_without_a_video(status: Status, *, is_heard: bool) -> None:
    """SNS looks into a message's attributes, unless it is told to look into the body (FilterPolicyScope)."""
    (subscription,) = of_type("AWS::SNS::Subscription", load(EXAMPLES / "ended.yaml")).values()
    ((name, (rule,)),) = subscription["FilterPolicy"].items()
    item = {"task_id": {"S": "t"}, "status": {"S": status}}
    message: Any = _message({"OldImage": item, "NewImage": {**item, "ended_at": {"N": "1"}}})
    assert (message["MessageAttributes"][name]["StringValue"] not in rule["anything-but"]) is is_heard


def test_the_consumer_hears_of_the_videos_of_its_bucket_alone_and_may_read_them() -> None:
    (function,) = of_type("AWS::Serverless::Function", CONSUMER).values()
    assert function["Events"] == {"VideoStored": {"Type": "EventBridgeRule", "Properties": {"Pattern": VIDEO_CREATED}}}
    objects = {"Sub": "arn:${AWS::Partition}:s3:::${VideosBucketName}/*"}
    assert function["Policies"] == [{"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": objects}]}]
