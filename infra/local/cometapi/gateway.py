"""`POST /v1/videos` and `GET /v1/videos/{id}`."""

import asyncio
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace

from aiohttp import web

from infra.local.cometapi import answers
from infra.local.cometapi.answers import LIFE, Subject
from infra.local.cometapi.render import MODEL, Render, RenderOptions, new_task_id
from infra.local.cometapi.reply import Reply, send, whole
from infra.local.cometapi.request_log import RECORD
from infra.local.cometapi.script import Cue
from infra.local.cometapi.simulator import Faulty, Simulator

_REFUSED = {
    "code": "InputTextSensitiveContentDetected",
    "reason": "The request failed because the input text may contain sensitive information.",
}


class Gateway:
    """The public API over a simulator's tasks."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the API."""
        return [
            web.post("/v1/videos", self._create),
            web.get("/v1/videos/{task_id}", self._retrieve, allow_head=False),
        ]

    async def _create(self, request: web.Request) -> web.StreamResponse:
        cue = self._refusal(request, "create")
        if cue is not None and cue.name != LIFE:
            return await answer_in_json(self._simulator, request, cue, new_task_id())
        order = await _order(request)
        if order is None or not order.get("prompt"):
            return await answer_in_json(self._simulator, request, Cue("prompt_required"), "")
        options = RenderOptions(model=order.get("model") or MODEL)
        if "refused" in order["prompt"].lower():
            options["fails"] = _REFUSED
        render = self._simulator.renders[self._simulator.create(**options)]
        return await _send(self._simulator, request, "created", _created(render))

    async def _retrieve(self, request: web.Request) -> web.StreamResponse:
        task_id = request.match_info["task_id"]
        render = self._simulator.render_of(task_id, request.headers.get("Authorization"))
        cue = self._refusal(request, "retrieve")
        if cue is None or cue.name == LIFE:
            cue = render.next_answer(time.time()) if render else Cue("task_not_exist_flat")
        return await answer_in_json(self._simulator, request, cue, task_id)

    def _refusal(self, request: web.Request, operation: Faulty) -> Cue | None:
        """Return what comes before any task: a fault, or a key that is not ours."""
        return self._simulator.next_fault(operation) or self._simulator.refusal(request.headers.get("Authorization"))


async def answer_in_json(simulator: Simulator, request: web.Request, cue: Cue, task_id: str) -> web.StreamResponse:
    """Answer as the API does, about a task."""
    subject = subject_of(simulator, task_id)
    return await _send(
        simulator, request, cue.name, answers.answer(cue.name, subject, cue.parameters), subject.request_id
    )


def subject_of(simulator: Simulator, task_id: str) -> Subject:
    """Return what an answer may say of a task, known or not."""
    subject = Subject(
        task_id=task_id,
        video_url=simulator.video_url(task_id),
        content_url=simulator.content_url(task_id),
        last_frame_url=simulator.last_frame_url(task_id),
        request_id=f"2026{secrets.token_hex(12)}",
    )
    render = simulator.renders.get(task_id)
    if render is None:
        return subject
    return replace(
        subject, model=render.model, created_at=int(render.created_at), completed_at=int(render.completed_at)
    )


async def _send(
    simulator: Simulator, request: web.Request, name: str, reply: Reply, request_id: str | None = None
) -> web.StreamResponse:
    request[RECORD].answer = name
    await asyncio.sleep(simulator.latency)
    stamp = {"X-Cometapi-Request-Id": request_id or f"2026{secrets.token_hex(12)}"}
    return await send(request, replace(reply, headers=dict(reply.headers) | stamp))


async def _order(request: web.Request) -> Mapping[str, str] | None:
    """Read the text fields of a JSON or a form body; None where it is neither."""
    if request.content_type != "application/json":
        form = await request.post()
        return {name: value for name, value in form.items() if isinstance(value, str)}
    try:
        body = await request.json()
    except ValueError:
        return None
    return {name: str(value) for name, value in body.items()} if isinstance(body, dict) else None


def _created(render: Render) -> Reply:
    body = {
        "id": render.task_id,
        "task_id": render.task_id,
        "object": "video",
        "model": render.model,
        "status": "queued",
        "progress": 0,
        "created_at": int(render.created_at),
    }
    return whole(json.dumps(body).encode())
