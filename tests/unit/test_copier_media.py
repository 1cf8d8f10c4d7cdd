"""What a video is, and where it ends."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copier.media import Boxes, media_type
from shared.errors import CopyInterrupted

FTYP = b"\0\0\0\x20ftypisom"


@pytest.mark.parametrize(
    ("announced", "head", "expected"),
    [
        ("video/mp4", FTYP, "video/mp4"),
        ("VIDEO/MP4; codecs=avc1", FTYP, "video/mp4"),
        ("", FTYP, "video/mp4"),
        ("application/octet-stream", FTYP, "video/mp4"),
        ("text/html", FTYP, "video/mp4"),
        ("nonsense\r\nX: y", FTYP, "video/mp4"),
        ("video/quicktime", b"\0\0\0\x14ftypqt  ", "video/quicktime"),
        ("video/quicktime", b"\0\0\0\x08wide\0\0\0\0mdat", "video/quicktime"),
        ("video/webm", b"\x1a\x45\xdf\xa3", "video/webm"),
        ("video/x-matroska; charset=binary", b"\x1a\x45\xdf\xa3", "video/x-matroska"),
    ],
)
def test_a_video(announced: str, head: bytes, expected: str) -> None:
    assert media_type(announced, head) == expected


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
        media_type(announced, head)
    assert refused.value.code == "not_a_video"


def box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def long_box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4sQ", 1, kind, 16 + len(content)) + content


FILE = box(b"ftyp", b"isom") + box(b"free") + long_box(b"mdat", bytes(50)) + box(b"moov", bytes(20)) + box(b"free")


def follow(parts: list[bytes]) -> Boxes:
    boxes = Boxes()
    for part in parts:
        boxes.follow(part)
    boxes.finish()
    return boxes


@given(st.sets(st.integers(0, len(FILE))))
def test_a_whole_file_however_it_is_cut(cuts: set[int]) -> None:
    edges = sorted({0, len(FILE), *cuts})
    assert follow([FILE[a:b] for a, b in pairwise(edges)]).end_is_known


BOUNDARIES = {0, 12, 20, 86, 114, len(FILE)}
HAS_TRACKS_AND_DATA = {114, len(FILE)}


@pytest.mark.parametrize("end", range(len(FILE)))
def test_a_file_that_ends_too_early(end: int) -> None:
    """At a box's edge nothing is cut; but without both tracks and data nobody takes it for the end."""
    is_in_a_box = not any(edge <= end < edge + 8 for edge in BOUNDARIES)
    if is_in_a_box:
        with pytest.raises(CopyInterrupted, match="too early"):
            follow([FILE[:end]])
    else:
        assert follow([FILE[:end]]).end_is_known == (end in HAS_TRACKS_AND_DATA)


def test_a_fragmented_file_does_not_tell_its_end() -> None:
    assert not follow([box(b"ftyp") + box(b"moov") + (box(b"moof") + box(b"mdat", bytes(20))) * 2]).end_is_known


@pytest.mark.parametrize(
    "tail",
    [
        struct.pack(">I4s", 0, b"mdat") + bytes(30),  # to the end of the file, wherever that is
        struct.pack(">I4s", 1 << 31, b"\0\0\0\0") + bytes(30),  # no box: left alone
        struct.pack(">I4s", 4, b"mdat") + bytes(30),  # smaller than its own header
        bytes(100),
    ],
)
def test_what_follows_no_box_is_believed_but_does_not_tell_the_end(tail: bytes) -> None:
    assert not follow([FILE + tail]).end_is_known
