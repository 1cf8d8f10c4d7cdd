"""One HTTP answer of a video host, read raw."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Self

from copier.patience import HostTrouble

if TYPE_CHECKING:
    from urllib3.util import Url

    from copier.safe_connection import SafeConnection

_CONTENT_RANGE = re.compile(r"\s*bytes\s+(\d{1,18})-(\d{1,18})/(\d{1,18})\s*", re.ASCII | re.IGNORECASE)
_STRONG_ETAG = re.compile(r'"[!#-~]*"')
_DATE = re.compile(r"[ -~]+")


class Answer:
    """An answer whose body can be read once; closing it keeps the connection, where nothing is left unread."""

    def __init__(self, response: HTTPResponse, connection: "SafeConnection", idle: "list[SafeConnection]") -> None:
        """Read `response` of `connection`, which joins `idle` in the end."""
        self._response = response
        self._connection = connection
        self._idle = idle
        self._is_closed = False
        self._peeked = b""
        self.was_used = False
        self.status = response.status
        self.length = response.length
        """What the host announces in bytes; None where it does not."""

    @classmethod
    def ask(
        cls, connection: "SafeConnection", url: "Url", headers: dict[str, str], idle: "list[SafeConnection]"
    ) -> "Answer":
        """Send a GET and receive the headers; raises HostTrouble where that fails."""
        try:
            with _transport():
                connection.request("GET", url.request_uri, headers=headers)
                return cls(connection.getresponse(), connection, idle)
        except BaseException:
            connection.close()
            idle.append(connection)
            raise

    def __enter__(self) -> Self:
        self.was_used = True
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back, once."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._response.length or not self._response.isclosed():  # it counts as closed where it broke off, too
            self._response.close()
            self._connection.close()
        self._idle.append(self._connection)

    def fill(self, view: memoryview) -> int:
        """Read until `view` is full or the body ends; returns the bytes read, raises HostTrouble."""
        count = min(len(self._peeked), len(view))
        view[:count] = self._peeked[:count]
        self._peeked = self._peeked[count:]
        with _transport():
            while count < len(view) and (received := self._response.readinto(view[count:])):
                count += received
        return count

    def peek(self, size: int) -> bytes:
        """Return the first `size` bytes, or all that there are; they will be read again.

        Raises HostTrouble where the body breaks off among them: what it is cannot be told from less.
        """
        head = bytearray(size)
        self._peeked = bytes(head[: self.fill(memoryview(head))])
        least = min(size, size if self.length is None else self.length)
        if len(self._peeked) < least and not self._response.chunked:
            raise HostTrouble("truncated", "The video host broke off after a few bytes.")
        return self._peeked

    def has_ended(self) -> bool:
        """Tell whether nothing follows what was read."""
        return self.fill(memoryview(bytearray(1))) == 0

    def header(self, name: str) -> str:
        """Return a header; empty where it is missing."""
        return self._response.headers.get(name, "")

    @property
    def is_encoded(self) -> bool:
        """Tell whether the body is compressed, or otherwise not the bytes themselves."""
        return self.header("Content-Encoding").strip().lower() not in {"", "identity"}

    @property
    def is_delimited(self) -> bool:
        """Tell whether HTTP itself shows where the body ends; a closed connection may be a broken one."""
        return self.length is not None or self._response.chunked

    @property
    def content_range(self) -> tuple[int, int, int] | None:
        """Return start, stop (exclusive) and total of a partial answer."""
        match = _CONTENT_RANGE.fullmatch(self.header("Content-Range"))
        return (int(match[1]), int(match[2]) + 1, int(match[3])) if match else None

    @property
    def validator(self) -> str | None:
        """Return what identifies this version of the video: a strong ETag, else its date."""
        etag, date = self.header("ETag").strip(), self.header("Last-Modified").strip()
        if _STRONG_ETAG.fullmatch(etag):
            return etag
        return date if _DATE.fullmatch(date) else None


@contextmanager
def _transport() -> Iterator[None]:
    """Turn what a network does into HostTrouble; the texts of those errors may quote the URL."""
    try:
        yield
    except (OSError, HTTPException, UnicodeError) as error:
        raise HostTrouble(
            "connection_failed",
            f"The connection to the video host failed ({type(error).__name__}).",
        ) from None
