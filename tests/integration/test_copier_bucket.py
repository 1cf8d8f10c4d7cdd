"""What the Copier makes of a bucket that refuses, hangs, or is written to by somebody else."""

import time
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from copier import copy, video_bucket
from copier.parts import Part
from copier.video_bucket import KeyTaken, VideoBucket, in_time
from copier.watch import Deadline, OutOfTime
from shared.errors import CopyInterrupted
from tests.integration.copying import BUCKET, CopyShop, shrink

LABEL = {"ContentType": "video/mp4", "Metadata": {"task-id": "task_x"}}


def refuse(code: str) -> Callable[[], None]:
    def call() -> None:
        raise ClientError({"Error": {"Code": code}}, "Call")

    return call


def no_answer() -> None:
    raise EndpointConnectionError(endpoint_url="https://s3.invalid")


@pytest.mark.parametrize("how", ["refused", "no answer", "hangs"])
def test_an_upload_that_cannot_be_aborted_fails_with_what_led_there(
    shop: CopyShop, monkeypatch: pytest.MonkeyPatch, hang: Callable[[], None], how: str
) -> None:
    monkeypatch.setattr(video_bucket, "_ABORT_SECONDS", 0.05)
    answer = {"refused": refuse("AccessDenied"), "no answer": no_answer, "hangs": hang}[how]
    shop.before = {"AbortMultipartUpload": answer}
    bucket = VideoBucket(shop.s3, BUCKET)
    began = time.monotonic()
    with pytest.raises(ZeroDivisionError), bucket.upload("key", LABEL):
        raise ZeroDivisionError
    assert "AbortMultipartUpload" in shop.calls
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict", "NoSuchUpload"])
def test_a_key_that_another_was_faster_at(shop: CopyShop, code: str) -> None:
    shop.before = {"PutObject": refuse(code)}
    with pytest.raises(KeyTaken, match=r"^An object is at this key already\.$") as taken:
        VideoBucket(shop.s3, BUCKET).put("key", Part.of(bytearray(b"video")), LABEL)
    assert taken.value.key == "key"


@pytest.mark.parametrize("size", [100, 300 * 1024])
def test_a_key_that_another_still_writes_to(shop: CopyShop, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    shrink(monkeypatch)
    shop.before = dict.fromkeys(["PutObject", "CompleteMultipartUpload"], refuse("ConditionalRequestConflict"))
    with pytest.raises(CopyInterrupted, match=r"^Somebody else writes to this s3_key at the moment\.$") as interrupted:
        shop.copy(shop.comet_api.create(size=size))
    assert interrupted.value.code == "conflict"
    assert shop.is_empty()


def test_a_bucket_that_hangs_holds_a_last_frame_up_for_its_own_time(
    shop: CopyShop, monkeypatch: pytest.MonkeyPatch, hang: Callable[[], None]
) -> None:
    monkeypatch.setattr(copy, "_PICTURE_SECONDS", 0.5)
    shop.before = {"PutObject": hang}
    task_id = shop.comet_api.create()
    began = time.monotonic()
    assert shop.copy_last_frame(task_id, shop.comet_api.last_frame_url(task_id), seconds=60) == "out_of_time"
    assert time.monotonic() - began < 30


def test_calls_that_hang_are_in_no_other_calls_way(hang: Callable[[], None]) -> None:
    for _ in range(40):
        with pytest.raises(OutOfTime):
            in_time(hang, 0)
    assert in_time(lambda: "answer", 10) == "answer"


def test_nothing_is_fetched_for_a_bucket_that_does_not_tell_what_it_holds(shop: CopyShop) -> None:
    shop.before = {"HeadObject": refuse("403")}
    with pytest.raises(ClientError, match="403"):
        shop.copy(shop.comet_api.create())
    assert shop.calls == ["HeadObject"]
    assert shop.comet_api.requests == []


def test_a_bucket_that_hangs_until_the_deadline(shop: CopyShop, hang: Callable[[], None]) -> None:
    shop.before = {"HeadObject": hang}
    said = r"^S3 did not answer before the Copier's time was over\.$"
    with pytest.raises(OutOfTime, match=said) as over:
        VideoBucket(shop.s3, BUCKET, Deadline(0.2)).find("key")
    assert over.value.code == "out_of_time"
