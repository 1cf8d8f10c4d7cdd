"""The ways to ask CometAPI that are compared: each is made once, then asked to poll all of some tasks."""

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import aiohttp
import requests
import urllib3
from cometapi import CometAPI

from shared.api_key import ApiKey
from shared.comet_api import CometApi, Report
from shared.lifecycle import Limits, decide
from shared.task import Status, Task

_LIMITS = Limits(deadline_seconds=86400, retention_seconds=86400)
_TIMEOUT_SECONDS = 15.0

OURS = "this service: ask, decide"
BARE = "bare urllib3"
DOCUMENTED = "requests loop of the docs"
OFFICIAL = "official cometapi client"


class Contender(Protocol):
    """One way to ask."""

    def poll(self, task_ids: Sequence[str]) -> None:
        """Ask about all of these tasks, each answer understood; raises where one was not."""
        ...

    def close(self) -> None:
        """Let go of connections and threads."""
        ...


class Threaded:
    """Asks with `threads` threads, each of which takes an equal share of the tasks."""

    def __init__(self, ask: Callable[[str], None], threads: int) -> None:
        self._ask = ask
        self._threads = threads
        self._executor = ThreadPoolExecutor(threads)

    def poll(self, task_ids: Sequence[str]) -> None:
        """Ask about all of these tasks."""
        # Shares, and not a future a task, so that the executor's own cost is not the contender's.
        shares = [task_ids[number :: self._threads] for number in range(self._threads)]
        for done in [self._executor.submit(self._work, share) for share in shares]:
            done.result()

    def close(self) -> None:
        """Let go of the threads."""
        self._executor.shutdown()

    def _work(self, task_ids: Sequence[str]) -> None:
        for task_id in task_ids:
            self._ask(task_id)


class Asynchronous:
    """Asks with aiohttp, at most `concurrency` requests at once, all in one thread."""

    def __init__(self, base_url: str, key: str, concurrency: int) -> None:
        self._videos_url = f"{base_url}/v1/videos/"
        self._headers = _headers(key)
        self._concurrency = concurrency
        self._runner = asyncio.Runner()
        self._session = self._runner.run(self._open())

    def poll(self, task_ids: Sequence[str]) -> None:
        """Ask about all of these tasks."""
        self._runner.run(self._poll(task_ids))

    def close(self) -> None:
        """Let go of connections and the event loop."""
        self._runner.run(self._session.close())
        self._runner.close()

    async def _open(self) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        connector = aiohttp.TCPConnector(limit=self._concurrency)
        return aiohttp.ClientSession(connector=connector, timeout=timeout)

    async def _poll(self, task_ids: Sequence[str]) -> None:
        shares = [task_ids[number :: self._concurrency] for number in range(self._concurrency)]
        await asyncio.gather(*(self._work(share) for share in shares))

    async def _work(self, task_ids: Sequence[str]) -> None:
        for task_id in task_ids:
            async with self._session.get(self._videos_url + task_id, headers=self._headers) as response:
                _expect_waiting(await response.json())


def contenders(base_url: str, key: str, concurrency: int) -> dict[str, Contender]:
    """Return every contender by name, each of which has up to `concurrency` requests in flight."""
    ask = {
        BARE: _bare_urllib3(base_url, key, concurrency),
        OURS: _ask_and_decide(base_url, key, concurrency),
        DOCUMENTED: documented(base_url, key),
        OFFICIAL: _official(base_url, key),
    }
    threaded: dict[str, Contender] = {name: Threaded(function, concurrency) for name, function in ask.items()}
    return threaded | {"aiohttp": Asynchronous(base_url, key, concurrency)}


def documented(base_url: str, key: str) -> Callable[[str], None]:
    """Return one turn of the polling loop in CometAPI's documentation, without its sleep."""
    headers = {"Authorization": f"Bearer {key}"}

    def ask(task_id: str) -> None:
        response = requests.get(f"{base_url}/v1/videos/{task_id}", headers=headers, timeout=_TIMEOUT_SECONDS)
        response.raise_for_status()
        _expect_waiting(response.json())

    return ask


def _bare_urllib3(base_url: str, key: str, connections: int) -> Callable[[str], None]:
    tls = ssl.create_default_context()
    http = urllib3.PoolManager(maxsize=connections, timeout=_TIMEOUT_SECONDS, ssl_context=tls)
    headers = _headers(key)

    def ask(task_id: str) -> None:
        response = http.request("GET", f"{base_url}/v1/videos/{task_id}", headers=headers)
        _expect_waiting(json.loads(response.data))

    return ask


def _ask_and_decide(base_url: str, key: str, connections: int) -> Callable[[str], None]:
    api = CometApi(base_url, ApiKey(lambda: key), connections)
    now = int(time.time())
    known = {
        "pending_since": now - 300,
        "status": Status.IN_PROGRESS.value,
        "progress": 0,
        "model": "doubao-seedance-2-0-fast",
        "created_at": 1776567610,
        "reported_at": now - 285,
        "updated_at": now,
    }

    def ask(task_id: str) -> None:
        # The task is read from its item for each poll, as a round does.
        task = Task.from_item({"task_id": task_id, **known})
        answer = api.ask(task_id)
        if not isinstance(answer, Report):
            raise TypeError(f"expected a report, got {answer}")
        if change := decide(task, answer, now, _LIMITS):
            raise ValueError(f"expected no change, got {change}")

    return ask


def _official(base_url: str, key: str) -> Callable[[str], None]:
    client = CometAPI(api_key=key, base_url=f"{base_url}/v1")

    def ask(task_id: str) -> None:
        video = client.videos.retrieve(task_id)
        _expect_waiting({"status": video.status})

    return ask


def _headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", "Accept": "application/json"}


def _expect_waiting(report: dict[str, Any]) -> None:
    if report["status"] != "IN_PROGRESS":
        raise ValueError(f"expected a task that renders, got {report}")
