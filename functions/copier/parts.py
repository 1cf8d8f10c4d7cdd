"""The parts of a video in their order, received by several connections at once where its host allows that."""

import zlib
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from copier.part import Part
from copier.video_host import FIRST_RANGE_BYTES, Video, VideoHost
from shared.errors import CopyInterrupted

_MIB = 1024 * 1024
CONNECTIONS = 8
PART_BYTES = 8 * _MIB
WHOLE_BYTES = 32 * _MIB
"""Up to this size a video is one part, a usual one is: S3 bills each request, and three parts would take five."""
PARTS_AHEAD = 3
"""Parts being received at once; with those being uploaded this bounds the memory, whatever the video's size."""
LARGE_BYTES = 48 * _MIB
LONG_RANGE_BYTES = 2 * _MIB
"""Range of a video larger than LARGE_BYTES: a request costs a round trip, maybe to another continent."""


def parts(host: VideoHost, video: Video) -> Generator[Part]:
    """Yield the parts of a video; each is checked for its length, and the caller owns it.

    Raises as VideoHost does. Closing the iterator ends what is still being received.
    """
    return _in_ranges(host, video, video.total) if video.is_ranged and video.total else _in_one_stream(video)


def is_whole(video: Video, first: Part) -> bool:
    """Tell whether the first part is the only one."""
    return len(first) == video.total or (video.total is None and len(first) < WHOLE_BYTES)


def _in_ranges(host: VideoHost, video: Video, total: int) -> Generator[Part]:
    size = total if total <= WHOLE_BYTES else PART_BYTES
    pool = ThreadPoolExecutor(CONNECTIONS)
    ahead: deque[tuple[bytearray, deque[Future[memoryview]]]] = deque()
    try:
        for start in range(0, total, size):
            part = bytearray(min(size, total - start))
            ranges = _cut(start, start + len(part), total)
            view = memoryview(part)
            asked = (pool.submit(host.fill, video, low, view[low - start : high - start]) for low, high in ranges)
            ahead.append((part, deque(asked)))
            if len(ahead) == PARTS_AHEAD:
                yield _received(*ahead.popleft())
        while ahead:
            yield _received(*ahead.popleft())
    finally:
        host.stop()
        pool.shutdown(cancel_futures=True)


def _cut(start: int, stop: int, total: int) -> Iterator[tuple[int, int]]:
    """Cut a part into ranges; the first one of the video is that of the first request."""
    length = FIRST_RANGE_BYTES if total <= LARGE_BYTES else LONG_RANGE_BYTES
    while start < stop:
        end = min(start + (length if start else FIRST_RANGE_BYTES), stop)
        yield start, end
        start = end


def _received(body: bytearray, ranges: deque[Future[memoryview]]) -> Part:
    """Wait for the ranges of a part; each is summed up while later ones still arrive."""
    crc32 = 0
    while ranges:
        # A failed one must not stay in a variable: its error would lead to it and keep all of the video in memory.
        crc32 = zlib.crc32(ranges.popleft().result(), crc32)
    return Part(body, crc32)


def _in_one_stream(video: Video) -> Generator[Part]:
    total = video.total
    received = 0
    size = WHOLE_BYTES if total is None or total <= WHOLE_BYTES else PART_BYTES
    with video.answer as answer:
        while total is None or received < total:
            part = bytearray(size if total is None else min(size, total - received))
            count = answer.fill(memoryview(part))
            received += count
            if count < len(part) and total is not None:
                raise CopyInterrupted("truncated", "The video host sent fewer bytes than announced.")
            is_last = count < len(part)
            del part[count:]
            yield Part.of(part)
            if is_last:
                return
            size = PART_BYTES
