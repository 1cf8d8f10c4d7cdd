"""The catalogue of what may be served where a last frame should be, by name."""

import base64
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat

from infra.local.cometapi.delivery import error_xml
from infra.local.cometapi.footage import Footage
from infra.local.cometapi.reply import Ending, Reply, whole

MIB = 1024 * 1024
_WIDTH, _HEIGHT = 320, 180
_JPG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////"
    "////////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA="
)
_WEBP = base64.b64decode("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA")


@dataclass(frozen=True)
class Shot:
    """The task whose last frame is asked for."""

    task_id: str
    footage: Footage


type Behaviour = Callable[..., Reply]
LAST_FRAMES: dict[str, Behaviour] = {}


def _named(behaviour: Behaviour) -> Behaviour:
    LAST_FRAMES[behaviour.__name__] = behaviour
    return behaviour


def picture(seed: str) -> bytes:
    """Return a PNG of its own for each seed: a gradient from one colour to another."""
    chance = random.Random(seed)  # noqa: S311 - a picture, no secret
    left, right = (bytes(chance.randrange(256) for _ in range(3)) for _ in range(2))
    colours = list(zip(left, right, strict=True))
    line = b"\0" + bytes(a + (b - a) * x // _WIDTH for x in range(_WIDTH) for a, b in colours)
    header = struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(line * _HEIGHT)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


@_named
def png(shot: Shot, content_type: str = "image/png") -> Reply:
    """Serve a PNG, whatever it is said to be."""
    return whole(picture(shot.task_id), content_type=content_type)


@_named
def jpg(_shot: Shot) -> Reply:
    """Serve a JPEG."""
    return whole(_JPG, content_type="image/jpeg")


@_named
def webp(_shot: Shot) -> Reply:
    """Serve a WebP."""
    return whole(_WEBP, content_type="image/webp")


@_named
def html(_shot: Shot) -> Reply:
    """Serve a page that says it is a PNG."""
    return whole(b"<!DOCTYPE html><html><body>Not an image</body></html>", content_type="image/png")


@_named
def video(shot: Shot) -> Reply:
    """Serve the video itself as a PNG."""
    return whole(b"".join(shot.footage.chunks(0, min(shot.footage.size, MIB))), content_type="image/png")


@_named
def empty(_shot: Shot) -> Reply:
    """Serve no byte."""
    return whole(b"", content_type="image/png")


@_named
def huge(shot: Shot, size: int = 33 * MIB) -> Reply:
    """Serve a PNG with a long tail, in chunks, so that nothing says how long."""
    tail = repeat(bytes(MIB), size // MIB)
    return Reply(headers={"Content-Type": "image/png"}, chunks=(picture(shot.task_id), *tail), length=None)


@_named
def refused(_shot: Shot, status: int = 404) -> Reply:
    """Refuse in XML."""
    return error_xml(status, "Refused", "There is no such frame.")


@_named
def redirect(_shot: Shot, to: str = "http://169.254.169.254/latest/meta-data/", status: int = 302) -> Reply:
    """Send the client to any URL."""
    return Reply(status=status, headers={"Location": to})


@_named
def reset(_shot: Shot) -> Reply:
    """RST instead of an answer."""
    return Reply(silent=True, ending=Ending.RESET)


@_named
def stall(_shot: Shot) -> Reply:
    """Say nothing for as long as the client waits."""
    return Reply(silent=True, ending=Ending.STALL)
