"""What the HTTP status of a video host means for a copy."""

from copier.patience import HostTrouble
from shared.errors import CopyInterrupted

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_EXPIRED = frozenset({403, 404, 410})
_TRANSIENT = frozenset({408, 425, 429})


class UrlExpired(CopyInterrupted):
    """The URL is of no use any more; a fresh one may be."""


def error_of(status: int) -> CopyInterrupted:
    """Return what a status means that is neither a video nor a redirect."""
    if status in _EXPIRED:
        return UrlExpired("url_expired", f"The video URL answers HTTP {status}: it has expired or was withdrawn.")
    kind = HostTrouble if status in _TRANSIENT or status >= 500 else CopyInterrupted
    return kind(f"http_{status}", f"The video host answers HTTP {status} instead of a video.")
