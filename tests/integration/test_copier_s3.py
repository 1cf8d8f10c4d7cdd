"""Copies into an S3 that speaks HTTP: what moto does not check."""

import zlib
from base64 import b64encode
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ClientError

from copier.copy import Copier
from copier.parts import WHOLE_BYTES, Part
from copier.video import HostRules
from copier.video_bucket import S3_CONFIG, KeyTaken, VideoBucket
from copier.video_host import Source
from copier.watch import Deadline
from infra.local.aws import LocalAws
from infra.local.cometapi import SimulatedCometApi
from infra.local.ministack import MiniStack
from shared.task import Task

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "videos"
MIB = 1024 * 1024
LABEL = {"ContentType": "video/mp4", "Metadata": {"task-id": "task_x"}}


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator["S3Client"]:
    ministack = MiniStack(tmp_path_factory.mktemp("ministack"))
    ministack.start()
    client = LocalAws(ministack.url).s3
    client.create_bucket(Bucket=BUCKET)
    yield client
    ministack.stop()


@pytest.mark.parametrize("size", [WHOLE_BYTES, WHOLE_BYTES + 1])
def test_s3_verified_the_checksum(s3: "S3Client", comet_api: SimulatedCometApi, size: int) -> None:
    task = Task.from_item({"task_id": comet_api.create(size=size)})
    copier = Copier(VideoBucket(s3, BUCKET), HostRules(max_video_bytes=size, allow_insecure=True))
    stored = copier.copy(task, Source(comet_api.video_url(task.task_id)), Deadline(60))
    found = s3.get_object(Bucket=BUCKET, Key=task.s3_key, ChecksumMode="ENABLED")
    body = found["Body"].read()
    assert body == comet_api.video_bytes(task.task_id)
    assert found["ETag"].strip('"') == stored.etag
    assert found["ChecksumCRC32"]
    if size == WHOLE_BYTES:
        assert found["ChecksumCRC32"] == b64encode(zlib.crc32(body).to_bytes(4)).decode()
    assert copier.copy(task, Source("https://gone.invalid/"), Deadline(60)) == stored


def test_bytes_that_changed_since_they_arrived_are_refused(s3: "S3Client") -> None:
    bucket = VideoBucket(s3, BUCKET)
    part = Part.of(bytearray(b"bytes"))
    part.body[0] ^= 1
    with pytest.raises(ClientError):
        bucket.put("changed", part, LABEL)
    with pytest.raises(ClientError), bucket.upload("changed", LABEL) as upload:
        upload.part(1, part)
    assert bucket.find("changed") is None


def test_a_part_that_is_missing_is_noticed(s3: "S3Client") -> None:
    bucket = VideoBucket(s3, BUCKET)

    def lose_a_part() -> None:
        with bucket.upload("part", LABEL) as upload:
            upload.part(1, Part.of(bytearray(5 * MIB)))
            upload.complete(6 * MIB)

    with pytest.raises(ClientError):
        lose_a_part()
    assert bucket.find("part") is None
    assert not s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads")


def test_only_the_first_of_two_writers_gets_the_key(s3: "S3Client") -> None:
    bucket = VideoBucket(s3, BUCKET)

    def come_late() -> None:
        with bucket.upload("race", LABEL) as late:
            late.part(1, Part.of(bytearray(5 * MIB)))
            bucket.put("race", first, LABEL)
            late.complete(5 * MIB)

    first = Part.of(bytearray(b"first"))
    for write in (come_late, lambda: bucket.put("race", Part.of(bytearray(b"late")), LABEL)):
        with pytest.raises(KeyTaken):
            write()
    found = bucket.find("race")
    assert found
    assert found.size == len(first)
    assert not s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads")


def test_aws_is_sent_a_checksum_and_the_body_is_not_hashed_twice() -> None:
    sent: list[AWSPreparedRequest] = []

    def refuse(request: AWSPreparedRequest, **_: object) -> None:
        sent.append(request)
        raise KeyTaken("k")

    client = boto3.Session("a", "b", region_name="eu-west-1").client("s3", config=S3_CONFIG)
    client.meta.events.register("before-send.s3", refuse)
    part = Part.of(bytearray(b"bytes"))
    with pytest.raises(KeyTaken):
        VideoBucket(client, BUCKET).put("k", part, LABEL)
    assert sent[0].headers["x-amz-checksum-crc32"] == part.checksum.encode()
    assert sent[0].headers["X-Amz-Content-SHA256"] == b"UNSIGNED-PAYLOAD"
