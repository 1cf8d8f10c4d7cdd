"""What was asked of the simulated CometAPI, for assertions."""

import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Literal

from aiohttp import web
from aiohttp.typedefs import Handler

type Operation = Literal["create", "retrieve", "video", "content", "last_frame", "other"]
CONTROL = "/_simulator/"


@dataclass(kw_only=True)
class Request:
    """One request; its header names are in lower case, and status is None while it is being answered."""

    at: float
    operation: Operation
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    task_id: str | None
    in_flight: int  # requests of this operation being answered, this one included
    answer: str | None = None
    status: int | None = None


RECORD = web.RequestKey("record", Request)


class RequestLog:
    """Records every request except those of the control routes."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.authorizations: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._in_flight: Counter[Operation] = Counter()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Record one request on its way to its handler."""
        if request.path.startswith(CONTROL):
            return await handler(request)
        operation = _operation(request)
        self._in_flight[operation] += 1
        record = self._record(request, operation)
        request[RECORD] = record
        try:
            response = await handler(request)
            record.status = response.status
        except web.HTTPException as error:
            record.status = error.status
            raise
        finally:
            self._in_flight[operation] -= 1
        return response

    def _record(self, request: web.Request, operation: Operation) -> Request:
        record = Request(
            at=time.time(),
            operation=operation,
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers={name.lower(): value for name, value in request.headers.items()},
            task_id=request.match_info.get("task_id"),
            in_flight=self._in_flight[operation],
        )
        self.requests.append(record)
        if "authorization" in record.headers:
            self.authorizations[operation][record.headers["authorization"]] += 1
        return record


def _operation(request: web.Request) -> Operation:
    if request.path == "/v1/videos":
        return "create"
    if request.path.startswith("/v1/videos/"):
        return "content" if request.path.endswith("/content") else "retrieve"
    if request.path.startswith("/frames/"):
        return "last_frame"
    return "video" if request.path.startswith("/files/") else "other"
