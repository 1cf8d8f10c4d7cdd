"""Copies that succeed: whole, once, with few requests, from hosts of every kind."""

import hashlib
import socket
import time
from dataclasses import replace
from decimal import Decimal
from math import ceil
from threading import Barrier

import pytest

from copier.parts import WHOLE_BYTES
from copier.watch import OutOfTime
from infra.local.cometapi import video_behaviours
from infra.local.cometapi.footage import Recut, Synthetic
from infra.local.cometapi.reply import Ending, Reply
from infra.local.cometapi.script import Steps
from infra.local.cometapi.video_ranges import no_etag, no_ranges
from shared.errors import CopyInterrupted, VideoRefused
from tests.integration.copying import BUCKET, KIB, CopyShop, patience_with, shrink
from tests.integration.strange_host import StrangeHost, say, serve

VIDEO = b"".join(Synthetic(72 * KIB, "seed").chunks(0, 72 * KIB))


# --- Every size, every way ---


@pytest.mark.parametrize("video", ["fine", "no_ranges", "no_length", "no_etag", "redirect_once"])
def test_every_byte_arrives(shop: CopyShop, monkeypatch: pytest.MonkeyPatch, video: str) -> None:
    shrink(monkeypatch)
    for size in (100, 8 * KIB, 8 * KIB + 1, 64 * KIB, 128 * KIB, 128 * KIB + 1, 192 * KIB, 333_333):
        task_id = shop.comet_api.create(video=video, size=size)
        assert shop.copy(task_id).size == size
        assert shop.has_stored(task_id)


@pytest.mark.parametrize("video", ["fine", "no_ranges"])
def test_real_sizes(shop: CopyShop, video: str) -> None:
    task_id = shop.comet_api.create(video=video, size=WHOLE_BYTES + 1)
    stored = shop.copy(task_id)
    assert (stored.size, stored.task_id) == (WHOLE_BYTES + 1, task_id)
    assert hashlib.sha256(shop.stored(task_id)["Body"].read()).hexdigest() == shop.comet_api.expected(task_id).sha256


def test_a_small_video_is_one_request_there_and_one_here(shop: CopyShop) -> None:
    task_id = shop.comet_api.create(clip="gradients.mp4")
    stored = shop.copy(task_id)
    assert shop.calls == ["HeadObject", "PutObject"]
    assert len(shop.comet_api.requests) == 1
    assert stored.uri == f"s3://{BUCKET}/videos/{task_id}.mp4"
    assert stored.etag == shop.stored(task_id)["ETag"].strip('"')


def test_a_larger_video_is_an_upload_in_parts(shop: CopyShop) -> None:
    task_id = shop.comet_api.create(size=WHOLE_BYTES + 1)
    shop.copy(task_id)
    assert sorted(shop.calls) == [
        "CompleteMultipartUpload",
        "CreateMultipartUpload",
        "HeadObject",
        *["UploadPart"] * 3,
    ]


def test_ranges_travel_side_by_side(shop: CopyShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)
    all_there = Barrier(8)

    def serve_together(connection: socket.socket, head: str) -> None:
        if "bytes=0-" not in head:
            all_there.wait(timeout=30)
        serve(VIDEO)(connection, head)

    with StrangeHost(serve_together) as host:  # a first range and eight more
        shop.copy("task_x", host.url)
    assert shop.stored("task_x")["Body"].read() == VIDEO


# --- What is stored with the bytes ---


def test_the_label(shop: CopyShop) -> None:
    task_id = shop.comet_api.create()
    task = shop.task(
        task_id,
        model="doubao-seedance-2-0 \u00e9\n",
        created_at=Decimal(1776567610),
        completed_at=None,
        metadata={"project": "trailer", "model": "another"},
    )
    shop.copy(task)
    stored = shop.stored(task_id)
    assert stored["ContentType"] == "video/mp4"
    assert stored["Metadata"] == {
        "task-id": task_id,
        "model": "doubao-seedance-2-0 ??",
        "created-at": "1776567610",
        "project": "trailer",
    }


@pytest.mark.parametrize(
    ("announced", "stored"),
    [
        ("application/octet-stream", "video/mp4"),
        ("Video/MP4; codecs=avc1", "video/mp4"),
        ("video/quicktime", "video/quicktime"),
        ("text/html", "video/mp4"),
        ("", "video/mp4"),
    ],
)
def test_content_type(shop: CopyShop, announced: str, stored: str) -> None:
    task_id = shop.comet_api.create(video={"name": "content_type", "value": announced})
    shop.copy(task_id)
    assert shop.stored(task_id)["ContentType"] == stored


def test_the_owners_key(shop: CopyShop) -> None:
    task_id = shop.comet_api.create()
    shop.copy(shop.task(task_id, s3_key="trailer/scene 1 - ünï.mp4"))
    assert shop.s3.head_object(Bucket=BUCKET, Key="trailer/scene 1 - ünï.mp4")["Metadata"]["task-id"] == task_id


# --- One video, one object ---


def test_a_video_that_is_there_is_not_fetched_again(shop: CopyShop) -> None:
    task_id = shop.comet_api.create()
    first = shop.copy(task_id)
    shop.comet_api.forget_requests()
    assert shop.copy(task_id, "https://gone.invalid/") == first
    assert shop.comet_api.requests == []


@pytest.mark.parametrize("metadata", [{}, {"task-id": "task_other"}])
def test_another_object_is_never_overwritten(shop: CopyShop, metadata: dict[str, str]) -> None:
    task_id = shop.comet_api.create()
    shop.s3.put_object(Bucket=BUCKET, Key=f"videos/{task_id}.mp4", Body=b"mine", Metadata=metadata)
    with pytest.raises(VideoRefused) as refused:
        shop.copy(task_id)
    assert refused.value.code == "key_taken"
    assert refused.value.message == (
        f"Another object is at s3://{BUCKET}/videos/{task_id}.mp4 and is never overwritten. Set s3_key to a free key, "
        "or remove that object, then set status to RETRY."
    )
    assert shop.stored(task_id)["Body"].read() == b"mine"


@pytest.mark.parametrize("video", ["fine", "refuses_ranges"])
@pytest.mark.parametrize("size", [100, 512 * KIB])
@pytest.mark.parametrize("is_own", [True, False])
def test_a_race_for_the_key(
    shop: CopyShop, monkeypatch: pytest.MonkeyPatch, video: str, size: int, *, is_own: bool
) -> None:
    shrink(monkeypatch)
    task_id = shop.comet_api.create(video=video, size=size)

    def be_faster() -> None:
        shop.before.clear()
        metadata = {"task-id": task_id if is_own else "task_other"}
        shop.s3.put_object(Bucket=BUCKET, Key=f"videos/{task_id}.mp4", Body=b"faster", Metadata=metadata)

    shop.before = {"PutObject": be_faster, "CompleteMultipartUpload": be_faster}
    if is_own:
        assert shop.copy(task_id).size == len(b"faster")
    else:
        with pytest.raises(VideoRefused):
            shop.copy(task_id)
    assert shop.stored(task_id)["Body"].read() == b"faster"
    assert not shop.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads")


def test_a_rival_that_vanishes_again(shop: CopyShop) -> None:
    task_id = shop.comet_api.create()
    key = f"videos/{task_id}.mp4"

    def come() -> None:
        shop.before = {"HeadObject": go}
        shop.s3.put_object(Bucket=BUCKET, Key=key, Body=b"rival")

    def go() -> None:
        shop.before.clear()
        shop.s3.delete_object(Bucket=BUCKET, Key=key)

    shop.before = {"PutObject": come}
    with pytest.raises(CopyInterrupted, match="Somebody else"):
        shop.copy(task_id)


# --- Hosts that stumble, and recover ---


RECOVERING: dict[str, Steps] = {
    "one error at the beginning": "fails_once",
    "errors now and then": ["fine", "error", "fine", "error", "fine", "error", "fine"],
    "resets now and then": ["fine", "reset", "fine", "reset", "fine", "reset", "fine"],
    "every breakdown once": ["fine", "truncated", "reset", "stall", "drip", "error", "fine"],
    "too many requests": ["fine", {"name": "error", "status": 429, "times": 2}, "fine"],
    "half of each range": "shorter_range",
    "more than each range": "longer_range",
    "more than a range says, in chunks": "longer_chunked_range",
    "the first bytes for each range": "from_the_beginning",
    "another total with each range": "wrong_total",
    "ranges without their place": "no_content_range",
    "ranges of nobody knows how much": "unknown_total",
    "a redirect to ftp": [{"name": "redirect", "to": "ftp://127.0.0.1/v.mp4"}, "fine"],
    "a redirect to a file": [{"name": "redirect", "to": "file:///etc/passwd"}, "fine"],
    "a redirect that cannot be read": [{"name": "redirect", "to": "//[::1"}, "fine"],
    "a redirect to nowhere": ["redirect_nowhere", "fine"],
    "a redirect without a host": "redirect_relative",
    "a redirect with a body": "redirect_with_body",
    "no bytes": ["empty", "fine"],
    "other ranges than asked for": "wrong_content_range",
    "no ranges after the first one": ["fine", "no_ranges"],
    "a page instead of a range": ["fine", "html_200", "fine"],
    "a page instead of the video": ["html_200", "fine"],
    "a compressed answer": ["gzip_bomb", "fine"],
    "a slow beginning": {"name": "slow_start", "seconds": 0.2},
}


@pytest.mark.parametrize("video", RECOVERING.values(), ids=RECOVERING.keys())
def test_a_host_that_stumbles(shop: CopyShop, monkeypatch: pytest.MonkeyPatch, video: Steps) -> None:
    shrink(monkeypatch)
    shop.patience = patience_with(video)
    task_id = shop.comet_api.create(video=video, size=300 * KIB)
    shop.copy(task_id)
    assert shop.has_stored(task_id)


def test_a_failed_range_is_asked_for_again_alone(shop: CopyShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)
    task_id = shop.comet_api.create(video=["fine", "fine", "reset", "truncated", "fine"], size=300 * KIB)
    shop.copy(task_id)
    assert len(shop.comet_api.requests) <= ceil(300 / 8) + 2


@pytest.mark.parametrize("size", [100 * KIB, 300 * KIB])
def test_a_video_that_changes_between_ranges_is_never_mixed(
    shop: CopyShop, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    shrink(monkeypatch)
    task_id = shop.comet_api.create(video="changes_between_ranges", size=size)
    shop.copy(task_id)
    newer = Recut(shop.comet_api.renders[task_id].footage)
    assert shop.stored(task_id)["Body"].read() == b"".join(newer.chunks(0, size))


def test_ranges_are_asked_for_on_condition_that_nothing_changed(
    shop: CopyShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink(monkeypatch)
    with StrangeHost(serve(VIDEO)) as host:
        shop.copy("task_x", host.url)
    assert all('\r\nIf-Range: "1"\r\n' in head for head in host.heads[1:])
    assert len(host.heads) == 9


def test_other_bytes_than_asked_for_are_never_put_in_their_place(
    shop: CopyShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink(monkeypatch)
    with StrangeHost(serve(VIDEO, shift=-1)) as host:
        shop.copy("task_x", host.url)
    assert shop.stored("task_x")["Body"].read() == VIDEO


def test_a_range_in_chunks_that_holds_more_than_it_announces(shop: CopyShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)

    def exceed(connection: socket.socket, head: str) -> None:
        if "bytes=0-" in head or "Range" not in head:
            serve(VIDEO)(connection, head)
            return
        start = int(head.partition("bytes=")[2].partition("-")[0])
        where = f"bytes {start}-{start + 8 * KIB - 1}/{len(VIDEO)}"
        chunk = b"2001\r\n" + VIDEO[start : start + 8 * KIB] + b"!\r\n0\r\n\r\n"
        say(f"HTTP/1.1 206 Partial\nContent-Range: {where}\nTransfer-Encoding: chunked", chunk)(connection, head)

    with StrangeHost(exceed) as host:
        shop.copy("task_x", host.url)
    assert len([head for head in host.heads if "Range:" not in head]) == 1  # a range given up may be noted after it
    assert shop.stored("task_x")["Body"].read() == VIDEO


# --- Hosts that take no ranges, or not for long ---


PICKY: dict[str, Steps] = {
    "403 to a range": "refuses_ranges",
    "404 to a range": {"name": "refuses_ranges", "status": 404},
    "400 to a range": {"name": "refuses_ranges", "status": 400},
    "416 to a range": {"name": "refuses_ranges", "status": 416},
    "501 to a range": {"name": "refuses_ranges", "status": 501},
    "403 to all ranges but the first": "refuses_further_ranges",
    "URLs that expire between two ranges": [{"name": "fine", "times": 5}, "expired", "fine"],
    "targets that are good for one request": "redirect_to_one_request",
    "targets that are good for one request, and break off": [
        {"name": "redirect_to_one_request", "times": 2},
        "truncated",
        "redirect_to_one_request",
    ],
    "ranges in chunks": "chunked_ranges",
    "a weak ETag": "weak_etag",
}


@pytest.mark.parametrize("video", PICKY.values(), ids=PICKY.keys())
@pytest.mark.parametrize("size", [5 * KIB, 100 * KIB, 300 * KIB])
def test_a_host_that_takes_no_ranges(shop: CopyShop, monkeypatch: pytest.MonkeyPatch, video: Steps, size: int) -> None:
    shrink(monkeypatch)
    task_id = shop.comet_api.create(video=video, size=size)
    shop.copy(task_id)
    assert shop.has_stored(task_id)


def test_a_refused_range_costs_one_more_request(shop: CopyShop) -> None:
    shop.copy(shop.comet_api.create(video="refuses_ranges"))
    assert ["range" in request.headers for request in shop.comet_api.requests] == [True, False]


@pytest.mark.parametrize("refusal", ["expired", "gone_404", "gone_410"])
def test_a_url_that_has_expired(shop: CopyShop, refusal: str) -> None:
    task_id = shop.comet_api.create(video=refusal)
    with pytest.raises(CopyInterrupted) as interrupted:
        shop.copy(task_id)
    assert interrupted.value.code == "url_expired"
    assert ["range" in request.headers for request in shop.comet_api.requests] == [True, False]


def test_a_range_that_breaks_off_goes_on_where_it_was(shop: CopyShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)
    task_id = shop.comet_api.create(video=["truncated", "fine"], size=8 * KIB)
    shop.copy(task_id)
    assert shop.has_stored(task_id)
    assert [request.headers["range"] for request in shop.comet_api.requests] == ["bytes=0-8191", "bytes=4096-8191"]


@pytest.mark.parametrize("every", [1, 2])
def test_a_stream_that_breaks_off_goes_on_where_it_was(
    shop: CopyShop, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    """From a host without ranges, as long as its validator says that it is the same video."""
    shrink(monkeypatch)
    broken = {"name": "truncated", "times": every}
    monkeypatch.setitem(video_behaviours.BEHAVIOURS, "truncated", lambda delivery: cut(no_ranges(delivery)))
    task_id = shop.comet_api.create(video=[broken, "no_ranges"], size=300 * KIB)
    shop.copy(task_id)
    assert shop.has_stored(task_id)
    assert shop.calls.count("CreateMultipartUpload") == 1
    assert len(shop.comet_api.requests) == 1 + every


def test_a_stream_that_breaks_off_goes_on_by_way_of_the_first_url(shop: CopyShop) -> None:
    """Where that led to may have been good for one request."""
    bodies = iter([VIDEO[:KIB], VIDEO])

    def redirect(connection: socket.socket, head: str) -> None:
        if head.startswith("GET /once "):
            say(f'HTTP/1.1 200 OK\nETag: "1"\nContent-Length: {len(VIDEO)}', next(bodies))(connection, head)
        else:
            say("HTTP/1.1 302 Found\nLocation: /once\nContent-Length: 0")(connection, head)

    with StrangeHost(redirect) as host:
        shop.copy("task_x", host.url)
    first, *others = host.targets
    assert others == ["/once", first, "/once"]
    assert shop.stored("task_x")["Body"].read() == VIDEO


def cut(reply: Reply) -> Reply:
    length = reply.length or 0
    return replace(reply, chunks=[b"".join(reply.chunks)[: length // 2]], ending=Ending.CLOSE)


def test_a_stream_of_nobody_knows_which_video_is_begun_anew(shop: CopyShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)
    monkeypatch.setitem(video_behaviours.BEHAVIOURS, "truncated", lambda delivery: cut(no_etag(delivery.unranged())))
    task_id = shop.comet_api.create(video=["truncated", "no_ranges"], size=300 * KIB)
    shop.copy(task_id)
    assert shop.has_stored(task_id)
    assert shop.calls.count("CreateMultipartUpload") == 2


# --- A video that changes ---


@pytest.mark.parametrize("video", ["etag_on_first_only", "changes_in_silence"])
@pytest.mark.parametrize("size", [100 * KIB, 300 * KIB])
def test_a_range_without_a_validator_after_one_that_had_one(
    shop: CopyShop, monkeypatch: pytest.MonkeyPatch, video: str, size: int
) -> None:
    shrink(monkeypatch)
    task_id = shop.comet_api.create(video=video, size=size)
    shop.copy(task_id)
    footage = shop.comet_api.renders[task_id].footage
    expected = Recut(footage) if video == "changes_in_silence" else footage
    assert shop.stored(task_id)["Body"].read() == b"".join(expected.chunks(0, size))


# --- Time ---


@pytest.mark.parametrize("video", ["stall", "stall_before_headers", "drip"])
def test_a_copy_ends_in_time(shop: CopyShop, video: str) -> None:
    task_id = shop.comet_api.create(video=video, size=300 * KIB)
    started = time.monotonic()
    with pytest.raises(CopyInterrupted) as interrupted:
        shop.copy(task_id, seconds=0.5)
    assert interrupted.value.code == "out_of_time"
    assert time.monotonic() - started < shop.patience.silence_seconds
    assert shop.is_empty()


def test_no_time_at_all(shop: CopyShop) -> None:
    with pytest.raises(OutOfTime):
        shop.copy(shop.comet_api.create(), seconds=0)
    assert shop.comet_api.requests == []
