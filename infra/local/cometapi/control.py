"""The simulator's controls over HTTP, for other processes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from aiohttp import web

from infra.local.cometapi.request_log import CONTROL
from infra.local.cometapi.simulator import Simulator

type Handler = Callable[[web.Request], Awaitable[web.Response]]
_SETTINGS = {"api_key": str, "foreign_key": str, "render_seconds": float, "latency": float}


class Control:
    """Routes that do what the methods of `Simulator` do; bodies and answers are JSON."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def routes(self) -> list[web.RouteDef]:
        """Return the control routes."""
        return [
            web.post(CONTROL + "tasks", _checked(self._create)),
            web.get(CONTROL + "tasks/{task_id}", self._expected),
            web.post(CONTROL + "faults", _checked(self._fault)),
            web.delete(CONTROL + "faults", self._clear),
            web.get(CONTROL + "requests", self._requests),
            web.delete(CONTROL + "requests", self._forget_requests),
            web.get(CONTROL + "authorizations", self._authorizations),
            web.patch(CONTROL + "settings", _checked(self._settings)),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        options = await request.json()
        count = options.pop("count", 1)
        return web.json_response({"task_ids": [self._simulator.create(**options) for _ in range(count)]})

    async def _expected(self, request: web.Request) -> web.Response:
        task_id = request.match_info["task_id"]
        if task_id not in self._simulator.renders:
            raise web.HTTPNotFound
        expected = await asyncio.to_thread(self._simulator.expected, task_id)
        last_frame = asdict(self._simulator.expected_last_frame(task_id))
        video_url = self._simulator.video_url(task_id)
        return web.json_response(asdict(expected) | {"video_url": video_url, "last_frame": last_frame})

    async def _fault(self, request: web.Request) -> web.Response:
        body = await request.json()
        self._simulator.fault(body.pop("answer"), **body)
        return web.json_response({})

    async def _clear(self, _request: web.Request) -> web.Response:
        self._simulator.clear()
        return web.json_response({})

    async def _requests(self, _request: web.Request) -> web.Response:
        return web.json_response({"requests": [asdict(request) for request in self._simulator.requests]})

    async def _forget_requests(self, _request: web.Request) -> web.Response:
        self._simulator.forget_requests()
        return web.json_response({})

    async def _authorizations(self, _request: web.Request) -> web.Response:
        return web.json_response(self._simulator.authorizations)

    async def _settings(self, request: web.Request) -> web.Response:
        for name, value in (await request.json()).items():
            setattr(self._simulator, name, _SETTINGS[name](value))
        return web.json_response({name: getattr(self._simulator, name) for name in _SETTINGS})


def _checked(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)

    return answer
