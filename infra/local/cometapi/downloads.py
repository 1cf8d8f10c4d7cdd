"""The content route behind the key, and the host of the last frames behind its signatures."""

import time

from aiohttp import web

from infra.local.cometapi.contents import CONTENTS, Content
from infra.local.cometapi.delivery import error_xml
from infra.local.cometapi.gateway import answer_in_json, subject_of
from infra.local.cometapi.last_frames import LAST_FRAMES, Shot
from infra.local.cometapi.reply import send
from infra.local.cometapi.request_log import RECORD
from infra.local.cometapi.script import Cue
from infra.local.cometapi.simulator import Simulator


class Downloads:
    """Serves what is not at a signed video URL."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of contents and last frames."""
        return [
            web.get("/v1/videos/{task_id}/content", self._content, allow_head=False),
            web.get("/frames/{task_id}", self._last_frame, allow_head=False),
        ]

    async def _content(self, request: web.Request) -> web.StreamResponse:
        simulator, task_id = self._simulator, request.match_info["task_id"]
        authorization = request.headers.get("Authorization")
        render = simulator.render_of(task_id, authorization)
        refusal = simulator.refusal(authorization) or (None if render else Cue("task_not_exist_nested"))
        cue = simulator.next_fault("content")
        if render is None or (refusal is not None and cue is None):
            return await answer_in_json(simulator, request, refusal or Cue("task_not_exist_nested"), task_id)
        is_early = time.time() < render.completed_at
        cue = cue or render.content.next() or Cue("not_yet" if is_early else "whole_video")
        request[RECORD].answer = cue.name
        content = Content(subject_of(simulator, task_id), render.footage)
        return await send(request, CONTENTS[cue.name](content, **cue.parameters))

    async def _last_frame(self, request: web.Request) -> web.StreamResponse:
        render = self._simulator.renders.get(request.match_info["task_id"])
        refusal = self._simulator.signer.refusal(request.path, request.query, now=time.time())
        if render is None or refusal is not None:
            request[RECORD].answer = "refused"
            return await send(request, refusal or error_xml(404, "NoSuchKey", "The specified key does not exist."))
        cue = self._simulator.next_fault("last_frame") or render.last_frame.next() or Cue("png")
        request[RECORD].answer = cue.name
        return await send(request, LAST_FRAMES[cue.name](Shot(render.task_id, render.footage), **cue.parameters))
