"""CometAPI and as much of AWS as the functions talk to, in one process over TLS: quick, and with a table that counts.

Whoever measures loads tasks by `POST /control/load` and asks what happened by `POST /control/report`.
"""

import asyncio
import contextlib
import hashlib
import json
import ssl
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from tests.simulation.dynamodb import ConditionalCheckFailedException, DynamoDB, Staleness, Store

if TYPE_CHECKING:
    from collections.abc import Callable

AWS_SECONDS: Final = 0.005
"""How long AWS takes for an answer."""
API_KEY: Final = "sk-benchmark"
_REPORT: Final = (
    b'{"id": "%s", "object": "video", "model": "doubao-seedance-2-0-fast", "status": "IN_PROGRESS", "progress": %d, '
    b'"created_at": 1776567610, "completed_at": null}'
)
_SUCCESS: Final = (
    b'{"id": "%s", "object": "video", "model": "doubao-seedance-2-0-fast", "status": "SUCCESS", "progress": 100, '
    b'"created_at": 1776567610, "completed_at": 1776567910, "video_url": '
    b'"https://127.0.0.1/video.mp4?X-Tos-Expires=86400&X-Tos-Signature=0123456789abcdef0123456789abcdef"}'
)
_HEAD: Final = (
    b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nX-Cometapi-Request-Id: 2026041900000000000000static\r\n"
    b"Content-Length: %d\r\nDate: Sun, 19 Apr 2026 03:00:10 GMT\r\nServer: static\r\n\r\n"
)
_PUBLISHED: Final = b"<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"
_END_OF_HEAD: Final = b"\r\n\r\n"

type Reply = tuple[bytes, bytes]
"""A status line's end, and a body."""


@dataclass(slots=True)
class World:
    """What whoever measures has loaded, and what happened since; times in epoch seconds."""

    latency: float = 0.0
    answers: bytes = b""
    """A report for all, of a task that does not move; empty where each question moves it."""
    store: Store = field(default_factory=Store)
    done_at: dict[str, float] = field(default_factory=dict)
    progress: dict[str, int] = field(default_factory=dict)
    polls: int = 0
    writes: int = 0
    written_at: list[float] = field(default_factory=list)
    handed_off_at: dict[str, float] = field(default_factory=dict)
    published: int = 0

    def load(self, *, latency: float, items: list[dict[str, Any]], done_at: dict[str, float]) -> None:
        """Forget everything, and hold these items; CometAPI answers after `latency` seconds."""
        self.__init__(latency=latency, done_at=done_at)  # type: ignore[misc]  # all of it is forgotten
        for item in items:
            self.store.put(item["task_id"]["S"], item)

    def report(self) -> dict[str, Any]:
        """Tell what happened since the tasks were loaded."""
        return {
            "polls": self.polls,
            "writes": self.writes,
            "written_at": self.written_at[-1:],
            "handed_off_at": self.handed_off_at,
            "published": self.published,
            "pending": len(self.store.pending),
        }

    def comet_api(self, task_id: str) -> bytes:
        """Answer a question; the task has got on since the last one."""
        self.polls += 1
        done_at = self.done_at.get(task_id)
        if done_at is not None and time.time() >= done_at:
            return _SUCCESS % task_id.encode()
        self.progress[task_id] = progress = min(99, self.progress.get(task_id, 0) + 1)
        return _REPORT % (task_id.encode(), progress)


class Aws:
    """The requests by their target: service and operation."""

    def __init__(self, world: World) -> None:
        """Answer from the world."""
        self._world = world
        self._operations: dict[str, Callable[[dict[str, Any]], Any]] = {
            "DynamoDB_20120810.Scan": self._scan,
            "DynamoDB_20120810.GetItem": self._get,
            "DynamoDB_20120810.UpdateItem": self._update,
            "AmazonSQS.SendMessage": self._send,
            "AmazonSQS.SendMessageBatch": self._send_batch,
            "AmazonSSM.GetParameter": lambda _: {
                "Parameter": {"Name": "key", "Type": "SecureString", "Value": API_KEY}
            },
        }

    def answer(self, target: str, body: bytes) -> Reply:
        """Do what was asked for."""
        try:
            return b"200 OK", json.dumps(self._operations[target](json.loads(body))).encode()
        except ConditionalCheckFailedException as error:
            kind = {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "failed"}
            return b"400 Bad Request", json.dumps(kind | {"Item": error.response.get("Item", {})}).encode()

    def _table(self) -> DynamoDB:
        return DynamoDB(self._world.store, staleness=Staleness(page_size=1_000_000))

    def _scan(self, request: dict[str, Any]) -> Any:
        known = ("TableName", "IndexName", "Segment", "TotalSegments", "Select")
        (page,) = self._table().paginate(**{name: request[name] for name in known if name in request})
        return page | {"ScannedCount": page["Count"]}

    def _get(self, request: dict[str, Any]) -> Any:
        return self._table().get_item(**request)

    def _update(self, request: dict[str, Any]) -> Any:
        self._world.writes += 1
        self._table().update_item(**request)
        self._world.written_at.append(time.time())
        return {}

    def _send(self, request: dict[str, Any]) -> Any:
        body = request["MessageBody"]
        task_id = json.loads(body).get("task_id")
        if task_id:
            self._world.handed_off_at.setdefault(task_id, time.time())
        return {"MessageId": "1", "MD5OfMessageBody": _md5(body)}

    def _send_batch(self, request: dict[str, Any]) -> Any:
        entries = request["Entries"]
        sent = [{"Id": e["Id"], "MessageId": e["Id"], "MD5OfMessageBody": _md5(e["MessageBody"])} for e in entries]
        return {"Successful": sent, "Failed": []}


class Answers(asyncio.Protocol):
    """One connection; questions on it come one after the other."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._aws = Aws(world)
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._buffer += data
        while _END_OF_HEAD in self._buffer:
            head, _, rest = self._buffer.partition(_END_OF_HEAD)
            first, *lines = head.split(b"\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
            length = int(headers.get(b"content-length", b"0"))
            if len(rest) < length:
                return
            body, self._buffer = rest[:length], rest[length:]
            self._answer(first.split(b" ")[1].decode(), headers, body)

    def _answer(self, path: str, headers: dict[bytes, bytes], body: bytes) -> None:
        seconds = AWS_SECONDS
        if path.startswith("/v1/videos/"):
            reply, seconds = (b"200 OK", self._world.comet_api(path.rpartition("/")[2])), self._world.latency
        elif path == "/control/load":
            self._world.load(**json.loads(body))
            reply = b"200 OK", b"{}"
        elif path == "/control/report":
            reply = b"200 OK", json.dumps(self._world.report()).encode()
        elif target := headers.get(b"x-amz-target"):
            reply = self._aws.answer(target.decode(), body)
        else:
            assert dict(parse_qsl(body.decode()))["Action"] == "Publish"
            self._world.published += 1
            reply = b"200 OK", _PUBLISHED
        status, content = reply
        answer = _HEAD % (status, len(content)) + content
        asyncio.get_running_loop().call_later(seconds, self._transport.write, answer)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


async def serve(shown: str, key: str) -> None:
    """Listen on loopback, print the base URL, and answer until the process is told to stop."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(shown, key)
    world = World()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answers(world), "127.0.0.1", 0, backlog=1024, ssl=tls)
    host, port = server.sockets[0].getsockname()
    print(f"https://{host}:{port}", flush=True)  # noqa: T201 - the parent reads it
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(*sys.argv[1:]))
