"""A bar chart a question, as SVG: the same results always make the same file."""

import re
from collections.abc import Mapping
from typing import Any

import pygal
from pygal.style import Style

from tests.benchmarks.report import shown

_BAR_HEIGHT, _MARGIN = 34, 110
_LOGARITHMIC_FROM = 50
"""How many times the lowest bar the highest must be for a logarithmic scale."""
_STYLE = Style(
    background="#ffffff",
    plot_background="#ffffff",
    colors=("#a9cce9",),
    opacity="1",
    font_family="sans-serif",
    value_font_size=12,
    guide_stroke_color="#dddddd",
    major_guide_stroke_color="#dddddd",
)
_DATED_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def plot(finding: Mapping[str, Any]) -> str:
    """Return the medians of one finding as an SVG document."""
    rows = list(reversed(finding["rows"]))  # the first one is drawn at the bottom
    values = [row["median"] for row in rows]
    is_logarithmic = min(values) > 0 and max(values) / min(values) > _LOGARITHMIC_FROM
    chart = pygal.HorizontalBar(
        js=(),
        no_prefix=True,
        disable_xml_declaration=True,
        show_legend=False,
        print_values=True,
        print_values_position="top",
        logarithmic=is_logarithmic,
        zero=min(values) / 2 if is_logarithmic else 0,
        range=(min(values) / 2 if is_logarithmic else 0, max(values)),
        show_x_labels=False,  # the values stand at the bars
        width=900,
        height=_MARGIN + _BAR_HEIGHT * len(rows),
        style=_STYLE,
        value_formatter=shown,
        title=f"{finding['question']} ({finding['unit']}{', logarithmic' if is_logarithmic else ''})",
    )
    chart.x_labels = [row["name"] for row in rows]
    chart.add("", values)
    return _DATED_COMMENT.sub("", chart.render(is_unicode=True)) + "\n"
