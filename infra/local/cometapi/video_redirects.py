"""Ways to send whoever asks for a video somewhere else."""

from collections.abc import Callable
from dataclasses import replace

from infra.local.cometapi.delivery import Delivery
from infra.local.cometapi.reply import Reply

type Behaviour = Callable[..., Reply]
VIDEO_REDIRECTS: dict[str, Behaviour] = {}


def _named(behaviour: Behaviour) -> Behaviour:
    VIDEO_REDIRECTS[behaviour.__name__] = behaviour
    return behaviour


@_named
def redirect(_delivery: Delivery, to: str = "http://169.254.169.254/latest/meta-data/", status: int = 302) -> Reply:
    """Send the client to any URL."""
    return Reply(status=status, headers={"Location": to})


@_named
def redirect_once(delivery: Delivery, status: int = 302) -> Reply:
    """Send the client to another signed URL of this host, which serves the video."""
    return redirect(delivery, delivery.moved_url, status)


@_named
def redirect_relative(delivery: Delivery, status: int = 307) -> Reply:
    """Send the client to the same URL without naming the host."""
    return redirect(delivery, "/" + delivery.moved_url.split("/", 3)[3], status)


@_named
def redirect_to_one_request(delivery: Delivery, status: int = 302) -> Reply:
    """Send the client to a URL that is good for one request; each redirect leads to another one."""
    return redirect(delivery, delivery.one_time_url, status)


@_named
def redirect_loop(delivery: Delivery, status: int = 302) -> Reply:
    """Send the client to the URL that it just asked."""
    return redirect(delivery, delivery.url, status)


@_named
def redirect_nowhere(_delivery: Delivery, status: int = 302) -> Reply:
    """Send the client on without saying where to."""
    return Reply(status=status)


@_named
def redirect_with_body(delivery: Delivery, status: int = 301) -> Reply:
    """Send the client to another URL, and the video along with it."""
    reply = delivery.unranged().reply()
    return replace(reply, status=status, headers=dict(reply.headers) | {"Location": delivery.moved_url})
