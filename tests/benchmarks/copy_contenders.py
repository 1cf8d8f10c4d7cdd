"""The ways to bring a video into S3 that are compared: each is made once, then asked to copy URL after URL."""

import shutil
import subprocess
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, NoReturn, cast

import smart_open
import urllib3

from copier.copy import Copier
from copier.patience import Deadline
from copier.video_bucket import VideoBucket
from copier.video_host import HostRules
from shared.task import Task
from tests.benchmarks.copy_servers import BUCKET

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

type Copy = Callable[[str, str], None]
"""Copies a URL to a key of the bucket, where nothing is yet."""

OURS = "this service's Copier"
BOTO3 = "boto3.upload_fileobj"
SMART_OPEN = "smart_open"
RCLONE = "rclone copyurl"

_MOST_BYTES = 5 << 30
_MOST_SECONDS = 600


def in_python(s3: "S3Client") -> dict[str, Copy]:
    """Return the contenders that run in this process, by name."""
    return {OURS: _copier(s3), BOTO3: _boto3(s3), SMART_OPEN: _smart_open(s3)}


def download(url: str) -> float:
    """Return the seconds that curl takes to receive `url`, those to start curl left out."""
    command = ["curl", "--silent", "--fail", "--output", "/dev/null", "--write-out", "%{time_total}", url]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _copier(s3: "S3Client") -> Copy:
    def expired(_: str) -> NoReturn:
        raise AssertionError("no URL expires here")

    copier = Copier(VideoBucket(s3, BUCKET), HostRules(max_video_bytes=_MOST_BYTES, allow_insecure=True), expired)

    def copy(url: str, key: str) -> None:
        copier.copy(Task.from_item({"task_id": key, "s3_key": key}), url, Deadline(_MOST_SECONDS))

    return copy


def _boto3(s3: "S3Client") -> Copy:
    http = urllib3.PoolManager()

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
