"""Headless Chromium, as far as tests drive it: a page, its script, its keys, its size and its picture."""

import asyncio
import base64
import json
import os
import shutil
import time
from collections.abc import Awaitable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import pytest

from infra.local.aws import without_aws
from infra.local.process import Program

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_START_SECONDS = 60
_ANSWER_SECONDS = 60
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
    *("--disable-dev-shm-usage", "--remote-debugging-port=0", "about:blank"),
)


class Browser:
    """One Chromium with one page, from `with` to the end of it; its profile is in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._number = 0
        self.said: list[str] = []
        """What the page's console and its policy complained of."""

    def __enter__(self) -> Self:
        assert CHROMIUM
        command = [CHROMIUM, f"--user-data-dir={self._folder / 'profile'}", *_FLAGS]
        self._program = Program.start("chromium", command, without_aws(dict(os.environ)), self._folder)
        try:
            self._do(self._connect(self._port()))
        except BaseException:
            self._program.stop()
            raise
        for domain in ("Page", "Log", "Runtime"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._session.close())
        self._loop.close()
        self._program.stop()

    def open(self, url: str, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Open a page in a window of this size, in CSS pixels; one of 500 and less is a phone's."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width <= 500}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")

    def run(self, script: str) -> Any:
        """Return what an expression of JavaScript says in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 30) -> None:
        """Wait until an expression is true; where it is not within `seconds`, the test fails."""
        deadline = time.monotonic() + seconds
        while not self.run(script):
            if time.monotonic() > deadline:
                pytest.fail(f"after {seconds} s still not: {script}", pytrace=False)
            time.sleep(0.1)

    def type(self, text: str) -> None:
        """Type text where the focus is."""
        for character in text:
            self.call("Input.dispatchKeyEvent", type="keyDown", key=character, text=character)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=character)

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key that has a name, such as Tab."""
        pressed = {"key": key, "code": key, "windowsVirtualKeyCode": code} | ({"text": text} if text else {})
        self.call("Input.dispatchKeyEvent", type="keyDown", **pressed)
        self.call("Input.dispatchKeyEvent", type="keyUp", **pressed)

    def picture(self) -> bytes:
        """Return what the window shows, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def call(self, method: str, **parameters: object) -> Any:
        """Call a method of the DevTools protocol."""
        return self._do(self._call(method, parameters))

    def _do[T](self, work: Awaitable[T]) -> T:
        return self._loop.run_until_complete(asyncio.wait_for(work, _ANSWER_SECONDS))

    async def _connect(self, port: int) -> None:
        self._session = aiohttp.ClientSession()
        async with self._session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            pages = [target for target in await answer.json() if target["type"] == "page"]
        self._socket = await self._session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0)

    async def _call(self, method: str, parameters: dict[str, object]) -> Any:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = json.loads((await self._socket.receive()).data)
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        match message:
            case {"method": "Log.entryAdded", "params": {"entry": {"text": text}}}:
                self.said.append(text)
            case {"method": "Runtime.exceptionThrown", "params": {"exceptionDetails": details}}:
                self.said.append(str(details))

    def _port(self) -> int:
        said = self._folder / "profile" / "DevToolsActivePort"
        deadline = time.monotonic() + _START_SECONDS
        while not (said.exists() and said.read_text().strip()):
            assert time.monotonic() < deadline, "Chromium did not start"
            assert self._program.running, "Chromium ended"
            time.sleep(0.1)
        return int(said.read_text().split()[0])
