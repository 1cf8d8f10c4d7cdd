"""The last frame: stored beside the video, and never in its way."""

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from copier import copy
from copier.watch import Deadline
from infra.local.cometapi.last_frames import picture
from infra.local.cometapi.script import Steps
from shared.api_key import ApiKey
from tests.integration.copying import BUCKET, CopyShop, patience_with
from tests.integration.strange_host import StrangeHost, say


def object_at(shop: CopyShop, key: str) -> Any:
    return shop.s3.get_object(Bucket=BUCKET, Key=key)


def copy_frame(shop: CopyShop, task_id: str, seconds: float = 20, **attributes: object) -> str:
    return shop.copy_last_frame(shop.task(task_id, **attributes), shop.comet_api.last_frame_url(task_id), seconds)


@pytest.mark.parametrize(
    ("frame", "suffix", "kind"),
    [
        ("png", "png", "image/png"),
        ("jpg", "jpg", "image/jpeg"),
        ("webp", "webp", "image/webp"),
        ({"name": "png", "content_type": "text/html"}, "png", "image/png"),
        ({"name": "png", "content_type": "video/mp4"}, "png", "image/png"),
    ],
)
def test_a_picture_is_named_by_its_bytes(shop: CopyShop, frame: Steps, suffix: str, kind: str) -> None:
    task_id = shop.comet_api.create(last_frame=frame)
    assert copy_frame(shop, task_id) == f"s3://{BUCKET}/videos/{task_id}.last.{suffix}"
    stored = object_at(shop, f"videos/{task_id}.last.{suffix}")
    assert stored["ContentType"] == kind
    assert suffix != "png" or stored["Body"].read() == picture(task_id)


@pytest.mark.parametrize(
    ("s3_key", "stored"),
    [
        ("trailer/scene 1.mov", "trailer/scene 1.last.png"),
        ("trailer/v1.2/scene", "trailer/v1.2/scene.last.png"),
        ("scene.tar.mp4", "scene.tar.last.png"),
        ("a//b.mp4", "a//b.last.png"),
    ],
)
def test_it_lies_beside_the_video(shop: CopyShop, s3_key: str, stored: str) -> None:
    task_id = shop.comet_api.create()
    metadata = {"project": "trailer"}
    assert copy_frame(shop, task_id, s3_key=s3_key, metadata=metadata) == f"s3://{BUCKET}/{stored}"
    assert object_at(shop, stored)["Metadata"] == {"task-id": task_id, "project": "trailer"}


def test_it_is_there_already(shop: CopyShop) -> None:
    task_id = shop.comet_api.create()
    first = copy_frame(shop, task_id)
    assert copy_frame(shop, task_id) == first


def test_anothers_object_is_never_overwritten(shop: CopyShop) -> None:
    task_id = shop.comet_api.create()
    key = f"videos/{task_id}.last.png"
    shop.s3.put_object(Bucket=BUCKET, Key=key, Body=b"mine")
    assert copy_frame(shop, task_id) == "key_taken"
    assert object_at(shop, key)["Body"].read() == b"mine"


def test_a_large_picture(shop: CopyShop) -> None:
    """In 4K a PNG may have 25 MB."""
    body = picture("x").ljust(25_000_000, b"\0")
    with StrangeHost(say(f"HTTP/1.1 200 OK\nContent-Length: {len(body)}", body)) as host:
        assert shop.copy_last_frame("task_x", host.url) == f"s3://{BUCKET}/videos/task_x.last.png"


@pytest.mark.parametrize(("left", "its_own"), [(600, 60), (20, pytest.approx(20, abs=10))])
def test_it_has_a_minute_of_what_is_left(
    shop: CopyShop, monkeypatch: pytest.MonkeyPatch, left: float, its_own: object
) -> None:
    given: list[float] = []

    def deadline(seconds: float) -> Deadline:
        given.append(seconds)
        return Deadline(seconds)

    monkeypatch.setattr(copy, "Deadline", deadline)
    copy_frame(shop, shop.comet_api.create(), seconds=left)
    assert given == [its_own]


WORDS: dict[str, tuple[Steps, str]] = {
    "HTML": ("html", "not_a_picture"),
    "a video": ("video", "not_a_picture"),
    "no bytes": ("empty", "empty_video"),
    "more than 32 MiB": ("huge", "too_large"),
    "404": ("refused", "url_expired"),
    "403": ({"name": "refused", "status": 403}, "url_expired"),
    "500": ({"name": "refused", "status": 500}, "http_500"),
    "a redirect to a file": ({"name": "redirect", "to": "file:///etc/passwd"}, "insecure_url"),
    "a reset": ("reset", "connection_failed"),
    "silence": ("stall", "connection_failed"),
}


@pytest.mark.parametrize(("frame", "word"), WORDS.values(), ids=WORDS.keys())
def test_what_goes_wrong_is_a_word(shop: CopyShop, frame: Steps, word: str) -> None:
    shop.patience = patience_with(frame, retries=1)
    assert copy_frame(shop, shop.comet_api.create(last_frame=frame)) == word
    assert shop.is_empty()


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("", "insecure_url"),
        ("nonsense", "insecure_url"),
        ("http://videos.example.com/f.png", "insecure_url"),
        ("https://10.0.0.1/f.png", "address_not_public"),
        ("https://localhost/f.png", "address_not_public"),
        ("https://a:b@videos.example.com/f.png", "userinfo_in_url"),
        ("https://videos.example.com/" + "f" * 8192, "url_too_long"),
        ("https://videos.example.com/\ud800", "bad_url"),
    ],
)
def test_a_url_that_is_none(shop: CopyShop, url: str, word: str) -> None:
    shop.allow_insecure = False
    shop.patience = patience_with(None, retries=1)
    assert shop.copy_last_frame("task_x", url) == word


def test_a_frame_at_the_content_route_gets_no_key(shop: CopyShop) -> None:
    shop.key = ApiKey(lambda: "sk-simulated")
    task_id = shop.comet_api.create()
    assert shop.copy_last_frame(task_id, shop.comet_api.content_url(task_id)) == "http_401"


def test_no_time_is_left(shop: CopyShop) -> None:
    assert copy_frame(shop, shop.comet_api.create(), seconds=0) == "out_of_time"
    assert shop.comet_api.requests == []


def test_a_host_that_is_silent_holds_it_up_for_its_own_time(shop: CopyShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy, "_PICTURE_SECONDS", 0.5)
    shop.patience = replace(patience_with("stall", retries=1), silence_seconds=3)
    assert copy_frame(shop, shop.comet_api.create(last_frame="stall")) == "out_of_time"


def test_s3_refuses(shop: CopyShop) -> None:
    def refuse() -> None:
        raise ClientError({"Error": {"Code": "InternalError", "Message": "again"}}, "PutObject")

    shop.before = {"PutObject": refuse}
    assert copy_frame(shop, shop.comet_api.create()) == "s3_error"


def test_a_frame_of_a_stranger(shop: CopyShop) -> None:
    body = picture("x")
    with StrangeHost(say(f"HTTP/1.1 200 OK\nContent-Length: {len(body)}", body)) as host:
        assert shop.copy_last_frame("task_x", host.url) == f"s3://{BUCKET}/videos/task_x.last.png"
