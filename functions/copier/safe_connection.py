"""Connections to hosts that nobody vouches for: to public addresses only, and never for long without bytes."""

import io
import socket
import ssl
import time
from contextlib import suppress
from functools import cache
from http.client import HTTP_PORT, HTTPS_PORT, HTTPConnection, HTTPResponse
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any

from copier.patience import Deadline, HostTrouble, Patience
from shared.errors import VideoRefused

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from urllib3.util import Url

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


@cache
def trusted_authorities() -> ssl.SSLContext:
    """Return the TLS settings; loading the authorities' certificates takes time, so once."""
    return ssl.create_default_context()


class SafeConnection(HTTPConnection):
    """One connection to the host of `url`, made anew by itself where it was closed.

    Raises VideoRefused for a host without a public address, HostTrouble for one that is too slow,
    and http.client's and the socket's own errors. It knows no proxies, cookies, redirects or decompression.
    """

    def __init__(self, url: "Url", patience: Patience, deadline: Deadline, *, allow_insecure: bool) -> None:
        """Prepare a connection; nothing is looked up yet."""
        is_https = url.scheme == "https"
        self.default_port = HTTPS_PORT if is_https else HTTP_PORT  # the Host header, which may be signed, omits it
        super().__init__((url.host or "").strip("[]"), url.port)
        self._tls = trusted_authorities() if is_https else None
        self._patience = patience
        self._deadline = deadline
        self._allow_insecure = allow_insecure
        self._wire: socket.socket | None = None

    def connect(self) -> None:
        """Connect to the first address that answers; http.client calls this when it needs a socket."""
        seconds = min(self._patience.connect_seconds, self._deadline.left())
        plain = self._connect_publicly(seconds)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host) if self._tls else plain
        self._wire = self.sock

    def response_class(self, sock: socket.socket, *args: Any, **kwargs: Any) -> HTTPResponse:  # type: ignore[override]  # noqa: ANN401 - http.client's
        """Make the response; everything that the host says, headers included, is read at our pace."""
        response = HTTPResponse(sock, *args, **kwargs)
        reader = _PacedReader(response.fp.detach(), sock, self._patience, self._deadline)
        response.fp = io.BufferedReader(reader)
        return response

    def abort(self) -> None:
        """Wake whoever reads from this connection in another thread; it reads the end."""
        if self._wire:
            with suppress(OSError):
                socket.socket.shutdown(self._wire, socket.SHUT_RDWR)  # SSLSocket's own would race with the reader

    def _connect_publicly(self, seconds: float) -> socket.socket:
        failure: OSError | None = None
        for family, kind, protocol, _, address in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM):
            if not self._allow_insecure and not is_public(str(address[0])):
                continue
            candidate = socket.socket(family, kind, protocol)
            try:
                candidate.settimeout(seconds)
                candidate.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                candidate.connect(address)
                self.check_peer(candidate)
            except OSError as error:
                failure = error
            except VideoRefused:
                candidate.close()
                raise
            else:
                return candidate
            candidate.close()
        raise failure or _not_public()

    def check_peer(self, connected: socket.socket) -> None:
        """Check whom a socket is connected to: what a name means may change between two look-ups."""
        if not self._allow_insecure and not is_public(str(connected.getpeername()[0])):
            raise _not_public()


class _PacedReader(io.RawIOBase):
    """Reads a socket, and gives up where it is silent or too slow for too long."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, patience: Patience, deadline: Deadline) -> None:
        self._raw = raw
        self._sock = sock
        self._patience = patience
        self._deadline = deadline
        self._window_start = time.monotonic()
        self._bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int | None:
        self._sock.settimeout(min(self._patience.silence_seconds, self._deadline.left()))
        count = self._raw.readinto(buffer)
        self._bytes += count or 0
        self._check_pace()
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()

    def _check_pace(self) -> None:
        seconds = time.monotonic() - self._window_start
        if seconds < self._patience.window_seconds:
            return
        if self._bytes < seconds * self._patience.least_bytes_per_second:
            raise HostTrouble(
                "too_slow",
                f"The video host sent less than {self._patience.least_bytes_per_second} bytes a second.",
            )
        self._window_start += seconds
        self._bytes = 0


def is_public(address: str) -> bool:
    """Tell whether an IP address is reachable for everybody, and nobody's private or loopback address in disguise."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        embedded = ip.ipv4_mapped or (IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if embedded is None:
            return ip.is_global and ip in _GLOBAL_UNICAST
        ip = embedded
    return ip.is_global and not ip.is_multicast


def _not_public() -> VideoRefused:
    return VideoRefused(
        "address_not_public",
        "The video URL leads to an address that is not public, so it was not fetched. If CometAPI itself returned "
        "this URL, ask its support; only a local test may set AllowInsecureVideoUrls.",
    )
