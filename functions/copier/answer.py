"""One answer of a video host, whose words are not believed."""

import re
import time
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any

from urllib3.exceptions import HTTPError

from copier.watch import HostTrouble, Watch

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

TROUBLES = (HTTPError, OSError, HTTPException, UnicodeError)
"""What a network does, as urllib3 and the standard library tell it."""

_HEADERS = ("Content-Encoding", "Content-Range", "ETag", "Last-Modified")
_CONTENT_RANGE = re.compile(r"\s*bytes\s+(\d{1,18})-(\d{1,18})/(\d{1,18})\s*", re.ASCII | re.IGNORECASE)
_STRONG_ETAG = re.compile(r'"[!#-~]*"')
_DATE = re.compile(r"[ -~]+")
_LEAST_BYTES, _MOST_BYTES = 1024, 256 * 1024
"""Read at once from a host that is slow, of which every few bytes are kept if it breaks off, and from a fast one."""
_FAST_SECONDS = 0.1


class Answer:
    """An answer whose body is read once, in order.

    Its connection is kept where all of it was read, and closed where nobody wants the rest any more.
    """

    def __init__(self, response: "BaseHTTPResponse", watch: Watch, position: int) -> None:
        """Read `response`, whose body begins at byte `position` of a video."""
        connection: Any = response.connection
        self._response = response
        self._body: HTTPResponse = connection.received  # urllib3 would copy every byte once more
        self._watch = watch
        self._peeked = b""
        self._size = _LEAST_BYTES
        self.is_broken = False
        self.position = position
        """Where in the video the next byte belongs."""
        self.status = response.status
        self.length: int | None = response.length_remaining
        """What the host announces in bytes; None where it does not."""
        encoding, place, etag, date = (self.header(name) for name in _HEADERS)
        self.is_encoded = encoding.lower() not in {"", "identity"}
        """The body is compressed, or otherwise not the bytes themselves."""
        placed = _CONTENT_RANGE.fullmatch(place)
        self.content_range = (int(placed[1]), int(placed[2]) + 1, int(placed[3])) if placed else None
        """Start, stop (exclusive) and total of a partial answer."""
        self.validator = etag if _STRONG_ETAG.fullmatch(etag) else date if _DATE.fullmatch(date) else None
        """What identifies this version of the video: a strong ETag, else its date."""

    @property
    def is_delimited(self) -> bool:
        """Tell whether HTTP itself shows where the body ends; a closed connection may be a broken one."""
        return self.length is not None or self._response.chunked

    def close(self) -> None:
        """Be done with it."""
        self._response.close()

    def fill(self, view: memoryview) -> None:
        """Read until `view` is full or the body ends; raises HostTrouble, and what the watch raises.

        What has arrived before is in `view` then, as far as `position` says.
        """
        while count := self._read(view):
            view = view[count:]
            self._watch.count(count)

    def skip_to(self, position: int) -> None:
        """Read on to a position without keeping anything."""
        scrap = memoryview(bytearray(_MOST_BYTES))
        while count := self._read(scrap[: position - self.position]):
            self._watch.skip(count)

    def peek(self, size: int) -> bytes:
        """Return the first `size` bytes, or all that there are; they will be read again."""
        head, start = bytearray(size), self.position
        while self._read(memoryview(head)[self.position - start :]):
            pass
        self._peeked = bytes(head[: self.position - start])
        self.position = start
        return self._peeked

    def header(self, name: str) -> str:
        """Return a header; empty where it is missing."""
        return self._response.headers.get(name, "").strip()

    def _read(self, view: memoryview) -> int:
        """Read some bytes, and return how many; 0 where `view` is full or the body has ended."""
        if not view:
            return 0
        if self._peeked:
            count = min(len(self._peeked), len(view))
            view[:count], self._peeked = self._peeked[:count], self._peeked[count:]
        else:
            started, self.is_broken = time.monotonic(), True
            try:
                count = self._body.readinto(view[: self._size])
                if not count and self._body.length:
                    raise HostTrouble("truncated", "The video host broke off before the end of what it announced.")
                self.is_broken = False
            except TROUBLES as error:
                raise trouble_of(error) from None
            finally:
                if self.is_broken:
                    self.close()
                elif self._body.isclosed():
                    self._response.release_conn()
            is_fast = time.monotonic() - started < _FAST_SECONDS
            self._size = min(4 * self._size, _MOST_BYTES) if is_fast else _LEAST_BYTES
        self.position += count
        return count


def trouble_of(error: Exception) -> HostTrouble:
    """Return what one of TROUBLES is for a copy; it holds on to nothing, and its text does not quote the URL."""
    cause = next((nested for nested in error.args if isinstance(nested, Exception)), error)
    chain: BaseException | None = error
    while chain:  # urllib3's errors lead to themselves, and to all that was received
        chain.__traceback__ = None
        chain = chain.__context__
    return HostTrouble("connection_failed", f"The connection to the video host failed ({type(cause).__name__}).")
