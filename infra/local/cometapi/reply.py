"""One HTTP answer, with its lies and breakdowns, and how it gets onto the wire."""

import asyncio
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from aiohttp import web

FOREVER = 86_400.0


class Ending(StrEnum):
    """What the server does after the last byte that it sends."""

    COMPLETE = "complete"
    CLOSE = "close"
    RESET = "reset"
    STALL = "stall"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What one request is answered: chunked where `length` is None, `surplus` beyond it, no headers if `silent`."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: Iterable[bytes] = ()
    length: int | None = 0
    surplus: bytes = b""
    silent: bool = False
    delay: float = 0.0
    bytes_per_second: int | None = None
    ending: Ending = Ending.COMPLETE

    def pieces(self) -> Iterator[bytes]:
        """Cut the chunks to a tenth of a second's worth, where a pace is set."""
        size = max(1, self.bytes_per_second // 10) if self.bytes_per_second else None
        for chunk in self.chunks:
            if size is None:
                yield chunk
            else:
                yield from (chunk[start : start + size] for start in range(0, len(chunk), size))


def whole(body: bytes, *, status: int = 200, content_type: str = "application/json") -> Reply:
    """Answer honestly with all of a body."""
    return Reply(status=status, headers={"Content-Type": content_type}, chunks=(body,), length=len(body))


async def send(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Put a reply onto the wire, as honest or as broken as it is meant to be."""
    await asyncio.sleep(reply.delay)
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    if not reply.silent:
        await _send_body(request, response, reply)
    await _end(request, reply.ending)
    return response


async def _send_body(request: web.Request, response: web.StreamResponse, reply: Reply) -> None:
    if reply.length is None:
        response.enable_chunked_encoding()
    else:
        response.content_length = reply.length
    await response.prepare(request)
    for piece in reply.pieces():
        await response.write(piece)
        # A reply without an end must not starve the others on the loop.
        await asyncio.sleep(len(piece) / reply.bytes_per_second if reply.bytes_per_second else 0)
    if reply.ending is Ending.COMPLETE:
        await response.write_eof()
    if reply.surplus and request.transport is not None:
        request.transport.write(reply.surplus)


async def _end(request: web.Request, ending: Ending) -> None:
    if ending is Ending.STALL:
        await asyncio.sleep(FOREVER)
    if request.transport is None:
        return
    if ending is Ending.CLOSE:
        request.transport.close()
    if ending is Ending.RESET:
        # Lingering for zero seconds makes the kernel send RST instead of FIN.
        linger = struct.pack("ii", 1, 0)
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        request.transport.abort()
