"""Ways to serve a video that end as HTTP says, whatever they claim."""

import functools
import gzip
from collections.abc import Callable
from dataclasses import replace

from infra.local.cometapi.delivery import Delivery, error_xml
from infra.local.cometapi.reply import Reply, whole

MIB = 1024 * 1024

type Behaviour = Callable[..., Reply]
VIDEO_LIES: dict[str, Behaviour] = {}


def _named(behaviour: Behaviour) -> Behaviour:
    VIDEO_LIES[behaviour.__name__] = behaviour
    return behaviour


@_named
def fine(delivery: Delivery) -> Reply:
    """Serve as an object store does, ranges included."""
    return delivery.reply()


# --- Refusals ---


@_named
def expired(_delivery: Delivery) -> Reply:
    """403 as after the signature's end."""
    return error_xml(403, "AccessDenied", "Request has expired")


@_named
def gone_404(_delivery: Delivery) -> Reply:
    """404 in XML."""
    return error_xml(404, "NoSuchKey", "The specified key does not exist.")


@_named
def gone_410(_delivery: Delivery) -> Reply:
    """410 in XML."""
    return error_xml(410, "Gone", "The object was removed by its lifecycle rule.")


@_named
def error(_delivery: Delivery, status: int = 500) -> Reply:
    """Any error status in XML."""
    return error_xml(status, "InternalError", "We encountered an internal error. Please try again.")


@_named
def fails_once(delivery: Delivery, status: int = 500) -> Reply:
    """Fail the first request for this video only."""
    return error(delivery, status) if delivery.attempt == 1 else fine(delivery)


@_named
def flaky(delivery: Delivery, every: int = 3, status: int = 503) -> Reply:
    """Fail each n-th request for this video."""
    return fine(delivery) if delivery.attempt % every else error(delivery, status)


# --- Not the video ---


@_named
def html_200(_delivery: Delivery) -> Reply:
    """200 with a page."""
    return whole(b"<!DOCTYPE html><html><body>Sign in to the network</body></html>", content_type="text/html")


@_named
def xml_200(_delivery: Delivery) -> Reply:
    """200 with an object store's error."""
    return error_xml(200, "InternalError", "We encountered an internal error.")


@_named
def json_200(_delivery: Delivery) -> Reply:
    """200 with an error in JSON."""
    return whole(b'{"code": "not_found", "message": "no such video", "data": null}')


@_named
def html_labelled_mp4(_delivery: Delivery) -> Reply:
    """200 with a page that says it is a video."""
    return whole(b"<!DOCTYPE html><html><body>Not a video</body></html>", content_type="video/mp4")


@_named
def empty(_delivery: Delivery) -> Reply:
    """200 with no byte."""
    return whole(b"", content_type="video/mp4")


# --- Headers that differ or lie ---


@_named
def content_type(delivery: Delivery, value: str = "application/octet-stream") -> Reply:
    """Serve the video under another Content-Type."""
    return replace(delivery.reply(), headers=delivery.headers() | {"Content-Type": value})


@_named
def length_too_short(delivery: Delivery, by: int = 1000) -> Reply:
    """All bytes, but a Content-Length below them."""
    length = max(delivery.stop - delivery.start - by, delivery.half)
    surplus = b"".join(delivery.footage.chunks(delivery.start + length, delivery.stop))
    return replace(delivery.reply(), chunks=delivery.part(length), length=length, surplus=surplus)


@_named
def gzip_bomb(_delivery: Delivery, size: int = 64 * MIB) -> Reply:
    """Content-Encoding gzip: a small body that unpacks to a large one."""
    reply = whole(_bomb(size), content_type="video/mp4")
    return replace(reply, headers=dict(reply.headers) | {"Content-Encoding": "gzip"})


@functools.cache
def _bomb(size: int) -> bytes:
    return gzip.compress(b"\0\0\0\x20ftypisom" + bytes(size), compresslevel=1)
