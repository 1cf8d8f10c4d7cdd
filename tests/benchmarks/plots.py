"""A chart as SVG, once for a light page and once for a dark one: the same results always make the same files."""

import io
import re
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.benchmarks.chart import FOLDER, THEMES, Bar, Chart, Kind, Panel, Theme
from tests.benchmarks.charts import charts
from tests.benchmarks.report import Results

_WIDTH: Final = 8.6  # inches: what a page on GitHub has room for
_BAR_HEIGHT: Final = 0.31
_TITLE_HEIGHT: Final = 0.42
_COLUMNS_HEIGHT: Final = 2.3
_CHARACTER: Final = 0.0098
"""Of the width, at most, that a character of a label takes."""
_SMALL: Final = 8.5
_FONTS: Final = "-apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif"
_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "seedance-poller",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def write(results: Results) -> None:
    """Draw every plot anew, and remove what nothing draws any more."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.svg"):
        old.unlink()
    for name, document in _plots(results).items():
        (FOLDER / name).write_text(document)


def outdated(results: Results) -> list[str]:
    """Name the plots that do not show what the results say."""
    wanted, there = _plots(results), {path.name: path.read_text() for path in FOLDER.glob("*.svg")}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def _plots(results: Results) -> dict[str, str]:
    return {
        f"{name}.{theme.suffix}.svg": draw(chart, theme) for name, chart in charts(results).items() for theme in THEMES
    }


def draw(chart: Chart, theme: Theme) -> str:
    """Return a chart as an SVG document without a background."""
    with mpl.rc_context(_STYLE):
        figure = _columns(chart, theme) if chart.stands else _bars(chart, theme)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _with_fonts(file.getvalue())


def _bars(chart: Chart, theme: Theme) -> Figure:
    titled = [bool(panel.title) for panel in chart.panels]
    heights = [len(panel.bars) * _BAR_HEIGHT + 0.3 * has for panel, has in zip(chart.panels, titled, strict=True)]
    height = _TITLE_HEIGHT + sum(heights) + 0.12 * len(heights)
    figure = Figure(figsize=(_WIDTH, height))
    longest = max(len(bar.label) for panel in chart.panels for bar in panel.bars)
    said = max(len(bar.said) for panel in chart.panels for bar in panel.bars)
    left, right = min(0.5, 0.012 + longest * _CHARACTER), 1 - 0.01 - said * _CHARACTER
    _headline(figure, chart.headline, theme, height)
    top = height - _TITLE_HEIGHT
    most = max(bar.value for panel in chart.panels for bar in panel.bars)
    for panel, panel_height, has_title in zip(chart.panels, heights, titled, strict=True):
        bars_height = len(panel.bars) * _BAR_HEIGHT
        bottom = top - panel_height
        axes = figure.add_axes((left, bottom / height, right - left, bars_height / height))
        own = max(*(bar.value for bar in panel.bars), panel.limit or 0.0)
        _lying(axes, panel, theme, own if len(chart.panels) > 1 else max(most, panel.limit or 0.0))
        if has_title:
            figure.text(left, (bottom + bars_height + 0.06) / height, panel.title, color=theme.muted, weight="bold")
        top = bottom - 0.12
    return figure


def _lying(axes: Axes, panel: Panel, theme: Theme, most: float) -> None:
    positions = range(len(panel.bars))
    axes.barh(positions, [bar.value for bar in panel.bars], height=0.7, color=_colours(panel, theme))
    axes.set_ylim(len(panel.bars) - 0.5, -0.5)
    axes.set_xlim(0, most or 1)
    axes.set_yticks(positions, [bar.label for bar in panel.bars])
    for label, bar in zip(axes.get_yticklabels(), panel.bars, strict=True):
        label.set(**_words(bar, theme))
    for position, bar in zip(positions, panel.bars, strict=True):
        _annotate(axes, bar.said, (bar.value, position), (5, 0), va="center", **_words(bar, theme))
    _plain(axes, theme)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    if panel.limit is not None:
        axes.axvline(panel.limit, **_limit_line(theme))
        at = ("data", "axes fraction")
        _annotate(axes, panel.limit_said, (panel.limit, 1), (-3, 3), xycoords=at, **_limit_words(theme))


def _columns(chart: Chart, theme: Theme) -> Figure:
    height = _TITLE_HEIGHT + _COLUMNS_HEIGHT
    figure = Figure(figsize=(_WIDTH, height))
    _headline(figure, chart.headline, theme, height)
    width = 0.98 / len(chart.panels)
    for number, panel in enumerate(chart.panels):
        left, title = 0.015 + number * width, (height - _TITLE_HEIGHT - 0.2) / height
        axes = figure.add_axes((left, 0.4 / height, width - 0.03, (_COLUMNS_HEIGHT - 0.95) / height))
        figure.text(left, title, panel.title, color=theme.muted, weight="bold")
        _standing(axes, panel, theme)
    return figure


def _standing(axes: Axes, panel: Panel, theme: Theme) -> None:
    positions = range(len(panel.bars))
    axes.bar(positions, [bar.value for bar in panel.bars], width=0.72, color=_colours(panel, theme))
    axes.set_xticks(positions, [bar.label for bar in panel.bars])
    for position, bar in zip(positions, panel.bars, strict=True):
        _annotate(axes, bar.said, (position, bar.value), (0, 3), ha="center", size=_SMALL, **_words(bar, theme))
    _plain(axes, theme)
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    if panel.limit is not None:
        axes.axhline(panel.limit, **_limit_line(theme))
        at = ("axes fraction", "data")
        _annotate(axes, panel.limit_said, (1, panel.limit), (0, 3), xycoords=at, **_limit_words(theme))


def _colours(panel: Panel, theme: Theme) -> list[str]:
    return [theme.ours if bar.kind is Kind.OURS else theme.peer for bar in panel.bars]


def _words(bar: Bar, theme: Theme) -> dict[str, Any]:
    is_ours = bar.kind is Kind.OURS
    return {"color": theme.ours if is_ours else theme.text, "weight": "bold" if is_ours else "normal"}


def _limit_line(theme: Theme) -> dict[str, Any]:
    return {"color": theme.limit, "linewidth": 1.4, "linestyle": (0, (4, 3)), "zorder": 0}


def _limit_words(theme: Theme) -> dict[str, Any]:
    return {"ha": "right", "color": theme.limit, "size": _SMALL}


def _annotate(axes: Axes, text: str, at: tuple[float, float], off: tuple[float, float], **style: Any) -> None:
    axes.annotate(text, at, off, textcoords="offset points", **style)


def _headline(figure: Figure, text: str, theme: Theme, height: float) -> None:
    figure.text(0.01, 1 - 0.1 / height, text, color=theme.text, weight="bold", size=11.5, va="top")


def _plain(axes: Axes, theme: Theme) -> None:
    axes.tick_params(length=0, colors=theme.text)
    for spine in axes.spines.values():
        spine.set_color(theme.muted)


def _with_fonts(document: str) -> str:
    """Name fonts that readers have: what is measured is DejaVu, which is wider than any of them."""
    return re.sub(r"'DejaVu Sans'(, [^;\"]*)?", _FONTS.replace("\\", ""), document)
