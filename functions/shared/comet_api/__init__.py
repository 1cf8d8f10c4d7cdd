"""CometAPI: the one place that knows its requests, its answers and their many shapes."""

from shared.comet_api.answers import (
    Answer,
    KeyRejected,
    Misdirected,
    Report,
    Throttled,
    Unavailable,
    Unclear,
    UnknownTask,
    Unreadable,
)
from shared.comet_api.client import ApiKey, CometApi
from shared.comet_api.parser import parse

__all__ = [
    "Answer",
    "ApiKey",
    "CometApi",
    "KeyRejected",
    "Misdirected",
    "Report",
    "Throttled",
    "Unavailable",
    "Unclear",
    "UnknownTask",
    "Unreadable",
    "parse",
]
