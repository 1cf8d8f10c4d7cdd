"""What a video is, what a picture is, and what is written on either."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copier.copy import object_metadata
from copier.media import SUFFIXES, picture_type, video_type
from shared.errors import CopyInterrupted
from shared.task import Task

FTYP = b"\0\0\0\x20ftypisom"


@pytest.mark.parametrize(
    ("announced", "head", "expected"),
    [
        ("video/mp4", FTYP, "video/mp4"),
        ("VIDEO/MP4; codecs=avc1", FTYP, "video/mp4"),
        ("", FTYP, "video/mp4"),
        ("application/octet-stream", FTYP, "video/mp4"),
        ("text/html", FTYP, "video/mp4"),
        ("video/" + "x" * 127, FTYP, "video/" + "x" * 127),
        ("video/" + "x" * 128, FTYP, "video/mp4"),
        ("x" * 128 + "/x", FTYP, "video/mp4"),
        ("nonsense\r\nX: y", FTYP, "video/mp4"),
        ("video/mp4\xef\xbc\x9bcharset=utf-8", FTYP, "video/mp4"),
        ("video/quicktime", b"\0\0\0\x14ftypqt  ", "video/quicktime"),
        ("video/quicktime", b"\0\0\0\x08wide\0\0\0\0mdat", "video/quicktime"),
        ("video/webm", b"\x1a\x45\xdf\xa3", "video/webm"),
        ("video/x-matroska; charset=binary", b"\x1a\x45\xdf\xa3", "video/x-matroska"),
    ],
)
def test_a_video(announced: str, head: bytes, expected: str) -> None:
    assert video_type(announced, head) == expected


@pytest.mark.parametrize(
    ("announced", "head"),
    [
        ("video/mp4", b"\x1a\x45\xdf\xa3"),
        ("video/mp4", b"<!DOCTYPE html>"),
        ("video/mp4", b"ftyp"),
        ("text/html", b"<html>"),
        ("application/json", b'{"code": 1}'),
        ("application/octet-stream", b"\x1a\x45\xdf\xa3"),
        ("", b"PK\x03\x04"),
        ("image/png", b"\x89PNG\r\n\x1a\n"),
        ("video/webm", b"<?xml version='1.0'?>"),
        ("video/webm", b"\r\n\t {}"),
        ("video/webm", b"\xef\xbb\xbf<html>"),
    ],
)
def test_no_video(announced: str, head: bytes) -> None:
    with pytest.raises(CopyInterrupted) as refused:
        video_type(announced, head)
    assert refused.value.code == "not_a_video"
    named = announced or "nothing"
    assert refused.value.message == f"The video host sent something that is no MP4 file (it calls it {named})."


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        (b"RIFF\n\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_a_picture(head: bytes, expected: str) -> None:
    assert picture_type("text/html", head) == expected
    assert expected in SUFFIXES


@pytest.mark.parametrize("head", [b"", b"\x89PNG", b"\xff\xd8", b"RIFF\n\0\0\0WAVE", b"GIF89a", b"<svg>", FTYP, b"BM"])
def test_no_picture(head: bytes) -> None:
    with pytest.raises(CopyInterrupted) as refused:
        picture_type("image/png", head)
    assert refused.value.code == "not_a_picture"
    assert refused.value.message == "The host of the last frame sent something that is no picture."


# --- What is written on an object ---


def written(**item: Any) -> dict[str, str]:
    metadata = object_metadata(Task.from_item({"task_id": "task_x", **item}))
    assert sum(len(name) + len(value) for name, value in metadata.items()) <= 2048
    assert all(value.isascii() for value in metadata.values())
    assert metadata["task-id"] == "task_x"
    return metadata


def test_what_is_known_of_a_video() -> None:
    result = {"duration": Decimal(5), "resolution": "720p", "ratio": "16:9", "seed": Decimal(7), "fps": 24, "usage": {}}
    assert written(model="m", created_at=Decimal(1), completed_at=2, result=result, metadata={"project": "x"}) == {
        "task-id": "task_x",
        "project": "x",
        "model": "m",
        "created-at": "1",
        "completed-at": "2",
        "duration": "5",
        "resolution": "720p",
        "ratio": "16:9",
        "seed": "7",
    }


def test_a_seed_of_0_is_told() -> None:
    assert written(result={"seed": Decimal(0)}) == {"task-id": "task_x", "seed": "0"}


def test_what_is_no_text_or_number_is_left_out() -> None:
    assert written(model={"name": "m"}, created_at=[1], result={"seed": None, "ratio": {}}) == {"task-id": "task_x"}


@pytest.mark.parametrize(("more", "is_kept"), [(0, True), (1, False)])
def test_a_label_is_full_at_2_kb(more: int, *, is_kept: bool) -> None:
    room = 2048 - len("task-idtask_x") - len("name")
    assert ("name" in written(metadata={"name": "x" * (room + more)})) is is_kept


def test_an_owners_names_are_his_own_but_for_ours() -> None:
    metadata = {"duration": "long", "model": "mine", "task-id": "task_other"}
    assert written(model="m", result={"duration": 5}, metadata=metadata) == {
        "task-id": "task_x",
        "duration": "long",
        "model": "m",
    }


def test_an_owner_who_writes_long_texts_where_we_write_times() -> None:
    long = "x" * 5000
    metadata = {f"name-{number}": "x" * 90 for number in range(12)}
    stored = written(model=long, created_at=long, completed_at=long, result={"ratio": long}, metadata=metadata)
    assert metadata.items() <= stored.items()


def test_what_an_owner_writes_comes_before_what_cometapi_said() -> None:
    metadata = {f"name-{number}": "x" * 243 for number in range(8)}
    assert written(model="m" * 90, metadata=metadata) == {"task-id": "task_x", **metadata}


def test_an_answer_that_was_put_whole_may_hold_any_metadata() -> None:
    assert written(metadata={"a": "x" * 5000, "b": {"c": 1}, "d": "\u00e9\n", "UPPER": "x"}) == {
        "task-id": "task_x",
        "d": "??",
    }


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["model", "created_at", "completed_at", "result", "metadata"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=5),
        ),
    )
)
def test_any_item_makes_metadata_that_s3_takes(item: dict[str, Any]) -> None:
    written(**item)
