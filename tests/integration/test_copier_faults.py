"""Whatever breaks, and wherever it breaks, neither a part of a video nor an unfinished upload is left behind."""

import gc
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from threading import Event
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from copier.watch import Deadline, OutOfTime
from infra.local.cometapi import video_behaviours
from infra.local.cometapi.delivery import Delivery
from infra.local.cometapi.reply import Ending, Reply
from shared.errors import CopyInterrupted
from tests.integration.copying import BUCKET, KIB, CopyShop, patience_with, shrink

SIZE = 300 * KIB
PART = 64 * KIB
OFFSETS = {
    "first byte": 0,
    "in the first range": 1000,
    "at a range's edge": 8 * KIB,
    "inside a part": PART + 1000,
    "before a part's edge": PART - 1,
    "at a part's edge": PART,
    "in the last part": SIZE - 1000,
    "last byte": SIZE - 1,
}
_create_connection = socket.create_connection
S3_CALLS = ["HeadObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"]


@pytest.fixture
def shop(shop: CopyShop, monkeypatch: pytest.MonkeyPatch) -> CopyShop:
    shrink(monkeypatch)
    monkeypatch.setitem(video_behaviours.BEHAVIOURS, "breaks_at", breaks_at)
    shop.patience = patience_with(None, retries=1)
    return shop


def breaks_at(delivery: Delivery, offset: int, ending: Ending, *, has_ranges: bool) -> Reply:
    """Break off before one certain byte, whoever asks for it."""
    asked = delivery if has_ranges else delivery.unranged()
    if not asked.start <= offset < asked.stop:
        return asked.reply()
    return replace(asked.reply(), chunks=asked.part(offset - asked.start), ending=ending)


# --- The source breaks ---


@pytest.mark.parametrize("has_ranges", [True, False], ids=["ranges", "one stream"])
@pytest.mark.parametrize("offset", OFFSETS.values(), ids=OFFSETS.keys())
def test_the_source_breaks_at(shop: CopyShop, offset: int, *, has_ranges: bool) -> None:
    ending = Ending.CLOSE if has_ranges else Ending.RESET
    video = {"name": "breaks_at", "offset": offset, "ending": ending, "has_ranges": has_ranges}
    task_id = shop.comet_api.create(video=video, size=SIZE)
    with pytest.raises(CopyInterrupted):
        shop.copy(task_id)
    assert shop.is_empty()


@pytest.mark.parametrize("has_ranges", [True, False], ids=["ranges", "one stream"])
@pytest.mark.parametrize("size", [100 * KIB, SIZE], ids=["whole", "in parts"])
def test_what_was_received_of_a_broken_video_is_let_go_at_once(shop: CopyShop, size: int, *, has_ranges: bool) -> None:
    video = {"name": "breaks_at", "offset": size - 1, "ending": Ending.CLOSE, "has_ranges": has_ranges}
    task_id = shop.comet_api.create(video=video, size=size)
    with without_garbage_collection():  # it looks at the number of objects, and a video is a single one
        for _ in range(2):
            with suppress(CopyInterrupted):
                shop.copy(task_id)
        assert bytes_held_by("*/copier/parts.py") < 16 * KIB


@pytest.mark.parametrize("video", ["fine", "no_ranges"])
def test_a_part_is_let_go_once_it_is_stored(shop: CopyShop, video: str) -> None:
    held: list[int] = []
    shop.before = {"CompleteMultipartUpload": lambda: held.append(bytes_held_by("*/copier/parts.py"))}
    with without_garbage_collection():
        shop.copy(shop.comet_api.create(video=video, size=40 * PART))
    assert len(held) == 1
    assert held[0] < 2 * PART, "the last one at the most"


@pytest.mark.parametrize(
    "video",
    [
        *("fine", "no_ranges", "no_length", "refuses_ranges", "html_200", "error", "redirect_with_body", "reset"),
        *("longer_chunked_range", "wrong_content_range", "etag_on_first_only", "truncated", "gzip_bomb"),
    ],
)
@pytest.mark.parametrize("is_stored", [True, False])
def test_no_connection_outlives_a_copy(
    shop: CopyShop, monkeypatch: pytest.MonkeyPatch, video: str, *, is_stored: bool
) -> None:
    task_id = shop.comet_api.create(video=video, size=SIZE)
    shop.before = {} if is_stored else {"UploadPart": failing("UploadPart", 2)}
    with without_garbage_collection():
        opened = note_connections(monkeypatch)
        with suppress(CopyInterrupted, ClientError):
            shop.copy(task_id)
        assert opened
        assert {connected.fileno() for connected in opened} == {-1}


def test_ranges_share_eight_connections(shop: CopyShop, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = note_connections(monkeypatch)
    task_id = shop.comet_api.create(size=SIZE)
    shop.copy(task_id)
    assert len([request for request in shop.comet_api.requests if request.operation == "video"]) > 2 * 8
    assert 1 < len(opened) <= 8


def note_connections(monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    """Return a list that every connection is added to that is opened from now on."""
    opened: list[socket.socket] = []

    def create_connection(*arguments: Any) -> socket.socket:
        opened.append(_create_connection(*arguments))
        return opened[-1]

    monkeypatch.setattr(socket, "create_connection", create_connection)
    return opened


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    gc.disable()
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()
        gc.enable()


def bytes_held_by(file: str) -> int:
    """Return the size of all that was allocated there since the tracing began, and is still in use."""
    taken = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(inclusive=True, filename_pattern=file)])
    return sum(statistic.size for statistic in taken.statistics("filename"))


def test_the_video_arrives_once_the_source_recovers(shop: CopyShop) -> None:
    task_id = shop.comet_api.create(size=SIZE)
    broken = {"name": "breaks_at", "offset": PART, "ending": Ending.CLOSE, "has_ranges": True}
    shop.comet_api.fault(broken, on="video")
    with pytest.raises(CopyInterrupted):
        shop.copy(task_id)
    shop.comet_api.clear()
    shop.copy(task_id)
    assert shop.has_stored(task_id)


# --- S3 breaks ---


def failing(call: str, times: int = 1) -> Callable[[], None]:
    """Refuse the n-th call of a kind, as S3 does when it is not well."""
    calls = iter(range(1, times))

    def fail() -> None:
        if next(calls, None) is None:
            raise ClientError({"Error": {"Code": "InternalError", "Message": "again"}}, call)

    return fail


@pytest.mark.parametrize("video", ["fine", "no_ranges"])
@pytest.mark.parametrize("call", S3_CALLS)
def test_s3_refuses(shop: CopyShop, call: str, video: str) -> None:
    shop.before = {call: failing(call)}
    with pytest.raises(ClientError):
        shop.copy(shop.comet_api.create(video=video, size=SIZE))
    assert shop.is_empty()


@pytest.mark.parametrize("part", [2, 3, 5])
def test_s3_refuses_a_later_part(shop: CopyShop, part: int) -> None:
    shop.before = {"UploadPart": failing("UploadPart", part)}
    with pytest.raises(ClientError):
        shop.copy(shop.comet_api.create(size=SIZE))
    assert shop.is_empty()


def test_an_upload_is_aborted_when_no_part_is_under_way(shop: CopyShop) -> None:
    """Else S3 may keep that part, for a price (AmazonS3, API_AbortMultipartUpload.html)."""
    numbers, is_under_way = count(1), Event()
    seen: list[bool] = []

    def upload() -> None:
        if next(numbers) == 1:
            assert is_under_way.wait(10)
            raise ClientError({"Error": {"Code": "InternalError", "Message": "again"}}, "UploadPart")
        is_under_way.set()
        time.sleep(0.3)
        is_under_way.clear()

    shop.before = {"UploadPart": upload, "AbortMultipartUpload": lambda: seen.append(is_under_way.is_set())}
    with pytest.raises(ClientError):
        shop.copy(shop.comet_api.create(size=SIZE))
    assert seen == [False]


def test_s3_refuses_a_small_video(shop: CopyShop) -> None:
    shop.before = {"PutObject": failing("PutObject")}
    with pytest.raises(ClientError):
        shop.copy(shop.comet_api.create(size=100))
    assert shop.is_empty()


@pytest.mark.parametrize("kind", [MemoryError, KeyboardInterrupt, SystemExit])
def test_an_error_that_nobody_expects(shop: CopyShop, kind: type[BaseException]) -> None:
    def fail() -> None:
        raise kind

    shop.before = {"CompleteMultipartUpload": fail}
    with pytest.raises(kind):
        shop.copy(shop.comet_api.create(size=SIZE))
    assert shop.is_empty()


def test_the_first_failure_is_told_even_if_the_upload_cannot_be_aborted(shop: CopyShop) -> None:
    def unreachable() -> None:
        raise EndpointConnectionError(endpoint_url="s3")

    shop.before = {"UploadPart": failing("UploadPart"), "AbortMultipartUpload": unreachable}
    with pytest.raises(ClientError, match="UploadPart"):
        shop.copy(shop.comet_api.create(size=SIZE))


@pytest.mark.parametrize("size", [100, SIZE])
def test_the_answer_to_the_last_call_is_lost(shop: CopyShop, size: int) -> None:
    """After completion: the object is there, whole, and the next run finds it."""
    task_id = shop.comet_api.create(size=size)

    def lose(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="s3")

    events = ("after-call.s3.PutObject", "after-call.s3.CompleteMultipartUpload")
    for event in events:
        shop.s3.meta.events.register(event, lose)
    with pytest.raises(EndpointConnectionError):
        shop.copy(task_id)
    for event in events:
        shop.s3.meta.events.unregister(event, lose)
    assert shop.has_stored(task_id)
    assert not shop.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads")
    assert shop.copy(task_id).size == size


def test_time_runs_out_before_completion(shop: CopyShop, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(_: Deadline) -> float:
        raise OutOfTime("out_of_time", "Too late.")

    shop.before = {"UploadPart": lambda: monkeypatch.setattr(Deadline, "left", late)}
    with pytest.raises(OutOfTime):
        shop.copy(shop.comet_api.create(size=SIZE))
    assert "CompleteMultipartUpload" not in shop.calls
    assert shop.is_empty()
