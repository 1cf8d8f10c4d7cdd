"""Answers over real sockets: what comes in drops is read, what does not come is given up, nothing is left open."""

import socket
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from shared.wire import open_socket, receive

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
PULSE = 0.02

type Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The ends of a connection: ours, and the host's."""
    ours, hosts = socket.socketpair()
    with ours, hosts:
        yield ours, hosts


@pytest.mark.parametrize("more", [(), (0, 0)], ids=["IPv4", "of four parts, as those of IPv6 are"])
def test_a_socket_sends_what_it_is_given_at_once(more: tuple[int, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with open_socket((*address, *more), 30) as opened:
            assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert opened.gettimeout() == 30
            assert opened.getpeername() == address
    with pytest.raises(ConnectionRefusedError):
        open_socket((*address, *more), 30)


def test_an_answer_in_drops_is_read(pair: Pair) -> None:
    """The silences are counted from byte to byte, however long it takes in all."""
    ours, hosts = pair
    drops = (HEAD[:10], HEAD[10:], b"v", b"id", b"eo")
    silences: list[float] = []

    def patience(silent: float) -> float:
        silences.append(silent)
        return PULSE

    def drip() -> None:
        for drop in drops:
            time.sleep(4 * PULSE)
            hosts.sendall(drop)

    dripping = threading.Thread(target=drip)
    dripping.start()
    began = time.monotonic()
    answer = receive(ours, patience)
    answer.begin()
    assert answer.read() == b"video"
    dripping.join()
    ended = sum(later < earlier for earlier, later in pairwise(silences))
    assert ended >= len(drops) // 2, "a drop ends a silence"
    assert 0 <= min(silences) <= max(silences) < time.monotonic() - began


@pytest.mark.parametrize("sent", [b"", HEAD[:20], HEAD + b"vid"])
def test_a_host_that_falls_silent_is_given_up(pair: Pair, sent: bytes) -> None:
    ours, hosts = pair
    asked = 0

    def patience(silent: float) -> float:
        nonlocal asked
        asked += 1
        if silent > 3 * PULSE:
            raise TimeoutError
        return PULSE

    hosts.sendall(sent)
    answer = receive(ours, patience)
    with pytest.raises(TimeoutError):
        answer.begin() or answer.read()  # type: ignore[func-returns-value]
    assert asked > 1


def test_a_connection_is_open_for_as_long_as_its_answer_may_be_read(pair: Pair) -> None:
    ours, hosts = pair
    hosts.sendall(HEAD + b"video")
    answer = receive(ours, lambda _: 30.0)
    answer.begin()
    ours.close()
    hosts.setblocking(False)  # noqa: FBT003 - the socket module's
    with pytest.raises(BlockingIOError):
        hosts.recv(1)
    assert answer.read(4) == b"vide"
    answer.close()
    assert hosts.recv(1) == b""
