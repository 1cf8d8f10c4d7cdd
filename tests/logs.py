"""What the functions write: their log lines with all fields, and their metrics, whose names say their units."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from aws_lambda_powertools import Logger

SERVICE = "seedance-poller"
_OF_EVERY_LINE = vars(logging.makeLogRecord({})).keys() | {"message", "asctime"}


@contextmanager
def written_by(logger: Logger) -> Iterator[StringIO]:
    """Take what a function's logger writes, as Lambda would get it."""
    written = StringIO()
    handler: Any = logger.registered_handler
    before = handler.setStream(written)
    try:
        yield written
    finally:
        handler.setStream(before)


def logged(caplog: pytest.LogCaptureFixture, level: str) -> list[dict[str, Any]]:
    """Return the lines of a level, with their message, the fields that their writer gave them, and any traceback."""
    return [
        {"message": record.getMessage()}
        | {
            name: value
            for name, value in vars(record).items()
            if name not in _OF_EVERY_LINE or (name == "exc_info" and value)
        }
        for record in caplog.records
        if record.levelname == level
    ]


def metrics_in(printed: str) -> dict[str, list[float]]:
    """Return the values of the metrics among printed lines, by their names."""
    found: dict[str, list[float]] = {}
    for line in printed.splitlines():
        if "_aws" in line:
            told: dict[str, Any] = json.loads(line)
            (directive,) = told["_aws"]["CloudWatchMetrics"]
            # Of any other no alarm hears, nor does the dashboard.
            assert (directive["Namespace"], directive["Dimensions"]) == ("SeedancePoller", [["service"]])
            assert told["service"] == SERVICE
            for metric in directive["Metrics"]:
                name = metric["Name"]
                assert metric["Unit"] == ("Seconds" if "Seconds" in name else "Bytes" if "Bytes" in name else "Count")
                found.setdefault(name, []).extend(told[name])
    return found
