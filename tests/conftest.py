"""What Lambda gives the functions before they are imported, AWS's rules, and how tests share processes."""

import gc
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tests import aws_rules

os.environ["POWERTOOLS_METRICS_NAMESPACE"] = "SeedancePoller"
os.environ["POWERTOOLS_SERVICE_NAME"] = "seedance-poller"

gc.disable()  # see pytest_collection_finish

settings.register_profile("patient", deadline=None)  # how fast an example is depends on what else the machine does
settings.load_profile("patient")

_TOGETHER = {
    "runbook": ("e2e/test_runbook",),
    "trouble": (
        "e2e/test_faults",
        "e2e/test_kills",
        "e2e/test_permissions",
        "e2e/test_smoke_faults",
        "e2e/test_announcements",
    ),
    "upgrades": ("e2e/test_upgrades", "e2e/test_first_edition"),
    "main": (
        *("e2e/test_certainty", "e2e/test_silence", "e2e/test_readers"),
        *("e2e/test_main_job", "e2e/test_queues", "e2e/test_smoke", "e2e/test_conformance"),
    ),
    "model": ("model/test_model",),
    "tools": ("e2e/test_artifact", "e2e/test_gallery", "e2e/test_ministack", "e2e/test_readme"),
    "worlds": ("simulation/test_worlds",),
}
"""What one process has to itself, the longest first: a deployed stack, or what was explored."""
_GROUPS = {f"tests/{name}.py": group for group, names in _TOGETHER.items() for name in names}


@pytest.fixture(autouse=True)
def _nothing_that_aws_would_refuse() -> Iterator[None]:
    aws_rules.refused.clear()
    yield
    assert not aws_rules.refused  # whoever made the request may have taken its failure for an outage


class SideBySide(LoadScopeScheduling):  # type: ignore[misc]  # see pyproject.toml
    """Lets one process have all tests of a group, in the order collected; the others go wherever there is time.

    Tables go there whole: xdist counts all that is open whenever a test is through. Those of the worlds take too long.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return _GROUPS.get(file) or (nodeid if "simulation" in file else nodeid.partition("[")[0])


class Parts:
    """Says when a part of the tests is through: they run side by side, and the dots do not tell."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal
        self._left: Counter[str] = Counter()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> SideBySide:
        """Share the tests out by the stack that they need, in the order in which they were collected."""
        config.option.loadscopereorder = False
        return SideBySide(config, log)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Count the tests of each part; every process collects the same."""
        self._left = Counter(map(_part, ids))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test that is through."""
        part = _part(report.nodeid)
        if report.when == "teardown" and self._left[part]:
            self._left[part] -= 1
            if not self._left[part]:
                left = ", ".join(f"{name} {count}" for name, count in self._left.items() if count)
                self._terminal.write_line(f" {part} is through; left: {left or 'nothing'}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes longest, where several processes share the tests; else the fast ones are first."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _turn(item.nodeid.partition("::")[0]))


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what was imported and collected, all of which stays until the end."""
    gc.freeze()
    gc.enable()


def _turn(file: str) -> int:
    groups = list(_TOGETHER)
    return groups.index(_GROUPS[file]) if file in _GROUPS else len(groups) + ("simulation" not in file)


def _part(test_id: str) -> str:
    return "/".join(test_id.split("/")[:2])


@pytest.hookimpl(trylast=True)  # after the terminal's
def pytest_configure(config: pytest.Config) -> None:
    """Share the tests out where several processes have them."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal and config.getoption("numprocesses", None):
        config.pluginmanager.register(Parts(terminal))
