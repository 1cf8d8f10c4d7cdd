"""Connections to hosts that nobody vouches for: urllib3's own, but to public addresses only, and for one target."""

import logging
import socket
import ssl
import time
from functools import cache
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from copier.video_url import VideoUrl, is_public
from shared.errors import CopyInterrupted
from shared.wire import open_socket, receive

if TYPE_CHECKING:
    from copier.watch import Watch

_CONNECT_TIMES = 3
"""A name may have any number of silent addresses; so many are waited for."""
_PULSE_SECONDS = 0.1
"""The longest wait for a byte before the watch is asked again."""

logging.getLogger("urllib3.connection").disabled = True  # its warnings quote headers, and a Location may be signed


@cache
def trusted_authorities() -> ssl.SSLContext:
    """Return the TLS settings; loading the authorities' certificates takes time, so once."""
    return ssl.create_default_context()


class Connection(HTTPConnection):
    """One connection to a stranger. It asks for `target`, byte for byte, where urllib3 would mend what was signed.

    Raises CopyInterrupted for a host without a public address, what `watch` raises, and urllib3's own errors.
    """

    received: HTTPResponse
    """The last answer, as http.client has it."""

    def __init__(self, *, target: str, allow_insecure: bool, watch: "Watch", **more: Any) -> None:  # noqa: ANN401 - urllib3's
        super().__init__(**more)
        self._target = target
        self._allow_insecure = allow_insecure
        self._watch = watch

    def putrequest(self, method: str, url: str, **more: Any) -> None:  # type: ignore[override]  # noqa: ANN401, ARG002 - http.client's
        """Begin a request for the target, whatever `url` is."""
        super().putrequest(method, self._target, **more)

    def response_class(self, sock: socket.socket, **_: Any) -> HTTPResponse:  # type: ignore[override]  # noqa: ANN401 - http.client's
        """Return an answer that is read through a wire, from its first line on."""
        self.received = receive(sock, self._patience)
        return self.received

    def _patience(self, silent_seconds: float) -> float:
        self._watch.check()
        if silent_seconds > self._watch.patience.silence_seconds:
            raise TimeoutError
        return _PULSE_SECONDS

    def _new_conn(self) -> socket.socket:
        failure: Exception = _not_public()
        timeout: Any = self.timeout
        give_up = time.monotonic() + _CONNECT_TIMES * timeout
        try:
            for *_, address in socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM):
                if self._may_reach(address) and time.monotonic() < give_up:
                    try:
                        return self._open(address, timeout)
                    except OSError as error:  # also where this machine knows no such addresses at all
                        failure = error
            raise failure
        finally:
            del failure  # its traceback leads here, and to all that was received

    def _open(self, address: Any, timeout: float) -> socket.socket:  # noqa: ANN401 - the socket module's
        connected = open_socket(address, min(timeout, self._watch.check()))
        if not self._may_reach(connected.getpeername()):  # however the look-up was fooled
            connected.close()
            raise _not_public()
        return connected

    def _may_reach(self, address: tuple[Any, ...]) -> bool:
        return self._allow_insecure or is_public(str(address[0]))


class TlsConnection(Connection, HTTPSConnection):
    """The same over TLS."""


def pool_for(url: VideoUrl, size: int, *, allow_insecure: bool, watch: "Watch") -> HTTPConnectionPool:
    """Return a pool that keeps up to `size` connections for requests of exactly this URL."""
    is_tls = url.scheme == "https"
    named: dict[str, Any] = {"target": url.target, "allow_insecure": allow_insecure, "watch": watch}
    if is_tls:
        named["ssl_context"] = trusted_authorities()
    pool = (HTTPSConnectionPool if is_tls else HTTPConnectionPool)(url.host, url.port, maxsize=size, **named)
    pool.ConnectionCls = TlsConnection if is_tls else Connection
    return pool


def _not_public() -> CopyInterrupted:
    return CopyInterrupted(
        "address_not_public",
        "The video URL leads to an address that is not public, so it was not fetched. If CometAPI itself returned "
        "this URL, ask its support; only a local test may set AllowInsecureVideoUrls.",
    )
