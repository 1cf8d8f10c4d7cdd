"""Reads the queue of queue.yaml or of ended.yaml until it is empty: `python read_queue.py QUEUE_URL`. Copy it."""

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

import boto3

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

WAIT_SECONDS = 5


def sentences(body: str) -> Iterator[str]:
    """Yield what a message says; the same may come twice, as SNS and SQS promise no more."""
    said = json.loads(body)
    if "task_id" in said:  # of TaskEndedTopic
        error = said["error"] or {}
        yield f"{said['task_id']} ended as {said['status']}: {said['s3_uri'] or error.get('message', '')}"
    # Of S3. It greets a topic that was newly set with an s3:TestEvent, which has no Records.
    for record in said.get("Records", []):
        # S3 URL-encodes keys here, but not on EventBridge: `a b.mp4` arrives as `a+b.mp4`.
        key = unquote_plus(record["s3"]["object"]["key"])
        what = "a video" if key.endswith(".mp4") else "a last frame" if ".last." in key else "an object"
        yield f"{what} arrived: s3://{record['s3']['bucket']['name']}/{key}"


def read(sqs: "SQSClient", queue_url: str) -> Iterator[str]:
    """Yield what all messages say, each removed once it was read."""
    while messages := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT_SECONDS).get(
        "Messages"
    ):
        for message in messages:
            yield from sentences(message["Body"])
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])


if __name__ == "__main__":
    for sentence in read(boto3.client("sqs"), sys.argv[1]):
        print(sentence)
