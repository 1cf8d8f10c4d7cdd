"""CometAPI: the one place that knows its requests, its answers and their many shapes."""

from shared.comet_api.answers import (
    Answer,
    Forbidden,
    KeyRejected,
    Misdirected,
    Report,
    Throttled,
    Unavailable,
    Unclear,
    UnknownTask,
    Unreadable,
)
from shared.comet_api.client import CometApi, content_url, normal_base
from shared.comet_api.parser import KEY_PROVEN_SECONDS, parse

__all__ = [
    "KEY_PROVEN_SECONDS",
    "Answer",
    "CometApi",
    "Forbidden",
    "KeyRejected",
    "Misdirected",
    "Report",
    "Throttled",
    "Unavailable",
    "Unclear",
    "UnknownTask",
    "Unreadable",
    "content_url",
    "normal_base",
    "parse",
]
