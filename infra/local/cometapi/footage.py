"""The bytes of videos: real files, and synthetic ones of any size that need no file."""

import functools
import hashlib
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from zlib import crc32

VIDEOS = Path(__file__).parents[1] / "videos"
BLOCK = 64 * 1024
_FTYP = struct.pack(">I4s4sI4s4s4s4s", 32, b"ftyp", b"isom", 512, b"isom", b"iso2", b"avc1", b"mp41")
_INVERTED = bytes(255 - value for value in range(256))


class Footage(Protocol):
    """A video that can be read from anywhere."""

    @property
    def size(self) -> int:
        """Return the size in bytes."""

    @property
    def etag(self) -> str:
        """Return the quoted ETag."""

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from start up to stop."""


@dataclass(frozen=True)
class Clip:
    """A playable file below `videos`."""

    name: str

    @functools.cached_property
    def data(self) -> bytes:
        """Return the whole file."""
        return (VIDEOS / self.name).read_bytes()

    @property
    def size(self) -> int:
        """Return the size in bytes."""
        return len(self.data)

    @functools.cached_property
    def etag(self) -> str:
        """Return the quoted ETag."""
        return f'"{hashlib.md5(self.data, usedforsecurity=False).hexdigest()}"'

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from start up to stop."""
        for position in range(start, stop, BLOCK):
            yield self.data[position : min(position + BLOCK, stop)]


@dataclass(frozen=True)
class Synthetic:
    """An MP4 header before pseudo-random bytes: the same seed and size, the same video."""

    size: int
    seed: str

    @property
    def etag(self) -> str:
        """Return the quoted ETag."""
        return f'"{hashlib.md5(f"{self.seed}:{self.size}".encode(), usedforsecurity=False).hexdigest()}"'

    @functools.cached_property
    def _noise(self) -> bytes:
        return random.Random(self.seed).randbytes(BLOCK)  # noqa: S311 - a film, not a secret

    def _block(self, index: int) -> bytes:
        if index:
            # The index makes each block unlike any other, so that a part written to the wrong place shows.
            return struct.pack(">Q", index) + self._noise[8:]
        before = _FTYP + struct.pack(">I4s", 8, b"moov")
        head = before + struct.pack(">I4sQ", 1, b"mdat", max(16, self.size - len(before)))
        return head + self._noise[len(head) :]

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from start up to stop."""
        for index in range(start // BLOCK, -(-stop // BLOCK)):
            first = index * BLOCK
            yield self._block(index)[max(start - first, 0) : stop - first]


@dataclass(frozen=True)
class Recut:
    """Another video of the same size: its header is kept, everything behind it differs."""

    original: Footage

    @property
    def size(self) -> int:
        """Return the size in bytes."""
        return self.original.size

    @property
    def etag(self) -> str:
        """Return the quoted ETag."""
        return f'"recut-{self.original.etag[1:]}'

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from start up to stop."""
        yield from self.original.chunks(start, min(stop, len(_FTYP)))
        for chunk in self.original.chunks(max(start, len(_FTYP)), stop):
            yield chunk.translate(_INVERTED)


def footage_for(task_id: str, *, clip: str | None = None, size: int | None = None) -> Footage:
    """Choose a task's video: the named file, a synthetic one of a size, or by default a file by task id."""
    if size is not None:
        return Synthetic(size, seed=task_id)
    names = sorted(path.name for path in VIDEOS.glob("*.mp4"))
    if clip is not None and clip not in names:
        raise ValueError(f"no clip {clip!r}; there are {', '.join(names)}")
    return _clip(clip or names[crc32(task_id.encode()) % len(names)])


@functools.cache
def _clip(name: str) -> Clip:
    return Clip(name)


def sha256(footage: Footage) -> str:
    """Return the SHA-256 of a whole video in hex."""
    digest = hashlib.sha256()
    for chunk in footage.chunks(0, footage.size):
        digest.update(chunk)
    return digest.hexdigest()
