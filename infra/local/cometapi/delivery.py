"""One request for a video, and the honest answer to it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Self

from infra.local.cometapi.footage import Footage
from infra.local.cometapi.reply import Reply, whole

ERROR_XML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message>'
    "<RequestId>021776567610simulated</RequestId></Error>"
)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One request for a video: the bytes that it asked for, and which request for this video it is, from 1."""

    footage: Footage
    start: int
    stop: int
    ranged: bool
    attempt: int
    modified: float
    url: str
    moved_url: str
    one_time_url: str
    has_range: bool
    """Asked for a range, be it one of this version or not."""

    def headers(self) -> dict[str, str]:
        """Return the headers of an honest answer."""
        headers = {
            "Content-Type": "video/mp4",
            "Accept-Ranges": "bytes",
            "ETag": self.footage.etag,
            "Last-Modified": formatdate(self.modified, usegmt=True),
        }
        if self.ranged:
            headers["Content-Range"] = f"bytes {self.start}-{self.stop - 1}/{self.footage.size}"
        return headers

    def reply(self) -> Reply:
        """Return the honest answer."""
        chunks = self.footage.chunks(self.start, self.stop)
        length = self.stop - self.start
        return Reply(status=206 if self.ranged else 200, headers=self.headers(), chunks=chunks, length=length)

    def part(self, length: int) -> Iterator[bytes]:
        """Yield the first bytes only."""
        return self.footage.chunks(self.start, self.start + length)

    def unranged(self) -> Self:
        """Return the same request without its range."""
        return replace(self, start=0, stop=self.footage.size, ranged=False)

    @property
    def half(self) -> int:
        """Return half the length asked for."""
        return (self.stop - self.start) // 2


def error_xml(status: int, code: str, message: str) -> Reply:
    """Refuse in the words of an object store."""
    body = ERROR_XML.format(code=code, message=message).encode()
    return whole(body, status=status, content_type="application/xml")
