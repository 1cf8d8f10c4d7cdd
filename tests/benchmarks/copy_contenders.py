"""The ways to bring a video into S3 that are compared: each is made once, then asked to copy URL after URL."""

import shutil
import ssl
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, cast

import smart_open
import urllib3

from copier.copy import Copier
from copier.video import HostRules
from copier.video_bucket import VideoBucket
from copier.video_host import Source
from copier.watch import Deadline
from shared.task import Task
from tests.benchmarks.copy_servers import BUCKET, Rclone

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

type Copy = Callable[[str, str], None]
"""Copies a URL to a key of the bucket, where nothing is yet."""

OURS = "this service's Copier"
BOTO3 = "boto3.upload_fileobj"
SMART_OPEN = "smart_open"
RCLONE = "rclone copyurl"
FROM_MEMORY = "limit of S3: put_object from memory"
LIMITS = (FROM_MEMORY,)

_MOST_BYTES = 5 << 30
_MOST_SECONDS = 600


def every_contender(s3: "S3Client", rclone: Rclone) -> dict[str, Copy]:
    """Return all of them by name, and the limit of S3: to store what is in memory."""
    return {
        OURS: _copier(s3),
        BOTO3: _boto3(s3),
        SMART_OPEN: _smart_open(s3),
        RCLONE: rclone.copy_url,
        FROM_MEMORY: _from_memory(s3),
    }


def _copier(s3: "S3Client") -> Copy:
    rules = HostRules(max_video_bytes=_MOST_BYTES, allow_insecure=True)  # only since loopback is no public address
    copier = Copier(VideoBucket(s3, BUCKET), rules)

    def copy(url: str, key: str) -> None:
        copier.copy(Task.from_item({"task_id": key, "s3_key": key}), Source(url), Deadline(_MOST_SECONDS))

    return copy


def _boto3(s3: "S3Client") -> Copy:
    http = urllib3.PoolManager(ssl_context=ssl.create_default_context())

    def copy(url: str, key: str) -> None:
        with http.request("GET", url, preload_content=False) as response:
            s3.upload_fileobj(cast("IO[bytes]", response), BUCKET, key)

    return copy


def _smart_open(s3: "S3Client") -> Copy:
    def copy(url: str, key: str) -> None:
        target = smart_open.open(f"s3://{BUCKET}/{key}", "wb", transport_params={"client": s3})
        with smart_open.open(url, "rb") as video, target:
            shutil.copyfileobj(video, target, 1 << 20)

    return copy


def _from_memory(s3: "S3Client") -> Copy:
    videos: dict[str, bytes] = {}

    def copy(url: str, key: str) -> None:
        if url not in videos:  # in a turn that is not counted
            videos.clear()
            http = urllib3.PoolManager(ssl_context=ssl.create_default_context())
            videos[url] = http.request("GET", url).data
        s3.put_object(Bucket=BUCKET, Key=key, Body=videos[url])

    return copy
