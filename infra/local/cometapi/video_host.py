"""The host of the signed video URLs."""

import time
from secrets import token_hex

from aiohttp import web

from infra.local.cometapi import video_behaviours
from infra.local.cometapi.delivery import Delivery, error_xml
from infra.local.cometapi.render import Render
from infra.local.cometapi.reply import Reply, send
from infra.local.cometapi.request_log import RECORD
from infra.local.cometapi.script import Cue
from infra.local.cometapi.simulator import Simulator

_FINE = Cue("fine")


class VideoHost:
    """Serves a simulator's videos to whoever has a signed URL."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._tickets: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the videos; their signatures allow GET only."""
        return [
            web.get("/files/{task_id}.mp4", self._serve, allow_head=False),
            web.get("/files/moved/{task_id}.mp4", self._serve, allow_head=False),
            web.get("/files/once/{ticket}/{task_id}.mp4", self._serve_once, allow_head=False),
        ]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        render = self._simulator.renders.get(request.match_info["task_id"])
        if render is None:
            return await send(request, error_xml(404, "NoSuchKey", "The specified key does not exist."))
        refusal = self._simulator.signer.refusal(request.path, request.query, now=time.time())
        if refusal is not None:
            request[RECORD].answer = "refused"
            return await send(request, refusal)
        cue = _FINE if _moved(request) else self._next(render)
        request[RECORD].answer = cue.name
        return await send(request, self._reply(request, render, cue))

    async def _serve_once(self, request: web.Request) -> web.StreamResponse:
        ticket = request.match_info["ticket"]
        if ticket in self._tickets:
            request[RECORD].answer = "refused"
            return await send(request, error_xml(403, "AccessDenied", "The ticket was used before."))
        self._tickets.add(ticket)
        return await self._serve(request)

    def _next(self, render: Render) -> Cue:
        render.downloads += 1
        return self._simulator.next_fault("video") or render.video.next() or _FINE

    def _reply(self, request: web.Request, render: Render, cue: Cue) -> Reply:
        span = _span(request, render)
        if span is None:
            unsatisfiable = {"Content-Range": f"bytes */{render.footage.size}"}
            return Reply(status=416, headers=unsatisfiable)
        delivery = Delivery(
            footage=render.footage,
            start=span.start,
            stop=span.stop,
            ranged=_ranged(request, render),
            attempt=render.downloads,
            modified=render.completed_at,
            url=self._simulator.base_url + request.path_qs,
            moved_url=self._simulator.signed_url(f"/files/moved/{render.task_id}.mp4", render),
            one_time_url=self._simulator.signed_url(f"/files/once/{token_hex(8)}/{render.task_id}.mp4", render),
            has_range="Range" in request.headers,
        )
        return video_behaviours.serve(cue.name, delivery, cue.parameters)


def _moved(request: web.Request) -> bool:
    return request.path.startswith(("/files/moved/", "/files/once/"))


def _ranged(request: web.Request, render: Render) -> bool:
    # A range that is conditional on an older version asks for the whole of the newer one.
    return "Range" in request.headers and request.headers.get("If-Range", render.footage.etag) == render.footage.etag


def _span(request: web.Request, render: Render) -> range | None:
    """Return the bytes asked for, None where there are none."""
    everything = range(render.footage.size)
    if not _ranged(request, render):
        return everything
    try:
        return everything[request.http_range] or None
    except ValueError:
        return None
