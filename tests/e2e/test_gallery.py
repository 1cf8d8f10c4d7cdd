"""The gallery in headless Chromium, over a bucket of the local AWS with real videos, as a person uses it."""

import os
import re
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from infra import gallery
from infra.command import run
from infra.local.aws import LocalAws
from infra.local.cometapi.last_frames import picture
from infra.local.demo import RENDERS
from infra.local.ministack import ROOT, MiniStack
from infra.local.process import orderly_exit
from infra.target import Target
from tests.e2e.browser import CHROMIUM, Browser
from tests.template import table_schema

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is on the PATH (Debian: apt install chromium)")

TABLE, BUCKET = "tasks", "videos"
CLIPS = sorted((ROOT / "infra" / "local" / "videos").glob("*.mp4"))
SIZES = ((1280, 1000, False), (390, 844, True))
MANY = 400
REFUSED = "The request failed because the input text may contain sensitive information."
HOSTILE = """"></script></style><img src=x onerror="document.title='broken'"><script>document.title='broken'</script>"""
SCROLL = """(async () => { for (const video of document.querySelectorAll("video")) {
  video.scrollIntoView();
  await new Promise((then) => setTimeout(then, 150));
} })()"""


@dataclass(frozen=True)
class Gallery:
    """A browser, and the page that it looks at."""

    browser: Browser
    file: Path

    def open(self, width: int = 1280, height: int = 900, *, dark: bool = False) -> Browser:
        self.browser.said.clear()
        self.browser.open(f"file://{self.file}", width, height, dark=dark)
        return self.browser

    def shown(self) -> list[str]:
        """Return the ids of the cards that are to be seen."""
        found: list[str] = self.browser.run(
            "[...document.querySelectorAll('article:not([hidden]) h2')].map((id) => id.textContent)"
        )
        return found


def demo(now: int) -> Iterator[dict[str, Any]]:
    """Yield the items that the demo leaves, and one that it is still at."""
    for number, (prompt, *_, seconds) in enumerate(RENDERS):
        task_id = f"task_{number}9WfQ2sLx7Vb0RkTzYdN4hC8mJe{number}pA"
        began = now - 200 - 40 * number
        item = {"task_id": task_id, "created_at": began, "model": "doubao-seedance-2-0-pro"}
        item["metadata"] = {"prompt": prompt, "project": "trailer"}
        if "refused" in prompt:
            error = {"code": "content_policy", "message": REFUSED}
            yield item | {"status": "FAILED", "ended_at": began + 20, "error": error}
        elif seconds > 60:
            yield item | {"status": "IN_PROGRESS", "progress": 62, "pending_since": began, "updated_at": now - 5}
        else:
            key = f"videos/{task_id}.mp4"
            clip = CLIPS[number]
            result: dict[str, Any] = {"usage": {"total_tokens": 108_900 + 311 * number}, "duration": 5}
            result |= {"resolution": "720p", "ratio": "9:16" if clip.stem == "gradients" else "16:9"}
            if number == 2:
                result["last_frame"] = f"s3://{BUCKET}/videos/{task_id}.last.png"
            stored = {"s3_uri": f"s3://{BUCKET}/{key}", "size": clip.stat().st_size, "result": result}
            yield item | stored | {"status": "SUCCESS", "ended_at": began + seconds, "clip": str(clip)}


def fill(aws: LocalAws, items: list[dict[str, Any]]) -> None:
    for item in items:
        if clip := item.pop("clip", ""):
            key = item["s3_uri"].removeprefix(f"s3://{BUCKET}/")
            aws.s3.put_object(Bucket=BUCKET, Key=key, Body=Path(clip).read_bytes(), ContentType="video/mp4")
            if frame := item["result"].get("last_frame", ""):
                body = picture(item["task_id"])
                aws.s3.put_object(
                    Bucket=BUCKET, Key=frame.removeprefix(f"s3://{BUCKET}/"), Body=body, ContentType="image/png"
                )
        values = {name: TypeSerializer().serialize(value) for name, value in item.items()}
        aws.dynamodb.put_item(TableName=TABLE, Item=values)


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with orderly_exit(), tempfile.TemporaryDirectory() as folder:
        ministack = MiniStack(Path(folder))
        ministack.start()
        try:
            aws = LocalAws(ministack.url)
            aws.dynamodb.create_table(TableName=TABLE, **table_schema())
            aws.s3.create_bucket(Bucket=BUCKET)
            fill(aws, list(demo(int(time.time()))))
            yield aws
        finally:
            ministack.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with orderly_exit(), Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def made(aws: LocalAws, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gallery:
    return make(aws, browser, tmp_path, monkeypatch)


def make(aws: LocalAws, browser: Browser, folder: Path, patch: pytest.MonkeyPatch) -> Gallery:
    outputs = {"TasksTableName": TABLE, "VideosBucketName": BUCKET}
    patch.setattr(Target, "announced", lambda _: Target(aws.session, aws.url, outputs, "seedance-poller-local"))
    file = folder / "gallery.html"
    patch.setattr(sys, "argv", ["gallery", "--to", str(file)])
    assert run(gallery.main) == 0
    return Gallery(browser, file)


@pytest.mark.parametrize(("width", "height", "dark"), SIZES)
def test_it_shows_every_video_and_every_reason(made: Gallery, width: int, height: int, dark: bool) -> None:  # noqa: FBT001
    browser = made.open(width, height, dark=dark)
    browser.run(SCROLL)
    browser.wait("[...document.querySelectorAll('video:not([poster])')].every((video) => video.readyState >= 2)")
    assert browser.run("document.querySelectorAll('video').length") == 4
    assert browser.run("document.querySelectorAll('video[poster]').length") == 1
    assert browser.run("document.querySelector('progress').value") == 62
    assert REFUSED in browser.run("document.querySelector('.ended .error').textContent")
    assert browser.run("document.documentElement.scrollWidth") <= width, "it must not scroll sideways"
    stages = "[...document.querySelectorAll('.stage')].map((one) => Math.round(one.offsetWidth / one.offsetHeight * 9))"
    assert set(browser.run(stages)) == {16}, "a tall video must not make a tall card"
    small = "[...document.querySelectorAll('button, input')].filter((one) => one.getBoundingClientRect().height < 40)"
    assert browser.run(f"{small}.length") == 0, "a finger must hit it"
    assert browser.said == []
    browser.run("scrollTo(0, 0)")
    if folder := os.environ.get("PICTURES"):
        time.sleep(2)
        (Path(folder) / f"gallery-{width}.png").write_bytes(browser.picture())


def test_a_video_plays(made: Gallery) -> None:
    browser = made.open()
    browser.run("{ const video = document.querySelector('video'); video.muted = true; video.play() }")
    browser.wait("document.querySelector('video').currentTime > 0.1")
    assert browser.said == []


def test_it_filters_and_searches_by_keyboard(made: Gallery) -> None:
    browser = made.open()
    assert len(made.shown()) == 6
    browser.type("/")
    assert browser.run("document.activeElement.id") == "search"
    browser.type("NIGHT market")
    (found,) = made.shown()
    assert found.startswith("task_3")
    assert browser.run("document.getElementById('shown').textContent") == "1 of 6 shown"
    browser.type("x")
    assert made.shown() == []
    assert browser.run("document.getElementById('none').hidden") is False
    browser.press("Escape", 27)
    assert len(made.shown()) == 6
    browser.press("Tab", 9)
    browser.press("Tab", 9)
    browser.press("Enter", 13, "\r")
    pressed = browser.run("document.querySelector('[aria-pressed=true]').dataset.status")
    assert pressed == "IN_PROGRESS"
    assert len(made.shown()) == 1


def test_the_file_is_private_and_says_when_its_links_end(made: Gallery) -> None:
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    browser = made.open()
    assert "are credentials" in browser.run("document.getElementById('notice').textContent")
    ends = browser.run("Number(document.getElementById('notice').dataset.ends)")
    assert 3500 < ends - time.time() < 3601
    (expires,) = set(re.findall(r"X-Amz-Expires=(\d+)", made.file.read_text()))
    assert expires == "3600"


def test_what_is_gone_is_said(
    made: Gallery, aws: LocalAws, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = {"task_id": "gone", "status": "SUCCESS", "ended_at": 9, "s3_uri": f"s3://{BUCKET}/gone.mp4", "size": 5}
    fill(aws, [item])
    try:
        gone = make(aws, browser, tmp_path, monkeypatch)
        gone.open().run(SCROLL)
        browser.wait("document.body.textContent.includes('the object is gone')")
    finally:
        aws.dynamodb.delete_item(TableName=TABLE, Key={"task_id": {"S": "gone"}})
    assert made.file.exists()


def test_words_of_strangers_stay_words(
    aws: LocalAws, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item: dict[str, Any] = {"task_id": "hostile", "status": HOSTILE, "ended_at": 9, "pending_since": 9}
    item |= {"error": {"code": HOSTILE, "message": HOSTILE}, "metadata": {HOSTILE: HOSTILE}, "model": HOSTILE}
    item |= {"s3_key": HOSTILE, "result": {"seed": HOSTILE, "last_frame": HOSTILE}}
    fill(aws, [item])
    try:
        made = make(aws, browser, tmp_path, monkeypatch)
        made.open()
        assert browser.run("document.title") == "Videos of seedance-poller-local"
        assert browser.run("document.images.length") == 0
        browser.run(f"document.body.insertAdjacentHTML('beforeend', {HOSTILE[2:]!r})")
        time.sleep(0.5)
        assert browser.run("document.title") == "Videos of seedance-poller-local", "the policy must hold, too"
        assert any("Content Security Policy" in line for line in browser.said)
    finally:
        aws.dynamodb.delete_item(TableName=TABLE, Key={"task_id": {"S": "hostile"}})


def test_hundreds_of_tasks_stay_quick(
    aws: LocalAws, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = int(time.time())
    stored = {"status": "SUCCESS", "ended_at": now, "s3_uri": f"s3://{BUCKET}/none.mp4", "size": 10**7}
    fill(aws, [{"task_id": f"many_{number}", "created_at": now - 9000 - number, **stored} for number in range(MANY)])
    made = make(aws, browser, tmp_path, monkeypatch)
    began = time.monotonic()
    made.open()
    browser.type("/many_7")
    assert len(made.shown()) == 11
    assert time.monotonic() - began < 10
    asked = browser.run("performance.getEntriesByType('resource').length")
    assert asked < 60, "what is far below is not asked for"
