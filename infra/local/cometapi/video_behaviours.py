"""The catalogue of how the host of the signed URLs may serve a video, by name."""

from collections.abc import Mapping
from inspect import signature

from infra.local.cometapi.delivery import Delivery
from infra.local.cometapi.reply import Reply
from infra.local.cometapi.video_breakdowns import VIDEO_BREAKDOWNS
from infra.local.cometapi.video_lies import VIDEO_LIES
from infra.local.cometapi.video_ranges import VIDEO_RANGES
from infra.local.cometapi.video_redirects import VIDEO_REDIRECTS

BEHAVIOURS = VIDEO_LIES | VIDEO_RANGES | VIDEO_REDIRECTS | VIDEO_BREAKDOWNS


def serve(name: str, delivery: Delivery, parameters: Mapping[str, object]) -> Reply:
    """Answer a request for a video the way that has this name."""
    return BEHAVIOURS[name](delivery, **parameters)


def check(name: str, parameters: Mapping[str, object]) -> None:
    """Raise ValueError where no behaviour has this name, or it does not take these parameters."""
    if name not in BEHAVIOURS:
        raise ValueError(f"no video behaviour {name!r}; there are {', '.join(BEHAVIOURS)}")
    try:
        signature(BEHAVIOURS[name]).bind(None, **parameters)
    except TypeError as error:
        raise ValueError(f"video behaviour {name!r}: {error}") from error
