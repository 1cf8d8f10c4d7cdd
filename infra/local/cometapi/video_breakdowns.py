"""Ways to serve a video that break off, crawl or never end."""

from collections.abc import Callable
from dataclasses import replace
from itertools import chain, repeat

from infra.local.cometapi.delivery import Delivery
from infra.local.cometapi.reply import Ending, Reply

type Behaviour = Callable[..., Reply]
VIDEO_BREAKDOWNS: dict[str, Behaviour] = {}


def _named(behaviour: Behaviour) -> Behaviour:
    VIDEO_BREAKDOWNS[behaviour.__name__] = behaviour
    return behaviour


@_named
def truncated(delivery: Delivery) -> Reply:
    """Half the bytes, then FIN."""
    return replace(delivery.reply(), chunks=delivery.part(delivery.half), ending=Ending.CLOSE)


@_named
def truncated_chunked(delivery: Delivery) -> Reply:
    """Half the bytes in chunks, then FIN without the last chunk."""
    return replace(truncated(delivery.unranged()), length=None)


@_named
def reset(delivery: Delivery) -> Reply:
    """Half the bytes, then RST."""
    return replace(truncated(delivery), ending=Ending.RESET)


@_named
def reset_before_headers(_delivery: Delivery) -> Reply:
    """RST instead of an answer."""
    return Reply(silent=True, ending=Ending.RESET)


@_named
def stall(delivery: Delivery) -> Reply:
    """Half the bytes, then nothing for as long as the client waits."""
    return replace(truncated(delivery), ending=Ending.STALL)


@_named
def stall_before_headers(_delivery: Delivery) -> Reply:
    """Nothing for as long as the client waits."""
    return Reply(silent=True, ending=Ending.STALL)


@_named
def endless(delivery: Delivery) -> Reply:
    """Chunks that never end, after the video."""
    reply = delivery.unranged().reply()
    return replace(reply, chunks=chain(reply.chunks, repeat(bytes(65_536))), length=None)


@_named
def throttled(delivery: Delivery, bytes_per_second: int = 65_536) -> Reply:
    """Serve so many bytes per second and connection."""
    return replace(delivery.reply(), bytes_per_second=bytes_per_second)


@_named
def drip(delivery: Delivery, bytes_per_second: int = 1) -> Reply:
    """Serve byte by byte, so that no read ever times out."""
    return throttled(delivery, bytes_per_second)


@_named
def slow_start(delivery: Delivery, seconds: float = 5.0) -> Reply:
    """Serve after a pause."""
    return replace(delivery.reply(), delay=seconds)


@_named
def flaky_resets(delivery: Delivery, every: int = 2) -> Reply:
    """Reset each n-th connection in the middle of the bytes."""
    return delivery.reply() if delivery.attempt % every else reset(delivery)


@_named
def length_too_long(delivery: Delivery, by: int = 1000) -> Reply:
    """All bytes, but a Content-Length above them; then FIN."""
    reply = delivery.reply()
    return replace(reply, length=(reply.length or 0) + by, ending=Ending.CLOSE)


@_named
def length_huge(delivery: Delivery, length: int = 1 << 40) -> Reply:
    """Announce a terabyte, then stall."""
    return replace(delivery.unranged().reply(), length=length, ending=Ending.STALL)
