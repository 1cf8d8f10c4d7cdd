"""Connections to a simulated video host: everything of the Copier is real but its sockets."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from copier.patience import HostTrouble

if TYPE_CHECKING:
    from tests.simulation.world import World

NO_VIDEO = b"<html>Sorry</html>"


@dataclass(frozen=True, slots=True)
class Fault:
    """A body that ends too early, with an error or without."""

    breaks_at: int
    is_silent: bool


class Response:
    """One answer, as http.client gives it."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes, fault: "Fault | None" = None) -> None:
        self.status = status
        self.headers = headers
        self.chunked = False
        self.length: int | None = len(body)
        self._body = body
        self._position = 0
        self._fault = fault
        if fault and fault.is_silent and status == 200:
            self.length = None  # HTTP/1.0: the body ends where the connection does, whatever the reason

    def readinto(self, view: memoryview) -> int:
        stop = len(self._body)
        if self._fault:
            stop = min(self._fault.breaks_at, stop)
            if self._position >= stop and not self._fault.is_silent:
                raise ConnectionResetError
        part = self._body[self._position : min(stop, self._position + len(view))]
        view[: len(part)] = part
        self._position += len(part)
        return len(part)

    def isclosed(self) -> bool:
        return self._position >= len(self._body)

    def close(self) -> None:
        self._position = len(self._body)


class Connection:
    """Stands in for SafeConnection."""

    world: "World"

    def __init__(self, url: Any, *_: Any, **__: Any) -> None:
        self._url = url
        self._asked: tuple[str, dict[str, str]] = ("", {})

    def request(self, method: str, uri: str, headers: dict[str, str]) -> None:
        assert method == "GET"
        assert "Authorization" not in headers
        self._asked = uri, headers

    def getresponse(self) -> Response:
        uri, headers = self._asked
        path = uri.partition("?")[0]
        return self.world.call(f"GET video {path}", lambda: self._answer(uri, headers), self._trouble)

    def close(self) -> None:
        """Nothing is open."""

    abort = close

    def _trouble(self) -> Exception:
        return HostTrouble("connection_failed", "simulated")

    def _answer(self, uri: str, headers: dict[str, str]) -> Response:
        world, random = self.world, self.world.random
        parts = urlsplit(uri)
        render = world.renders[parts.path.strip("/")]
        issued = float(parse_qs(parts.query)["issued"][0])
        if world.scheduler.now - issued > world.weather.url_seconds:
            return Response(403, {}, b"expired")
        body = NO_VIDEO if render.kind.value == "not_a_video" else render.video
        kind = "text/html" if body is NO_VIDEO else "video/mp4"
        fault = None
        if world.is_stormy and random.random() < world.weather.host_trouble:
            if random.random() < 0.4:
                return Response(random.choice((500, 503, 404, 429)), {}, b"")
            fault = Fault(random.randrange(len(body)), random.random() < 0.5)
        return _in_part(body, kind, headers, fault, is_ranged=len(render.task_id) % 3 != 0)


def _in_part(body: bytes, kind: str, headers: dict[str, str], fault: Fault | None, *, is_ranged: bool) -> Response:
    said = {"Content-Type": kind, "ETag": '"the-only-version"'}
    if "Range" not in headers or not is_ranged:
        return Response(200, said, body, fault)
    first, _, last = headers["Range"].removeprefix("bytes=").partition("-")
    part = body[int(first) : int(last) + 1]
    said["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(body)}"
    return Response(206, said, part, fault)
