"""One answer of a video host: what its headers tell, how it is read, and what becomes of its connection."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from urllib3 import BaseHTTPResponse

from copier.answer import Answer
from copier.connection import pool_for
from copier.video_url import check_url
from copier.watch import Deadline, HostTrouble, Watch
from infra.local.cometapi.footage import Synthetic
from tests.integration.copying import KIB, PROMPT, SENTENCES
from tests.integration.strange_host import StrangeHost, Talk, say

SIZE = 900 * KIB
BODY = b"".join(Synthetic(SIZE, "seed").chunks(0, SIZE))
WHOLE = f"HTTP/1.1 200 OK\nContent-Length: {SIZE}"


class Counting(Watch):
    """A watch that tells what it counted."""

    counted = skipped = 0

    def count(self, received: int) -> None:
        self.counted += received

    def skip(self, skipped: int) -> None:
        self.skipped += skipped


@contextmanager
def asked(talk: Talk, position: int = 0, watch: Watch | None = None) -> Iterator[tuple[Answer, BaseHTTPResponse]]:
    """Ask a host, and yield its answer, and urllib3's."""
    watch = watch or Watch(Deadline(60), PROMPT)
    with StrangeHost(talk) as host:
        pool = pool_for(check_url(host.url, allow_insecure=True), 1, allow_insecure=True, watch=watch)
        response: BaseHTTPResponse = pool.urlopen(
            "GET", "/", timeout=10, retries=False, redirect=False, preload_content=False, decode_content=False
        )
        yield Answer(response, watch, position), response
        pool.close()


def read(answer: Answer, size: int) -> bytes:
    buffer = bytearray(size)
    answer.fill(memoryview(buffer))
    return bytes(buffer)


# --- What its headers tell ---


@pytest.mark.parametrize(
    ("headers", "name", "value"),
    [
        ("Content-Range: bytes 0-9/30", "content_range", (0, 10, 30)),
        ("content-range:  BYTES  10-29/30 ", "content_range", (10, 30, 30)),
        ("Content-Range: bytes 0-9/*", "content_range", None),
        ("Content-Range: bytes */30", "content_range", None),
        ("Content-Range: bytes 0-9/30, bytes 10-19/30", "content_range", None),
        ("Content-Range: seconds 0-9/30", "content_range", None),
        ("Content-Range: bytes 0-9/3000000000000000000", "content_range", None),
        ("", "content_range", None),
        ('ETag: "1"', "validator", '"1"'),
        ('ETag: ""', "validator", '""'),
        ('ETag: "1"\nLast-Modified: Mon, 27 Oct 2025 07:28:00 GMT', "validator", '"1"'),
        ('ETag: W/"1"\nLast-Modified: Mon, 27 Oct 2025 07:28:00 GMT', "validator", "Mon, 27 Oct 2025 07:28:00 GMT"),
        ("ETag: 1", "validator", None),
        ("Last-Modified: \xe4", "validator", None),
        ("", "validator", None),
        ("Content-Encoding: gzip", "is_encoded", True),
        ("Content-Encoding: identity", "is_encoded", False),
        ("Content-Encoding: IDENTITY", "is_encoded", False),
        ("Content-Encoding: ", "is_encoded", False),
        ("", "is_encoded", False),
        ("Content-Length: 12", "length", 12),
        ("Content-Length: 12", "is_delimited", True),
        ("Transfer-Encoding: chunked", "length", None),
        ("Transfer-Encoding: chunked", "is_delimited", True),
        ("", "length", None),
        ("", "is_delimited", False),
    ],
)
def test_a_header_tells(headers: str, name: str, value: object) -> None:
    lines = "\n".join(line for line in ("HTTP/1.1 206 OK", headers) if line)
    with asked(say(lines)) as (answer, _):
        assert (getattr(answer, name), answer.status, answer.is_broken) == (value, 206, False)


def test_a_header_that_is_not_there_is_empty() -> None:
    with asked(say("HTTP/1.1 200 OK\nLocation:  /next ")) as (answer, _):
        assert (answer.header("Location"), answer.header("Content-Type")) == ("/next", "")


# --- How it is read ---


def test_it_is_read_once_in_order() -> None:
    with asked(say(WHOLE, BODY), position=5) as (answer, _):
        assert read(answer, 1000) == BODY[:1000]
        assert (answer.position, answer.is_broken) == (1005, False)
        answer.skip_to(1505)
        assert answer.position == 1505
        answer.skip_to(1505)
        assert read(answer, SIZE - 1500) == BODY[1500:]
        assert answer.position == SIZE + 5


def test_what_is_peeked_at_is_read_again() -> None:
    with asked(say(WHOLE, BODY), position=5) as (answer, _):
        assert answer.peek(5000) == BODY[:5000]
        assert answer.position == 5
        assert read(answer, 10) == BODY[:10]
        assert read(answer, SIZE - 10) == BODY[10:]
        assert answer.position == SIZE + 5
        assert answer.peek(10) == b""


def test_no_more_than_there_is_can_be_peeked_at_or_read() -> None:
    with asked(say("HTTP/1.1 200 OK\nContent-Length: 3", b"abcdef"), position=5) as (answer, _):
        assert answer.peek(10) == b"abc"
        assert read(answer, 5) == b"abc\0\0"
        assert (answer.position, answer.is_broken) == (8, False)


def test_each_byte_counts_once_for_its_pace() -> None:
    watch = Counting(Deadline(60), PROMPT)
    with asked(say(WHOLE, BODY), watch=watch) as (answer, _):
        answer.peek(500)
        read(answer, 400)
        answer.skip_to(1000)
        read(answer, 200)
    assert (watch.counted, watch.skipped) == (400 + 200, 600)


def test_the_first_bytes_are_kept_of_a_slow_host_and_a_fast_one_gives_many_at_once() -> None:
    """A read that breaks off loses what it has: a slow host's are small, however fast it was before."""
    halfway = 300 * KIB

    def pausing(connection: socket.socket, _: str) -> None:
        say(WHOLE, BODY[:halfway])(connection, "")
        time.sleep(0.5)
        connection.sendall(BODY[halfway:])

    with asked(pausing) as (_, response):
        received: Any = response.connection
        sizes = note_reads(received.received)
        answer = Answer(response, Watch(Deadline(60), PROMPT), 0)
        assert read(answer, SIZE) == BODY
    kib = [size / KIB for size in sizes]
    assert kib[:5] == [1, 4, 16, 64, 256]
    slow = kib.index(1, 1)
    assert kib[slow : slow + 3] == [1, 4, 16]
    assert max(kib) == 256


def note_reads(body: Any) -> list[int]:
    """Return a list that the size of each read is added to."""
    sizes: list[int] = []
    readinto = body.readinto

    def noted(view: memoryview) -> int:
        sizes.append(len(view))
        count: int = readinto(view)
        return count

    body.readinto = noted
    return sizes


# --- What becomes of its connection ---


def test_the_connection_is_kept_where_all_was_read() -> None:
    with asked(say(WHOLE, BODY)) as (answer, response):
        connection: Any = response.connection
        opened = connection.sock
        read(answer, SIZE - 1)
        assert response.connection
        read(answer, 1)
        assert not response.connection
        assert opened.fileno() >= 0


def test_the_connection_is_closed_where_the_rest_is_not_wanted() -> None:
    with asked(say(WHOLE, BODY)) as (answer, response):
        connection: Any = response.connection
        opened = connection.sock
        read(answer, 10)
        answer.close()
        assert opened.fileno() == -1


BROKEN = {
    "less than announced": say(f"HTTP/1.1 200 OK\nContent-Length: {SIZE}", BODY[:2000]),
    "half a chunk": say("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"7d0\r\n" + BODY[:1000]),
    "no chunk": say("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"7d0\r\n" + BODY[:2000] + b"\r\nzz\r\n"),
}


@pytest.mark.parametrize("talk", BROKEN.values(), ids=BROKEN.keys())
def test_the_connection_is_closed_at_once_where_it_broke(talk: Talk) -> None:
    with asked(talk) as (answer, response):
        connection: Any = response.connection
        opened, buffer = connection.sock, bytearray(SIZE)
        with pytest.raises(HostTrouble) as trouble:
            answer.fill(memoryview(buffer))
        assert trouble.value.code in {"truncated", "connection_failed"}
        assert answer.is_broken
        assert opened.fileno() == -1
        assert buffer[: answer.position] == BODY[: answer.position]


def test_a_body_that_ends_too_early_is_told() -> None:
    with asked(BROKEN["less than announced"]) as (answer, _), pytest.raises(HostTrouble) as trouble:
        read(answer, SIZE)
    assert (trouble.value.code, trouble.value.message) == ("truncated", SENTENCES["truncated"])
    assert answer.position == 2000
