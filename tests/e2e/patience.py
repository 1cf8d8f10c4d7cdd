"""Waiting for what a deployed stack does in its own time."""

import time
from collections.abc import Callable

import pytest


def eventually[T](find: Callable[[], T], otherwise: Callable[[], str] | str, seconds: float, pause: float = 0.5) -> T:
    """Return what `find` finds, once that is true; where it is not within `seconds`, the test fails."""
    deadline = time.monotonic() + seconds
    while not (found := find()):
        if time.monotonic() > deadline:
            why = otherwise if isinstance(otherwise, str) else otherwise()
            pytest.fail(f"after {seconds} s still {why}", pytrace=False)
        time.sleep(pause)
    return found
