"""How a video is cut: independent of its size, the memory stays bounded and no byte is asked for twice."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Event, Lock
from types import SimpleNamespace
from typing import Any

import pytest

from copier import parts as cutting
from copier.copy import UPLOADS
from copier.parts import PART_BYTES, PARTS_AHEAD, WHOLE_BYTES, Part, parts
from copier.video_host import RANGE_BYTES

MIB = 1024 * 1024


class FakeHost:
    """Notes what it is asked for, and fills it with nothing."""

    def __init__(self, size: int = 1 << 40) -> None:
        self.size = size
        self.ranges: list[tuple[int, int]] = []
        self.lock = Lock()
        self.stopped = Event()
        self.waits_from = 1 << 40

    def fill(self, video: Any, start: int, view: memoryview) -> memoryview:
        assert video
        with self.lock:
            self.ranges.append((start, start + len(view)))
        if start >= self.waits_from:
            assert self.stopped.wait(30)
        view[:1] = bytes([start % 251])
        return view[: self.size - start]

    def stop(self) -> None:
        self.stopped.set()


def cut(total: int) -> tuple[list[int], list[tuple[int, int]]]:
    host: Any = FakeHost()
    video: Any = SimpleNamespace(is_ranged=True, total=total)
    received = list(parts(host, video))
    assert host.stopped.is_set()
    assert received == [Part.of(part.body) for part in received]
    return [len(part) for part in received], sorted(host.ranges)


@pytest.mark.parametrize(
    "total",
    [1, MIB, MIB + 1, 8 * MIB, WHOLE_BYTES, WHOLE_BYTES + 1, 30_000_000, 100_000_001],
)
def test_every_byte_is_asked_for_once(total: int) -> None:
    sizes, ranges = cut(total)
    assert sum(sizes) == total
    assert ranges[0] == (0, min(total, RANGE_BYTES))  # what the first request has asked for already
    assert all(stop == start for (_, stop), (start, _) in pairwise(ranges))
    assert ranges[-1][1] == total
    assert max(stop - start for start, stop in ranges) == min(total, RANGE_BYTES)
    assert (len(sizes) == 1) is (total <= WHOLE_BYTES)


def test_a_part_knows_its_checksum() -> None:
    assert Part.of(bytearray(b"123456789")).checksum == "y/Q5Jg=="  # CRC-32's check value, cbf43926


@pytest.mark.parametrize(
    ("total", "size", "sizes"),
    [
        (None, 0, []), (None, 5, [5]), (None, WHOLE_BYTES, [WHOLE_BYTES]), (10, 10, [10]), (0, 0, []),
        (None, WHOLE_BYTES + PART_BYTES + 5, [WHOLE_BYTES, PART_BYTES, 5]), (WHOLE_BYTES, WHOLE_BYTES, [WHOLE_BYTES]),
        (WHOLE_BYTES + 1, WHOLE_BYTES + 1, [PART_BYTES, PART_BYTES, WHOLE_BYTES + 1 - 2 * PART_BYTES]), (10, 7, [7]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_ranged", [False, True])
def test_one_stream_is_read_to_its_end(total: int | None, size: int, sizes: list[int], *, is_ranged: bool) -> None:
    if is_ranged and total:
        return
    host: Any = FakeHost(size)
    video: Any = SimpleNamespace(is_ranged=is_ranged, total=total)
    received = list(parts(host, video))
    assert [len(part) for part in received] == sizes
    assert received == [Part.of(part.body) for part in received]
    assert all(stop == start for (_, stop), (start, _) in pairwise(host.ranges))
    assert all(start < stop for start, stop in host.ranges)
    assert total is None or max((stop for _, stop in host.ranges), default=0) == total


def test_a_small_video_is_one_part_of_many_ranges() -> None:
    sizes, ranges = cut(8 * MIB)
    assert len(sizes) == 1
    assert len(ranges) == 4


@pytest.mark.parametrize(
    ("total", "connections"), [(1, 2), (8_000_000, 4), (20_000_000, 8), (30_000_000, 8), (1 << 30, 8)]
)
def test_a_connection_has_to_be_worth_its_handshake(
    monkeypatch: pytest.MonkeyPatch, total: int, connections: int
) -> None:
    made: list[int] = []

    def executor(size: int) -> ThreadPoolExecutor:
        made.append(size)
        return ThreadPoolExecutor(1)

    monkeypatch.setattr(cutting, "ThreadPoolExecutor", executor)
    host: Any = FakeHost()
    video: Any = SimpleNamespace(is_ranged=True, total=total)
    next(parts(host, video))
    assert made == [connections]


def test_s3_takes_all_parts_but_the_last_only_from_5_mib_on() -> None:
    sizes, _ = cut(WHOLE_BYTES + 1)
    assert min(sizes[:-1]) >= 5 * MIB
    assert PART_BYTES * 10_000 > 5 * 1024**3  # and no more than 10,000 of them


def test_memory_is_bounded() -> None:
    assert (PARTS_AHEAD + UPLOADS) * PART_BYTES <= 48 * MIB
    assert WHOLE_BYTES <= 48 * MIB


def test_who_stops_early_stops_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "CONNECTIONS", 1)
    host: Any = FakeHost()
    host.waits_from = PART_BYTES
    video: Any = SimpleNamespace(is_ranged=True, total=1024 * MIB)
    received = parts(host, video)
    next(received)
    received.close()
    assert host.stopped.is_set()
    assert len(host.ranges) <= PART_BYTES // RANGE_BYTES + 2, "the first part, and what its two connections had begun"


def test_the_parts_ahead_are_asked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Noting(ThreadPoolExecutor):
        def submit(self, call: Any, *arguments: Any) -> Any:  # type: ignore[override]
            asked.append(arguments[1] + len(arguments[2]))
            return super().submit(call, *arguments)

    monkeypatch.setattr(cutting, "ThreadPoolExecutor", Noting)
    host: Any = FakeHost()
    video: Any = SimpleNamespace(is_ranged=True, total=1024 * MIB)
    received = parts(host, video)
    next(received)
    assert max(asked) == PARTS_AHEAD * PART_BYTES
    received.close()
