"""HTTP over sockets of our own: a host that sends its headers or its body in drops does not hold us up."""

import socket
import time
from collections.abc import Callable
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from typing import Any

type Patience = Callable[[float], float]
"""Tells, from the seconds of silence so far, how many to wait for another byte; raises TimeoutError to give up."""


def open_socket(address: tuple[Any, ...], seconds: float) -> socket.socket:
    """Return a socket to an address, one of `socket.getaddrinfo`'s, within `seconds`; raises OSError."""
    opened = socket.create_connection(address[:2], seconds)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


def receive(sock: socket.socket, patience: Patience) -> HTTPResponse:
    """Return the answer to a GET that is read with `patience`, from its first line on."""
    answer = HTTPResponse(sock)
    answer.fp = BufferedReader(_Wire(sock, answer.fp, patience))
    return answer


class _Wire(RawIOBase):
    """What a host sends: however little of it comes, each wait is allowed anew."""

    def __init__(self, sock: socket.socket, holder: BufferedReader, patience: Patience) -> None:
        self._sock = sock
        self._holder = holder
        self._patience = patience

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - the io module's
        began = time.monotonic()
        while True:
            self._sock.settimeout(self._patience(time.monotonic() - began))
            try:  # and no `suppress`: this runs for every 16 KB of a video
                return self._sock.recv_into(buffer)
            except TimeoutError:
                continue

    def close(self) -> None:
        self._holder.close()  # a socket stays open for as long as anybody may read from it
        super().close()
