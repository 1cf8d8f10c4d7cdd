"""What `make smoke` leaves behind over moto's AWS, whenever somebody has enough of it: nothing."""

import argparse
from typing import TYPE_CHECKING

import boto3
import pytest

from infra import smoke
from infra.target import Target
from tests.integration.conftest import TABLE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BUCKET = "videos"


@pytest.fixture
def target(dynamodb: "DynamoDBClient") -> Target:  # noqa: ARG001
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    sns, outputs = boto3.client("sns"), {"TasksTableName": TABLE, "VideosBucketName": BUCKET}
    for name in ("TaskEnded", "VideoStored"):
        outputs[f"{name}TopicArn"] = sns.create_topic(Name=name)["TopicArn"]
    # The session of `boto3.client` has read the descriptions of AWS's services already.
    return Target(boto3.DEFAULT_SESSION or boto3.Session(), None, outputs)


def left(target: Target) -> list[object]:
    return [
        *target.dynamodb.scan(TableName=TABLE)["Items"],
        *target.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []),
        *target.sqs.list_queues().get("QueueUrls", []),
        *target.sns.list_subscriptions()["Subscriptions"],
    ]


@pytest.mark.parametrize("call", ["dynamodb.PutItem", "s3.PutObject"])
def test_whoever_stops_it_before_aws_has_answered_finds_nothing_left(
    target: Target, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(smoke, "deployed", lambda _: ())
    getattr(target, call.partition(".")[0]).meta.events.register(f"after-call.{call}", interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(smoke.checks(target, argparse.Namespace(seconds=0, video_url=None, task_id=None)))
    assert left(target) == []
