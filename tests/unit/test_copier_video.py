"""Whether an answer is a video, or the range of one: the facts of HTTP, and what a copy makes of each."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from copier.media import HEAD_BYTES
from copier.video import HostRules, Video, error_of
from copier.video_url import VideoUrl, check_url
from copier.watch import HostTrouble
from shared.errors import CopyInterrupted, VideoRefused

MP4 = b"\0\0\0\x18ftypmp42"
ASKED = 1000
RULES = HostRules(max_video_bytes=5000)
URL = check_url("https://v.volces.com/a.mp4", allow_insecure=False)
CONTENT_ROUTE = replace(URL, takes_key=True)
TOO_LARGE = (
    "The video is larger than MaxVideoBytes, which is 5000. Raise that parameter of the stack, then "
    "set status to RETRY."
)
INCONSISTENT = "The video host answers ranges that may not belong together."


@dataclass
class Said:
    """An answer as its headers and its first bytes tell of it."""

    status: int = 206
    content_range: tuple[int, int, int] | None = (0, 1000, 3000)
    length: int | None = 1000
    validator: str | None = '"1"'
    is_encoded: bool = False
    is_delimited: bool = True
    head: bytes = MP4
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "video/mp4"})
    is_closed: bool = False

    def header(self, name: str) -> str:
        return self.headers[name]

    def peek(self, size: int) -> bytes:
        assert size == HEAD_BYTES
        return self.head

    def close(self) -> None:
        self.is_closed = True


RANGE = Said()
WHOLE = Said(status=200, content_range=None, length=3000)


def begun_by(answer: Any, asked: int | None = ASKED) -> Video:
    return Video.begun_by(answer, URL, RULES, asked)


@pytest.mark.parametrize(
    ("answer", "asked", "total", "is_ranged"),
    [
        (RANGE, ASKED, 3000, True),
        (replace(RANGE, length=None), ASKED, 3000, True),
        (replace(RANGE, content_range=(0, 700, 700), length=700), ASKED, 700, True),
        (replace(RANGE, content_range=(0, 700, 700), length=700, validator=None), ASKED, 700, True),
        (replace(RANGE, content_range=(0, 1000, 1000)), ASKED, 1000, True),
        (replace(RANGE, content_range=(0, 1000, 5000)), ASKED, 5000, True),
        (replace(RANGE, content_range=(0, 1, 1), length=1), ASKED, 1, True),
        (replace(RANGE, is_delimited=False), ASKED, 3000, True),
        (WHOLE, ASKED, 3000, False),
        (WHOLE, None, 3000, False),
        (replace(WHOLE, length=5000), None, 5000, False),
        (replace(WHOLE, length=None), None, None, False),
        (replace(WHOLE, validator=None), None, 3000, False),
    ],
)
def test_a_video_begins(answer: Said, asked: int | None, total: int | None, *, is_ranged: bool) -> None:
    video = begun_by(answer, asked)
    assert (video.url, video.media_type, video.total, video.is_ranged) == (URL, "video/mp4", total, is_ranged)
    assert video.validator == answer.validator
    video.close()
    assert answer.is_closed


@pytest.mark.parametrize(
    "answer",
    [
        replace(RANGE, content_range=None),
        replace(RANGE, content_range=(1, 1000, 3000)),
        replace(RANGE, content_range=(0, 999, 3000), length=999),
        replace(RANGE, content_range=(0, 1001, 3000), length=1001),
        replace(RANGE, content_range=(0, 0, 0), length=0),
        replace(RANGE, content_range=(0, 700, 600), length=700),
        replace(RANGE, content_range=(0, 0, 3000), length=0),
        replace(RANGE, length=999),
        replace(RANGE, length=3000),
        replace(RANGE, validator=None),
    ],
)
def test_a_first_range_that_no_other_can_follow(answer: Said) -> None:
    with pytest.raises(CopyInterrupted) as raised:
        begun_by(answer)
    assert (type(raised.value), raised.value.code) == (CopyInterrupted, "ranges_inconsistent")
    assert raised.value.message == INCONSISTENT


@pytest.mark.parametrize(
    ("answer", "asked", "kind", "code", "message"),
    [
        (
            replace(RANGE, content_range=(0, 1000, 5001)), ASKED, VideoRefused, "too_large",
            TOO_LARGE,
        ),
        (
            replace(WHOLE, length=5001), None, VideoRefused, "too_large",
            TOO_LARGE,
        ),
        (
            replace(WHOLE, is_delimited=False, length=None), None, CopyInterrupted, "unknown_length",
            "The video host does not tell where the video ends.",
        ),
        *(
            (
                replace(answer, is_encoded=True), ASKED, CopyInterrupted, "encoded_video",
                "The video host sent the video compressed, which was not asked for and is never unpacked.",
            )
            for answer in (RANGE, WHOLE)
        ),
        (replace(WHOLE, head=b""), None, HostTrouble, "empty_video", "The video host sent no bytes."),
        (RANGE, None, CopyInterrupted, "http_206", "The video host answers HTTP 206 instead of a video."),
        (replace(WHOLE, status=201), None, CopyInterrupted, "http_201",
         "The video host answers HTTP 201 instead of a video."),
    ],
)  # fmt: skip
def test_a_video_that_is_none(answer: Said, asked: int | None, kind: type[Exception], code: str, message: str) -> None:
    with pytest.raises(kind) as raised:
        begun_by(answer, asked)
    error: Any = raised.value
    assert (type(error), error.code, error.message) == (kind, code, message)


@pytest.mark.parametrize(
    ("status", "url", "kind", "code", "message"),
    [
        *(
            (status, CONTENT_ROUTE, CopyInterrupted, "content_not_ready",
             f"CometAPI's content route has no video yet (HTTP {status}).")
            for status in (404, 425)
        ),
        *(
            (status, CONTENT_ROUTE, CopyInterrupted, "key_rejected",
             f"CometAPI refuses this video to the API key (HTTP {status}). Store a key that is valid and may have it.")
            for status in (401, 403)
        ),
        *(
            (status, URL, CopyInterrupted, "url_expired",
             f"The video URL has expired or was withdrawn (HTTP {status}).")
            for status in (403, 404, 410)
        ),
        (410, CONTENT_ROUTE, CopyInterrupted, "url_expired", "The video URL has expired or was withdrawn (HTTP 410)."),
        *(
            (status, URL, HostTrouble, f"http_{status}", f"The video host answers HTTP {status} instead of a video.")
            for status in (408, 425, 429, 500, 502, 503, 599)
        ),
        *(
            (status, URL, CopyInterrupted, f"http_{status}",
             f"The video host answers HTTP {status} instead of a video.")
            for status in (204, 300, 400, 401, 402, 416, 451, 499)
        ),
    ],
)  # fmt: skip
def test_a_status_means(status: int, url: VideoUrl, kind: type[Exception], code: str, message: str) -> None:
    answer: Any = Said(status=status)
    error = error_of(answer, url)
    assert (type(error), error.code, error.message) == (kind, code, message)


NEXT = replace(RANGE, content_range=(1000, 2000, 3000))


@pytest.mark.parametrize("answer", [NEXT, replace(NEXT, length=None)])
def test_a_range_goes_on_with_the_video(answer: Any) -> None:
    begun_by(RANGE).check_range(answer, 1000, 2000)


@pytest.mark.parametrize(
    "answer",
    [
        replace(NEXT, content_range=(0, 1000, 3000)), replace(NEXT, content_range=(1000, 1999, 3000)),
        replace(NEXT, content_range=(1000, 2000, 3001)), replace(NEXT, content_range=None),
        replace(NEXT, validator='"2"'), replace(NEXT, validator=None), replace(NEXT, is_encoded=True),
        replace(NEXT, length=999), replace(NEXT, length=2000), replace(NEXT, status=200),
    ],
)  # fmt: skip
def test_a_range_that_may_be_of_another_video(answer: Any) -> None:
    with pytest.raises(CopyInterrupted) as raised:
        begun_by(RANGE).check_range(answer, 1000, 2000)
    assert (raised.value.code, raised.value.message) == ("ranges_inconsistent", INCONSISTENT)


@pytest.mark.parametrize(("status", "code"), [(300, "http_300"), (403, "url_expired"), (503, "http_503")])
def test_a_range_that_is_refused(status: int, code: str) -> None:
    refused: Any = replace(NEXT, status=status)
    with pytest.raises(CopyInterrupted) as raised:
        begun_by(RANGE).check_range(refused, 1000, 2000)
    assert raised.value.code == code
