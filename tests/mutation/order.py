"""A pytest plugin: the fastest tests first, so that most mistakes are noticed within a second; and a control."""

import gc
import importlib
import json
from pathlib import Path

import pytest

STATISTICS = Path("mutmut-stats.json")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests by how long they took when all was well."""
    if STATISTICS.exists():
        seconds = json.loads(STATISTICS.read_text())["duration_by_test"]
        items.sort(key=lambda item: seconds.get(item.nodeid, 0.0))


@pytest.fixture(autouse=True)
def _control() -> None:
    """Make each test one of `control.py`, in which a mistake is none: that it survives proves that the tests run."""
    importlib.import_module("control").number()


def pytest_collection_finish() -> None:
    """Keep what was imported out of what is collected: each mistake is tested in a fork of this process."""
    gc.freeze()
