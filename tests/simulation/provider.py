"""CometAPI as the functions reach it: a pool of connections whose answers are simulated, and at times its sockets."""

import io
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from zlib import crc32

from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import ProtocolError

from shared.api_key import KEY_SECONDS
from tests.simulation.renders import FOREIGN_KEY, KEY, OUTAGES, TROUBLE, Answer, unknown
from tests.simulation.weather import Trouble

if TYPE_CHECKING:
    from tests.simulation.awslambda import Environment
    from tests.simulation.world import World

_FROZEN_SECONDS = 30
"""lambda/latest/dg/best-practices.html: "Lambda purges idle connections over time. Attempting to reuse an idle
connection when invoking a function will result in a connection error"."""
_VIDEOS = "/v1/videos/"
_A_WHILE_SECONDS = 30
_NEVER_READABLE, _ = os.pipe()
"""A connection that died without a word looks like one that lives."""


class Gateway:
    """What CometAPI answers to a key, a task and a moment."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def report(self, path: str, key: str) -> Answer:
        """Answer the question how a task stands; raises ConnectionError."""
        world = self._world
        task_id = unquote(path.removeprefix(_VIDEOS))
        self._check_key(key)
        answer = self._said(task_id, key)
        if answer[0] in {401, 403}:
            world.excuse("the key is refused, as it seems")
        world.invariants.on_answer(task_id, answer)
        return answer

    def may_have_content(self, key: str) -> Answer | None:
        """Return what keeps the content route from answering as it should; None where nothing does."""
        if key == FOREIGN_KEY:
            return unknown()
        if key != KEY:
            return 401, {}, b'{"error": {"message": "Invalid token"}}'
        if self._world.is_now(Trouble.OUTAGE):
            return OUTAGES.get(self._world.weather.outage, (504, {}, b""))
        return None

    def _check_key(self, key: str) -> None:
        """Check that whoever stored another key need not wait for longer than a key is kept."""
        world = self._world
        stored_since = max(world.ssm.changed_at, world.stormy_until)
        if key != world.ssm.value and world.scheduler.now - stored_since > KEY_SECONDS + _A_WHILE_SECONDS:
            world.invariants.fail("a key that was stored is used within minutes", "the former key is still used")

    def _is_forgotten(self, task_id: str) -> bool:
        """Tell whether it is one of those that are denied for a while, although they were reported on."""
        return crc32(task_id.encode()) % 2 == 0 and "reported_at" in self._world.store.items.get(task_id, {})

    def _said(self, task_id: str, key: str) -> Answer:
        world = self._world
        weather, render = world.weather, world.renders[task_id]
        if world.is_now(Trouble.OUTAGE):
            if weather.outage not in OUTAGES:
                raise ConnectionResetError
            return OUTAGES[weather.outage]
        if key == FOREIGN_KEY or (world.is_now(Trouble.FORGETFUL) and self._is_forgotten(task_id)):
            return unknown()
        if world.is_now(Trouble.AMNESIA) and render.may_be_denied(world.scheduler.now) and world.random.random() < 0.7:
            return unknown()
        if world.is_stormy and world.random.random() < weather.provider_trouble:
            world.excuse("CometAPI is in trouble")
            return world.random.choice(TROUBLE)
        return render.answer(world.scheduler.now, world.url_of(render), world.random)


class Response:
    """As much of urllib3's response as is read."""

    def __init__(self, answer: Answer) -> None:
        self.status, self.headers, body = answer
        self._body = io.BytesIO(body)
        self.length_remaining = len(body)

    def read1(self, most: int) -> bytes:
        part = self._body.read(most)
        self.length_remaining -= len(part)
        return part

    def close(self) -> None:
        """Nothing is open."""

    release_conn = close


class Pool:
    """Stands in for urllib3's pool."""

    ConnectionCls: Any = None

    def __init__(self, world: "World") -> None:
        self._world = world

    def urlopen(self, method: str, path: str, *, headers: Mapping[str, str], **_: Any) -> Response:
        assert method == "GET"
        world = self._world
        key = headers["Authorization"].removeprefix("Bearer ")
        task_id = path.removeprefix(_VIDEOS)
        world.invariants.on_ask(task_id)
        return Response(_ask(world, path, key, _broken))


class Socket:
    """One end of a connection to CometAPI, as http.client uses it; it dies while its environment is frozen."""

    def __init__(self, world: "World", environment: "Environment") -> None:
        self._world = world
        self._environment = environment
        self._asked = b""
        self._said = io.BytesIO()
        self._used_at = world.scheduler.now

    def fileno(self) -> int:
        return _NEVER_READABLE

    def settimeout(self, _: float | None) -> None:
        """Time-outs are the world's."""

    def sendall(self, data: bytes) -> None:
        world = self._world
        idle = self._environment.frozen_at > self._used_at and world.scheduler.now - self._used_at
        if idle > _FROZEN_SECONDS:
            world.note("  dead socket", f"idle for {idle:.0f} s")
            raise BrokenPipeError
        self._used_at = world.scheduler.now
        self._asked += data

    def makefile(self, _: str) -> io.BytesIO:
        return io.BytesIO()

    def recv_into(self, buffer: Any) -> int:
        if self._asked:
            self._said = io.BytesIO(self._answer())
        return self._said.readinto(buffer)

    def _answer(self) -> bytes:
        world = self._world
        head, _, _ = self._asked.partition(b"\r\n\r\n")
        self._asked = b""
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        path = first.split(" ")[1]
        world.invariants.on_ask(path.removeprefix(_VIDEOS))
        key = headers["Authorization"].removeprefix("Bearer ")
        status, said, body = _ask(world, path, key, ConnectionResetError)
        said = {**said, "Content-Length": str(len(body))}
        text = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        self._used_at = world.scheduler.now
        return f"HTTP/1.1 {status} Said\r\n{text}\r\n".encode() + body

    def close(self) -> None:
        """It is gone."""


def pool(world: "World", environment: "Environment", maxsize: int) -> Any:
    """Return what CometApi asks through, in this world."""
    if not world.weather.has_sockets:
        return Pool(world)
    real = HTTPConnectionPool("api.example.com", maxsize=maxsize)
    return _Pooled(real, world, environment)


class _Pooled:
    """urllib3's own pool with the service's own connections over simulated sockets."""

    def __init__(self, real: HTTPConnectionPool, world: "World", environment: "Environment") -> None:
        self._real = real
        self._world = world
        self._environment = environment

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "ConnectionCls":
            world, environment = self._world, self._environment
            plain = next(kind for kind in value.__mro__ if kind.__name__ == "Connection")
            connect = {"_new_conn": lambda _: Socket(world, environment)}
            self._real.ConnectionCls = type("SimulatedConnection", (plain,), connect)
        else:
            object.__setattr__(self, name, value)

    def urlopen(self, *args: Any, **named: Any) -> Any:
        return self._real.urlopen(*args, **named)


def _ask(world: "World", path: str, key: str, trouble: Callable[[], Exception]) -> Answer:
    process, pressure = world.scheduler.process, world.invariants.pressure
    pressure.on_ask(process)
    try:
        return world.call(f"ask {path.removeprefix(_VIDEOS)}", lambda: world.gateway.report(path, key), trouble)
    finally:
        pressure.on_answered(process)


def _broken() -> Exception:
    return ProtocolError("Connection aborted.", ConnectionResetError())
