"""The parts of a video in their order, received by several connections at once where its host allows that."""

import zlib
from base64 import b64encode
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil

from copier.video import Video
from copier.video_host import CONNECTIONS, RANGE_BYTES, VideoHost

_MIB = 1024 * 1024
PART_BYTES = 12 * _MIB
"""Of a larger one: a part costs 2 ms of CPU, as much as receiving 2 MB, whatever its size."""
WHOLE_BYTES = 32 * _MIB
"""Up to this size a video is one part, a usual one is: S3 bills each request, and three parts would take five."""
PARTS_AHEAD = 2
"""Parts being received at once; with those being uploaded this bounds the memory, whatever the video's size."""
CONNECTION_BYTES = 2 * _MIB
"""What is worth a connection: eight handshakes for 8 MB cost a fifth of the CPU."""


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive bytes of a video, and their checksum from when they arrived: S3 compares it with what it was sent."""

    body: bytearray
    checksum: str
    """As S3 writes it; CRC64NVME would need a native package, and for whole objects CRC32 will do."""

    @classmethod
    def of(cls, body: bytearray) -> "Part":
        """Return these bytes with their checksum."""
        return cls(body, b64encode(zlib.crc32(body).to_bytes(4)).decode())

    def __len__(self) -> int:
        """Return the number of bytes."""
        return len(self.body)


def parts(host: VideoHost, video: Video) -> Generator[Part]:
    """Yield the parts of a video, none of them empty; the caller owns them.

    Raises as VideoHost does. Closing the iterator ends what is still being received.
    """
    return _in_ranges(host, video, video.total) if video.is_ranged and video.total else _in_one_stream(host, video)


def _in_ranges(host: VideoHost, video: Video, total: int) -> Generator[Part]:
    size = total if total <= WHOLE_BYTES else PART_BYTES
    pool = ThreadPoolExecutor(max(2, min(ceil(total / CONNECTION_BYTES), CONNECTIONS)))
    ahead: deque[tuple[bytearray, deque[Future[memoryview]]]] = deque()
    try:
        for start in range(0, total, size):
            body = bytearray(min(size, total - start))
            view = memoryview(body)
            ranges = range(0, len(body), RANGE_BYTES)
            asked = (pool.submit(host.fill, video, start + low, view[low : low + RANGE_BYTES]) for low in ranges)
            ahead.append((body, deque(asked)))
            if len(ahead) == PARTS_AHEAD:
                yield _received(*ahead.popleft())
        while ahead:
            yield _received(*ahead.popleft())
    finally:
        host.stop()
        pool.shutdown(cancel_futures=True)


def _received(body: bytearray, ranges: deque[Future[memoryview]]) -> Part:
    while ranges:
        ranges.popleft().result()  # in no variable: the error of a failed one would keep all of the video in memory
    return Part.of(body)


def _in_one_stream(host: VideoHost, video: Video) -> Generator[Part]:
    total, start = video.total, 0
    size = WHOLE_BYTES if total is None or total <= WHOLE_BYTES else PART_BYTES
    while total is None or start < total:
        body = bytearray(size if total is None else min(size, total - start))
        count = len(host.fill(video, start, memoryview(body)))
        is_last = count < len(body)
        del body[count:]
        if body:
            yield Part.of(body)
        if is_last:
            return
        start += count
        size = PART_BYTES
