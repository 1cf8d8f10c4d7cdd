"""The simulated CometAPI as a real HTTP server on loopback, in a thread of its own."""

import asyncio
import threading
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from aiohttp import web

from infra.local.cometapi.control import Control
from infra.local.cometapi.downloads import Downloads
from infra.local.cometapi.gateway import Gateway
from infra.local.cometapi.simulator import Simulator
from infra.local.cometapi.video_host import VideoHost

_LARGEST_UPLOAD = 64 * 1024 * 1024


class SimulatedCometApi(Simulator):
    """A simulator that listens while its `with` block runs.

    with SimulatedCometApi(render_seconds=0) as comet_api:
        task_id = comet_api.create(answers=["documented_in_progress", "html", "newer_success"], video="truncated")
        comet_api.fault("throttled", requests=3)
    """

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        listening: Future[str] = Future()
        self._thread = threading.Thread(target=self._run, args=[listening], name="cometapi", daemon=True)
        self._thread.start()
        self.base_url = listening.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self, listening: Future[str]) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listening))

    async def _serve(self, listening: Future[str]) -> None:
        runner = web.AppRunner(self._app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        try:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
            _, port = runner.addresses[0]
            listening.set_result(f"http://127.0.0.1:{port}")
            await self._stop.wait()
        except OSError as error:
            listening.set_exception(error)
        finally:
            await runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self.log.middleware], client_max_size=_LARGEST_UPLOAD)
        for part in (Gateway(self), VideoHost(self), Downloads(self), Control(self)):
            app.add_routes(part.routes())
        return app
