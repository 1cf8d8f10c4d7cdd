"""What a copy takes at the most, measured while its bucket is slow: uploads, memory, connections, threads."""

import socket
import threading
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event, Lock

import pytest

from copier import parts as cutting
from copier import video_host
from infra.local.cometapi.footage import Synthetic
from tests.integration.copying import KIB, CopyShop, shrink
from tests.integration.strange_host import StrangeHost, say, serve

PART = 64 * KIB
PARTS = 100
HELD = 11
"""Parts in memory: two that are uploaded, two that wait for that, one that is cut; the host has its own here, too."""
VIDEO = b"".join(Synthetic(PARTS * PART, "seed").chunks(0, PARTS * PART))


class Most:
    """Counts how many are inside at once."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = Lock()

    def stay(self, seconds: float) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(seconds)
        with self._lock:
            self.now -= 1


def in_one_stream(wire: socket.socket, head: str) -> None:
    say(f'HTTP/1.1 200 OK\nETag: "1"\nContent-Length: {len(VIDEO)}')(wire, head)
    wire.sendall(VIDEO)


def hold(goes_on: Event) -> None:
    goes_on.wait(30)


HOSTS = pytest.mark.parametrize("host", [serve(VIDEO), in_one_stream], ids=["in ranges", "in one stream"])


def ask_for_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (cutting, video_host):
        monkeypatch.setattr(module, "RANGE_BYTES", PART)


def until_quiet(measure: Callable[[], int]) -> int:
    """Return a count once it has not grown for half a second."""
    seen, since = -1, time.monotonic()
    while time.monotonic() - since < 0.5:
        if (now := measure()) > seen:
            seen, since = now, time.monotonic()
        time.sleep(0.01)
    return seen


@HOSTS
def test_two_parts_are_uploaded_at_once(
    shop: CopyShop, monkeypatch: pytest.MonkeyPatch, host: Callable[[socket.socket, str], None]
) -> None:
    shrink(monkeypatch)
    ask_for_parts(monkeypatch)
    uploading = Most()
    shop.before = {"UploadPart": lambda: uploading.stay(0.002)}
    with StrangeHost(host) as strange:
        shop.copy("task_x", strange.url)
    assert shop.calls.count("UploadPart") == PARTS
    assert uploading.most == 2


@HOSTS
def test_a_bucket_that_hangs_stops_the_host_and_holds_few_parts(
    shop: CopyShop, monkeypatch: pytest.MonkeyPatch, host: Callable[[socket.socket, str], None]
) -> None:
    """Two are being uploaded, the next ones are received; the rest of the video is still where it was."""
    shrink(monkeypatch)
    ask_for_parts(monkeypatch)
    goes_on = Event()
    shop.before = {"UploadPart": partial(hold, goes_on)}
    with StrangeHost(host) as strange, ThreadPoolExecutor(1) as copying:
        threads = threading.active_count()
        tracemalloc.start()
        try:
            copy = copying.submit(shop.copy, "task_x", strange.url)
            held = until_quiet(lambda: tracemalloc.get_traced_memory()[0])
            most_threads = threading.active_count() - threads
            asked = len(strange.heads)
        finally:
            tracemalloc.stop()
            goes_on.set()
        copy.result(60)
    assert shop.stored("task_x")["Body"].read() == VIDEO
    assert held < HELD * PART < len(VIDEO) / 4
    assert asked <= 1 + 8  # a range a part
    assert most_threads <= 2 + 2 + 8 + asked  # what uploads, with its clock; what receives; and the host's own


def test_a_label_has_room_for_2_kb(shop: CopyShop) -> None:
    """What there is no room for is left out; S3 would refuse all of it."""
    task_id = shop.comet_api.create()
    metadata = {f"name-{number}": "x" * 200 for number in range(20)}
    shop.copy(shop.task(task_id, metadata=metadata, model="m" * 256, created_at=1_776_567_610))
    kept = shop.stored(task_id)["Metadata"]
    assert kept["task-id"] == task_id
    assert 1024 < sum(len(name) + len(value) for name, value in kept.items()) <= 2048
