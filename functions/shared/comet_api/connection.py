"""Connections that a frozen Lambda may keep: one that died unnoticed costs no answer, and none waits for too long."""

import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPResponse as Answer
from ssl import SSLError
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError
from urllib3.response import HTTPResponse

from shared.wire import open_socket, receive

CONNECT_SECONDS = 5.0
"""For all addresses of a name together, and the TLS handshake."""

_LEAST_SECONDS = 0.001
"""Zero would be no time-out but a socket that never waits."""


class Connection(HTTPConnection):
    """Asks again at once, on a new socket, what one that had answered before was asked in vain.

    What breaks off without a byte of an answer was most likely dead before it was asked. Time-outs are not urllib3's:
    each bounds the whole of what it is for, be that in drops, and not a pause.
    """

    _has_answered = False

    def connect(self) -> None:
        """Open a socket, which has yet to prove itself."""
        self._has_answered = False
        super().connect()

    def request(self, *question: Any, **options: Any) -> None:  # noqa: ANN401 - urllib3's, handed on as they are
        """Send a question."""
        self._question = question, options
        try:
            super().request(*question, **options)
        except (ConnectionError, SSLError) as error:
            timeout: Any = self.timeout
            self._ask_anew(error, timeout)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's differs from http.client's
        """Return the answer as soon as its head is there; the rest has to come in time, too."""
        self._ends_at = _end(self.timeout)
        try:
            response = super().getresponse()
        except (ConnectionError, SSLError) as error:
            self._ask_anew(error, _left(self._ends_at))
            response = super().getresponse()
        self._has_answered = True
        return response

    def response_class(self, sock: socket.socket, **_: Any) -> Answer:  # type: ignore[override]  # noqa: ANN401 - http.client's
        """Return an answer that is given up at its end, however it comes."""
        ends_at = self._ends_at
        return receive(sock, lambda _: _left(ends_at))

    def _new_conn(self) -> socket.socket:
        ends_at = _end(self.timeout)
        try:
            addresses = socket.getaddrinfo(self._dns_host, self.port, 0, socket.SOCK_STREAM)
            return _open([address for *_, address in addresses], ends_at)
        except (OSError, UnicodeError) as error:  # the look-up's, of a name that can be none
            raise NewConnectionError(self, type(error).__name__) from error

    def _ask_anew(self, error: OSError, seconds: float) -> None:
        """Ask on a socket that is new within `seconds`; raises `error` where the one that gave it was new."""
        if not self._has_answered:
            raise error
        self.close()
        self.timeout = min(CONNECT_SECONDS, seconds)
        self.connect()
        question, options = self._question
        super().request(*question, **options)


class SecureConnection(Connection, HTTPSConnection):
    """The same over TLS."""


def _open(addresses: Sequence[Any], ends_at: float) -> socket.socket:
    """Return a socket to the first address that answers; silent ones before it have their shares of the time."""
    *others, last = addresses
    for number, address in enumerate(others):
        with suppress(OSError):
            return _connected(address, _left(ends_at) / (len(addresses) - number), ends_at)
    return _connected(last, _left(ends_at), ends_at)


def _connected(address: Any, seconds: float, ends_at: float) -> socket.socket:  # noqa: ANN401 - the socket module's
    connected = open_socket(address, seconds)
    connected.settimeout(max(_LEAST_SECONDS, ends_at - time.monotonic()))  # for the TLS handshake as a whole
    return connected


def _end(seconds: Any) -> float:  # noqa: ANN401 - urllib3 allows for none, and is always given some
    return time.monotonic() + float(seconds)


def _left(ends_at: float) -> float:
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
