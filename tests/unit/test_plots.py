"""Holds the plots to the results of the benchmarks."""

from typing import Any

import pytest

from tests.benchmarks.chart import THEMES, Bar, Chart, Kind, Panel
from tests.benchmarks.report import load


@pytest.fixture(scope="module")
def plots() -> Any:
    return pytest.importorskip("tests.benchmarks.plots", reason="`make test` and `make bench` install matplotlib")


def test_the_plots_say_what_was_measured(plots: Any) -> None:
    assert plots.outdated(load()) == [], "run `.venv/bin/python -m tests.benchmarks --readme`"


def test_a_plot_says_its_finding_in_the_colours_of_its_theme(plots: Any) -> None:
    chart = Chart(
        "A finding", [Panel("", [Bar("ours", 1.0, "1 s", Kind.OURS), Bar("a peer", 3.0, "3 s · 3x")], 2.0, "goal")]
    )
    for theme in THEMES:
        document = plots.draw(chart, theme)
        assert all(text in document for text in ("A finding", "a peer", "3 s · 3x", theme.ours, theme.peer))
        assert document == plots.draw(chart, theme)
