"""A CometAPI that does the least a server can: each request is answered at once that its task renders."""

import asyncio
import contextlib
from typing import Final

_BODY: Final = (
    b'{"id": "%s", "object": "video", "model": "doubao-seedance-2-0-fast", "status": "IN_PROGRESS", "progress": 45, '
    b'"created_at": 1776567610, "completed_at": null}'
)
_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Cometapi-Request-Id: 2026041900000000000000static\r\n"
    b"Content-Length: %d\r\nDate: Sun, 19 Apr 2026 03:00:10 GMT\r\nServer: static\r\n\r\n"
)
_END_OF_REQUEST: Final = b"\r\n\r\n"
_LONGEST_REQUEST: Final = 16 * 1024


class StaticAnswers(asyncio.Protocol):
    """Answers `GET /v1/videos/{id}`; whoever sends anything else is cut off."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start with an empty buffer."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._buffer += data
        while _END_OF_REQUEST in self._buffer:
            request, _, self._buffer = self._buffer.partition(_END_OF_REQUEST)
            path = request.split(b" ", 2)[1]
            body = _BODY % path.rpartition(b"/")[2]
            self._transport.write(_HEAD % len(body) + body)
        if len(self._buffer) > _LONGEST_REQUEST:
            self._transport.abort()


async def serve() -> None:
    """Listen on loopback, print the base URL, and answer until the process is told to stop."""
    server = await asyncio.get_running_loop().create_server(StaticAnswers, "127.0.0.1", 0, backlog=1024)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}", flush=True)  # noqa: T201 - the parent reads it
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())
