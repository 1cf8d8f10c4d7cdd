"""A video host asked for a video and its ranges, without a bucket: what is asked, and what is told of a failure."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from copier.answer import trouble_of
from copier.video import HostRules, Video
from copier.video_host import Source, VideoHost
from copier.watch import Deadline, OutOfTime, Patience
from infra.local.cometapi.footage import Synthetic
from shared.api_key import ApiKey
from shared.errors import CopyError, CopyInterrupted
from tests.integration.copying import MIB, PROMPT, SENTENCES, SOON_JUDGING
from tests.integration.strange_host import StrangeHost, Talk, say

SIZE = 3000
VIDEO = b"".join(Synthetic(SIZE, "seed").chunks(0, SIZE))
PATIENCE = replace(PROMPT, retry_delays=(0.01,))


def host_of(strange: StrangeHost, patience: Patience = PATIENCE, key: ApiKey | None = None) -> VideoHost:
    """Return the host, whose URL is CometAPI's content route where there is a key."""
    rules = HostRules(max_video_bytes=64 * MIB, allow_insecure=True, patience=patience)
    return VideoHost(Source(strange.url, strange.url if key else "", key), rules, Deadline(60))


def fetch(host: VideoHost, *, in_ranges: bool, start: int = 0) -> bytes:
    video: Video = host.open(in_ranges=in_ranges)
    received = bytes(host.fill(video, start, memoryview(bytearray(SIZE - start))))
    video.close()
    host.close()
    return received


def answers(*texts: tuple[str, bytes]) -> Talk:
    """Say one thing after the other, the last one again and again."""
    left = [say(text, body) for text, body in texts]

    def talk(connection: socket.socket, head: str) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(connection, head)

    return talk


WHOLE = f'HTTP/1.1 200 OK\nETag: "1"\nContent-Length: {SIZE}'
REDIRECT = ("HTTP/1.1 302 No\nLocation: /\nContent-Length: 0", b"")
FIRST = f"HTTP/1.1 206 OK\nContent-Range: bytes 0-{SIZE - 1}/{SIZE}"
FAILURES: dict[str, tuple[bool, list[tuple[str, bytes]], str, str]] = {
    "broken off each time": (
        False, [(WHOLE, VIDEO[:1000]), (WHOLE, VIDEO[:1000])], "truncated", SENTENCES["truncated"],
    ),
    "another video": (
        False, [(WHOLE, VIDEO[:1000]), (WHOLE.replace('"1"', '"2"'), VIDEO)], "changed", SENTENCES["changed"],
    ),
    "another length": (
        False, [(WHOLE, VIDEO[:1000]), (WHOLE.replace("3000", "3001"), VIDEO + b"x")], "changed", SENTENCES["changed"],
    ),
    "a range that ends early": (
        True, [(FIRST, VIDEO[:1000])], "truncated", "The video host sent a range of another length than announced.",
    ),
    "a range that goes on": (
        True, [(FIRST, VIDEO + b"x")], "truncated", "The video host sent a range of another length than announced.",
    ),
    "a circle": (
        False, [REDIRECT], "too_many_redirects", SENTENCES["too_many_redirects"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("in_ranges", "said", "code", "message"), FAILURES.values(), ids=FAILURES.keys())
def test_a_failure_is_told(said: list[tuple[str, bytes]], code: str, message: str, *, in_ranges: bool) -> None:
    with StrangeHost(answers(*said)) as strange, pytest.raises(CopyError) as failed:
        fetch(host_of(strange), in_ranges=in_ranges)
    assert (failed.value.code, failed.value.message) == (code, message)


def test_a_range_without_a_version_that_breaks_off_is_gone_on_with(capsys: pytest.CaptureFixture[str]) -> None:
    """A single range is the whole video, and no other can be mixed with it but its own rest."""
    rest = f"HTTP/1.1 206 OK\nContent-Length: 2000\nContent-Range: bytes 1000-2999/{SIZE}"
    first = f"{FIRST}\nContent-Length: {SIZE}"
    with StrangeHost(answers((first, VIDEO[:1000]), (rest, VIDEO[1000:]))) as strange:
        assert fetch(host_of(strange), in_ranges=True) == VIDEO
    assert [line for line in strange.heads[1].splitlines() if "ange" in line] == ["Range: bytes=1000-2999"]
    assert capsys.readouterr().err == ""


def test_a_range_with_a_version_is_gone_on_with_if_it_is_the_same() -> None:
    rest = f'HTTP/1.1 206 OK\nETag: "1"\nContent-Length: 2000\nContent-Range: bytes 1000-2999/{SIZE}'
    first = f'{FIRST}\nETag: "1"\nContent-Length: {SIZE}'
    with StrangeHost(answers((first, VIDEO[:1000]), (rest, VIDEO[1000:]))) as strange:
        assert fetch(host_of(strange), in_ranges=True) == VIDEO
    asked = {line for line in strange.heads[1].splitlines() if "ange" in line}
    assert asked == {"Range: bytes=1000-2999", 'If-Range: "1"'}


def test_a_rest_that_ends_before_it_begins_is_no_end_of_the_video() -> None:
    head = 'HTTP/1.1 200 OK\nETag: "1"\nTransfer-Encoding: chunked'
    broken, shorter = b"bb8\r\n" + VIDEO[:2500], b"1f4\r\n" + VIDEO[:500] + b"\r\n0\r\n\r\n"
    with StrangeHost(answers((head, broken), (head, shorter))) as strange:
        host = host_of(strange)
        video = host.open(in_ranges=False)
        host.fill(video, 0, memoryview(bytearray(2000)))
        with pytest.raises(CopyInterrupted) as failed:
            host.fill(video, 2000, memoryview(bytearray(1000)))
    assert failed.value.code == "changed"


def test_three_redirects_are_followed_and_no_fourth() -> None:
    with StrangeHost(answers(*[REDIRECT] * 3, (WHOLE, VIDEO))) as strange:
        assert fetch(host_of(strange), in_ranges=True) == VIDEO
    with StrangeHost(answers(REDIRECT)) as strange, pytest.raises(CopyInterrupted):
        fetch(host_of(strange), in_ranges=True)
    assert len(strange.heads) == 4


def test_a_range_that_comes_in_chunks() -> None:
    first = f"{FIRST}\nTransfer-Encoding: chunked"
    with StrangeHost(answers((first, b"bb8\r\n" + VIDEO + b"\r\n0\r\n\r\n"))) as strange:
        assert fetch(host_of(strange), in_ranges=True) == VIDEO
    assert len(strange.heads) == 1


def test_a_host_that_hangs_up_is_asked_as_often_as_patience_says() -> None:
    with StrangeHost(lambda *_: None) as strange, pytest.raises(CopyInterrupted):
        fetch(host_of(strange), in_ranges=True)
    assert len(strange.heads) == 1 + len(PATIENCE.retry_delays)


def test_a_signed_url_is_never_shown() -> None:
    assert "Signature" not in repr(Source("https://v.example.com/a.mp4?X-Tos-Signature=s"))


def test_what_every_question_says() -> None:
    with StrangeHost(answers((WHOLE, VIDEO))) as strange:
        assert fetch(host_of(strange), in_ranges=True) == VIDEO
    question, *headers = strange.heads[0].splitlines()
    assert question == "GET /video.mp4?X-Tos-Signature=s HTTP/1.1"
    assert {"Accept: */*", "Accept-Encoding: identity", "User-Agent: seedance-poller"} <= set(headers)
    assert "Range: bytes=0-2097151" in headers
    names = [line.partition(":")[0] for line in headers if line]
    assert len(names) == len(set(names)), "each header once"


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_was_replaced_is_asked_with_at_once(status: int) -> None:
    keys = ["sk-old", "sk-new"]
    refused = (f"HTTP/1.1 {status} No\nContent-Length: 0", b"")
    with StrangeHost(answers(refused, (WHOLE, VIDEO)), takes_key=True) as strange:
        assert fetch(host_of(strange, key=ApiKey(lambda: keys.pop(0))), in_ranges=True) == VIDEO
    assert strange.authorizations == ["Bearer sk-old", "Bearer sk-new"]


@pytest.mark.parametrize("in_ranges", [True, False])
def test_its_pace_is_judged_by_what_is_left_of_its_video(*, in_ranges: bool) -> None:
    def drip(connection: socket.socket, _: str) -> None:
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {64 * MIB}\r\n\r\n".encode())
        for _number in range(150):
            connection.sendall(VIDEO)
            time.sleep(0.02)  # more than is asked of a video of unknown length, on any machine

    with StrangeHost(drip) as strange:
        host = host_of(strange, SOON_JUDGING)
        video = host.open(in_ranges=in_ranges)
        with pytest.raises(OutOfTime) as failed:
            host.fill(video, 0, memoryview(bytearray(MIB)))
    assert failed.value.code == "too_slow"


def break_off() -> None:
    raise ConnectionResetError("the inner one")


@pytest.fixture
def failure() -> Iterator[BaseException]:
    """An error that leads to another one, each with all that was at hand where it was raised."""
    try:
        try:
            break_off()
        except ConnectionResetError as inner:
            raise OSError(inner) from inner
    except OSError as error:
        yield error


def test_a_trouble_holds_on_to_nothing(failure: OSError) -> None:
    """Tracebacks hold what was received so far."""
    inner = failure.__context__
    assert inner
    trouble: CopyInterrupted = trouble_of(failure)
    assert trouble.message == "The connection to the video host failed (ConnectionResetError)."
    assert failure.__traceback__ is inner.__traceback__ is None
    assert trouble_of(OSError("x")).message == "The connection to the video host failed (OSError)."
