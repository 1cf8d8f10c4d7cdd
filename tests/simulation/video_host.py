"""Hosts of videos, and CometAPI's content route: everything of the Copier is real but its sockets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from urllib3.exceptions import ProtocolError

from tests.simulation.renders import Kind, Render

if TYPE_CHECKING:
    from copier.video_url import VideoUrl
    from tests.simulation.world import World

NO_VIDEO = b"<html>Sorry</html>"
_API = "api.example.com"
_UNUSUAL = 6
"""Every so many tasks have a host that takes ranges in the same way."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A body that ends too early, with an error or without."""

    breaks_at: int
    is_silent: bool


class Response:
    """One answer, as urllib3 gives it, and its body, as http.client has it."""

    chunked = False

    def __init__(self, status: int, headers: dict[str, str], body: bytes, fault: "Fault | None" = None) -> None:
        self.status = status
        self.headers = headers
        self.length_remaining: int | None = len(body)
        self._body = body
        self._position = 0
        self._fault = fault
        if fault and fault.is_silent and status == 200:
            self.length_remaining = None  # HTTP/1.0: the body ends where the connection does, whatever the reason
        self.length = self.length_remaining
        self.connection = SimpleNamespace(received=self)

    def readinto(self, view: memoryview) -> int:
        stop = min(self._fault.breaks_at, len(self._body)) if self._fault else len(self._body)
        part = self._body[self._position : min(stop, self._position + len(view))]
        view[: len(part)] = part
        self._position += len(part)
        if self.length is not None:
            self.length -= len(part)
        return len(part)

    def isclosed(self) -> bool:
        return False

    def close(self) -> None:
        self._position = len(self._body)


class Pool:
    """Stands in for the pool of connections for one URL; records where keys go."""

    def __init__(self, world: "World", url: "VideoUrl") -> None:
        self._world = world
        self._url = url

    def urlopen(self, method: str, _: str, *, headers: Mapping[str, str], **__: Any) -> Response:
        assert method == "GET"
        world, url = self._world, self._url
        path = url.target.partition("?")[0]
        is_content = url.host == _API and path.endswith("/content")
        if "Authorization" in headers and not (is_content and url.scheme == "https" and url.port == 443):
            world.invariants.fail("the key goes to CometAPI alone", f"{url.host}{path}")
        if not is_content and (seconds := world.renders[path.strip("/")].host_seconds):
            is_first = headers.get("Range", "bytes=0-").startswith("bytes=0-")
            world.scheduler.pause(seconds if is_first else 0.0)
        answer = self._content if is_content else self._video
        return world.call(f"GET {url.host}{path}", lambda: answer(path, headers), _broken)

    def close(self) -> None:
        """Nothing is open."""

    def _content(self, path: str, headers: Mapping[str, str]) -> Response:
        """Give out the bytes, or a redirect to a signed URL, or say that it is early."""
        world = self._world
        render = world.renders[path.split("/")[-2]]
        refusal = world.gateway.may_have_content(headers.get("Authorization", "").removeprefix("Bearer "))
        if refusal:
            return Response(*refusal)
        if not render.is_ready(world.scheduler.now):
            return Response(404 if world.random.random() < 0.5 else 425, {}, b"")
        if world.random.random() < 0.5:
            return Response(302, {"Location": world.url_of(render)}, b"")
        return self._body(render, headers)

    def _video(self, path: str, headers: Mapping[str, str]) -> Response:
        world = self._world
        render = world.renders[path.strip("/")]
        issued = float(parse_qs(urlsplit(self._url.target).query)["issued"][0])
        if world.scheduler.now - issued > world.weather.url_seconds:
            return Response(403, {}, b"expired")
        return self._body(render, headers)

    def _body(self, render: Render, headers: Mapping[str, str]) -> Response:
        world, random = self._world, self._world.random
        body = NO_VIDEO if render.kind is Kind.NOT_A_VIDEO else render.video
        said = {"Content-Type": "text/html" if body is NO_VIDEO else "video/mp4", "ETag": '"the-only-version"'}
        fault = None
        if world.is_stormy and random.random() < world.weather.host_trouble:
            if random.random() < 0.5:
                return random.choice(_BAD_MOMENTS)()
            fault = Fault(random.randrange(len(body)), random.random() < 0.5)
        style = int(render.created * 1000) % _UNUSUAL if "Range" in headers and not render.host_seconds else 0
        match style:
            case 1:
                return Response(403, {}, b"no ranges here")
            case 2:
                return Response(404, {}, b"")
            case 3:
                return Response(200, said, body, fault)
            case 4:
                del said["ETag"]  # ranges that may not belong together
        return _in_part(body, said, headers, fault)


def pool_for(world: "World") -> Callable[..., Any]:
    """Return what stands in for copier.connection.pool_for."""

    def pool(url: "VideoUrl", size: int, **_: Any) -> Pool:  # noqa: ARG001 - as many as there are
        return Pool(world, url)

    return pool


def _in_part(body: bytes, said: dict[str, str], headers: Mapping[str, str], fault: Fault | None) -> Response:
    if "Range" not in headers:
        return Response(200, said, body, fault)
    first, _, last = headers["Range"].removeprefix("bytes=").partition("-")
    part = body[int(first) : int(last) + 1]
    said["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(body)}"
    return Response(206, said, part, fault)


def _broken() -> Exception:
    return ProtocolError("Connection aborted.", ConnectionResetError())


_BAD_MOMENTS: tuple[Callable[[], Response], ...] = (
    lambda: Response(500, {}, b""),
    lambda: Response(503, {}, b""),
    lambda: Response(404, {}, b""),
    lambda: Response(429, {}, b""),
    lambda: Response(200, {"Content-Type": "text/html"}, NO_VIDEO),
    lambda: Response(302, {"Location": "http://cdn.example.com/plain"}, b""),
    lambda: Response(302, {"Location": "file:///etc/passwd"}, b""),
    lambda: Response(302, {"Location": "https://127.0.0.1/"}, b""),
)
