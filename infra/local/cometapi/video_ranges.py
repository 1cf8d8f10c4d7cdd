"""Ways to answer a range that are allowed, wrong, or neither."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from infra.local.cometapi.delivery import Delivery, error_xml
from infra.local.cometapi.footage import Recut
from infra.local.cometapi.reply import Reply

type Behaviour = Callable[..., Reply]
VIDEO_RANGES: dict[str, Behaviour] = {}


def _named(behaviour: Behaviour) -> Behaviour:
    VIDEO_RANGES[behaviour.__name__] = behaviour
    return behaviour


@_named
def no_ranges(delivery: Delivery) -> Reply:
    """200 with the whole video, whatever range was asked for."""
    reply = delivery.unranged().reply()
    return replace(reply, headers=_except(reply.headers, "Accept-Ranges"))


@_named
def no_length(delivery: Delivery) -> Reply:
    """Chunks instead of a Content-Length, and no ranges."""
    return replace(no_ranges(delivery), length=None)


@_named
def chunked_ranges(delivery: Delivery) -> Reply:
    """Ranges in chunks instead of a Content-Length."""
    return replace(delivery.reply(), length=None)


@_named
def no_etag(delivery: Delivery) -> Reply:
    """Neither ETag nor Last-Modified."""
    return replace(delivery.reply(), headers=_except(delivery.headers(), "ETag", "Last-Modified"))


@_named
def weak_etag(delivery: Delivery) -> Reply:
    """Give an ETag that promises nothing about bytes, and no Last-Modified."""
    headers = _except(delivery.headers(), "Last-Modified") | {"ETag": f"W/{delivery.footage.etag}"}
    return replace(delivery.reply(), headers=headers)


@_named
def etag_on_first_only(delivery: Delivery) -> Reply:
    """Give a validator with the first answer, none with those after it."""
    return delivery.reply() if delivery.attempt == 1 else no_etag(delivery)


@_named
def refuses_ranges(delivery: Delivery, status: int = 403) -> Reply:
    """Refuse whoever asks for a range, and serve the whole video to all others: no such header was signed."""
    return error_xml(status, "AccessDenied", "Access Denied") if delivery.has_range else no_ranges(delivery)


@_named
def refuses_further_ranges(delivery: Delivery, status: int = 403) -> Reply:
    """Refuse all ranges but the first one."""
    return refuses_ranges(delivery, status) if delivery.start else delivery.reply()


@_named
def wrong_content_range(delivery: Delivery, by: int = 1) -> Reply:
    """Answer a range with a Content-Range that starts elsewhere."""
    if not delivery.ranged:
        return delivery.reply()
    shifted = f"bytes {delivery.start + by}-{delivery.stop - 1 + by}/{delivery.footage.size}"
    return replace(delivery.reply(), headers=delivery.headers() | {"Content-Range": shifted})


@_named
def wrong_total(delivery: Delivery, by: int = 1) -> Reply:
    """Answer a range that does not begin the video with another total."""
    if not delivery.start:
        return delivery.reply()
    where = f"bytes {delivery.start}-{delivery.stop - 1}/{delivery.footage.size + by}"
    return replace(delivery.reply(), headers=delivery.headers() | {"Content-Range": where})


@_named
def no_content_range(delivery: Delivery) -> Reply:
    """Answer a range without saying which."""
    return replace(delivery.reply(), headers=_except(delivery.headers(), "Content-Range"))


@_named
def unknown_total(delivery: Delivery) -> Reply:
    """Answer a range without saying of how much."""
    if not delivery.ranged:
        return delivery.reply()
    where = f"bytes {delivery.start}-{delivery.stop - 1}/*"
    return replace(delivery.reply(), headers=delivery.headers() | {"Content-Range": where})


@_named
def range_nobody_asked_for(delivery: Delivery) -> Reply:
    """206 to whoever asks for the whole video."""
    return delivery.reply() if delivery.ranged else replace(delivery.reply(), status=206)


@_named
def from_the_beginning(delivery: Delivery) -> Reply:
    """Answer every range with the first bytes, and say so."""
    length = delivery.stop - delivery.start
    return replace(delivery, start=0, stop=length).reply() if delivery.ranged else delivery.reply()


@_named
def shorter_range(delivery: Delivery) -> Reply:
    """Answer a range with its first half only, and say so."""
    half = replace(delivery, stop=delivery.start + max(delivery.half, 1))
    return half.reply() if delivery.ranged else delivery.reply()


@_named
def longer_range(delivery: Delivery) -> Reply:
    """Answer a range with the rest of the video, and say so."""
    rest = replace(delivery, stop=delivery.footage.size)
    return rest.reply() if delivery.ranged else delivery.reply()


@_named
def longer_chunked_range(delivery: Delivery) -> Reply:
    """Answer a range with more than is said of it, in chunks."""
    reply = replace(delivery.reply(), length=None)
    return replace(reply, chunks=(*reply.chunks, b"!")) if delivery.ranged and delivery.start else reply


@_named
def changes_between_ranges(delivery: Delivery) -> Reply:
    """After the first request, serve another video of the same size under a new ETag."""
    return delivery.reply() if delivery.attempt == 1 else replace(delivery, footage=Recut(delivery.footage)).reply()


@_named
def changes_in_silence(delivery: Delivery) -> Reply:
    """After the first request, serve another video of the same size, and no validator any more."""
    changed = replace(delivery, footage=Recut(delivery.footage))
    return delivery.reply() if delivery.attempt == 1 else no_etag(changed)


def _except(headers: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in names}
