"""Is told of every stored video, once or, as EventBridge promises no more, once more.

EventBridge says keys as they are. S3's own notifications, behind SNS or SQS, URL-encode them (`unquote_plus` undoes
that), and an `s3:TestEvent` without Records comes among them: ../../read_queue.py reads those.
"""

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def handler(event: dict[str, Any], _context: object) -> None:
    """Log what is known of the video of an S3 "Object Created" event; begin your own work here."""
    bucket, key = event["detail"]["bucket"]["name"], event["detail"]["object"]["key"]
    video = _s3().head_object(Bucket=bucket, Key=key)
    print(
        json.dumps(
            {
                "message": "a video arrived",
                "s3_uri": f"s3://{bucket}/{key}",
                "size": video["ContentLength"],
                "metadata": video["Metadata"],
            }
        )
    )


@cache
def _s3() -> "S3Client":
    return boto3.client("s3")
