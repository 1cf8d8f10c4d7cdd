"""The video host: a stranger behind a signed URL, trusted in nothing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from socket import socket
from urllib.parse import urljoin, urlsplit

import urllib3
from shared.errors import CopyInterrupted, VideoRefused
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

_MOST_REDIRECTS = 3
_CHUNK = 256 * 1024
_TIMEOUT = urllib3.Timeout(connect=5.0, read=15.0)
_SLOWEST_BYTES_PER_SECOND = 64 * 1024
_GRACE_SECONDS = 30.0
_EXPIRED = {403, 404, 410}
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "seedance-poller"}


class UrlExpired(CopyInterrupted):
    """The host no longer serves this URL; a fresh one may work."""


@dataclass(frozen=True, slots=True)
class Video:
    """An open video; `length` in bytes, None where the host did not say."""

    content_type: str
    length: int | None
    _response: urllib3.BaseHTTPResponse = field(repr=False)

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes as they come; raises CopyInterrupted where they stop, drip, or are too few."""
        started, received = time.monotonic(), 0
        try:
            while chunk := self._response.read1(_CHUNK):
                received += len(chunk)
                seconds = time.monotonic() - started
                if seconds > _GRACE_SECONDS and received < seconds * _SLOWEST_BYTES_PER_SECOND:
                    raise CopyInterrupted("too_slow", "The video host sends too slowly; another attempt follows.")
                yield chunk
        except (HTTPError, OSError) as error:
            raise CopyInterrupted("transport", f"The video host broke off ({type(error).__name__}).") from None
        if self.length is not None and received != self.length:
            raise CopyInterrupted("wrong_length", f"The video host announced {self.length} bytes and sent {received}.")


class _CheckedPeer(HTTPConnection):
    """Refuses to talk to an address that is not public: checked on the socket, a name may change its mind."""

    def _new_conn(self) -> socket:
        connected = super()._new_conn()
        address = ip_address(connected.getpeername()[0].partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None) or address
        if not mapped.is_global or mapped.is_multicast:
            connected.close()
            raise VideoRefused("forbidden_address", "The video URL leads to an address that is not public.")
        return connected


class _CheckedTlsPeer(HTTPSConnection, _CheckedPeer):
    """The same over TLS."""

    _new_conn = _CheckedPeer._new_conn  # noqa: SLF001


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _CheckedPeer


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _CheckedTlsPeer


class VideoSource:
    """Opens videos over https at public addresses; `allow_insecure` opens http and all addresses too."""

    def __init__(self, *, allow_insecure: bool) -> None:
        """Prepare; nothing is connected yet."""
        self._schemes = {"http", "https"} if allow_insecure else {"https"}
        self._pool = urllib3.PoolManager(retries=False, timeout=_TIMEOUT)
        if not allow_insecure:
            self._pool.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    @contextmanager
    def open(self, url: str) -> Iterator[Video]:
        """Open the video at `url`; raises UrlExpired, VideoRefused or CopyInterrupted."""
        response = self._follow(url)
        try:
            if response.status in _EXPIRED:
                raise UrlExpired("url_expired", f"The video host answered {response.status}: the URL has expired.")
            if response.status != 200:
                raise CopyInterrupted("host_status", f"The video host answered HTTP {response.status}.")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise VideoRefused("not_a_video", "The video host sends a compressed body, which no video is.")
            length = response.headers.get("Content-Length", "")
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            yield Video(kind, int(length) if length.isdecimal() else None, response)
        finally:
            response.close()

    def _follow(self, url: str) -> urllib3.BaseHTTPResponse:
        for _ in range(_MOST_REDIRECTS + 1):
            self._check(url)
            try:
                response = self._pool.request(
                    "GET", url, headers=_HEADERS, redirect=False, preload_content=False, decode_content=False
                )
            except (HTTPError, OSError) as error:
                raise CopyInterrupted(
                    "transport", f"The video host cannot be reached ({type(error).__name__})."
                ) from None
            location = response.get_redirect_location()
            if not location:
                return response
            response.close()
            url = urljoin(url, location)
        raise VideoRefused("too_many_redirects", f"The video host redirects more than {_MOST_REDIRECTS} times.")

    def _check(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            raise VideoRefused("bad_url", "The video URL cannot be read.") from None
        if parts.scheme not in self._schemes or not has_host:
            raise VideoRefused("bad_url", "The video URL is not an https URL.")
        if parts.username or parts.password:
            raise VideoRefused("bad_url", "The video URL holds a user name or password.")
