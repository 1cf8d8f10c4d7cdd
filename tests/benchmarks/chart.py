"""What a chart says, however it is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("plots")
"""Where the plots are."""


class Kind(Enum):
    """Who a bar belongs to."""

    OURS = "ours"
    PEER = "peer"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; `said` stands at its end, its value and ratio."""

    label: str
    value: float
    said: str
    kind: Kind = Kind.PEER


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars with one scale, which begins at zero; `limit` is drawn as a line."""

    title: str
    bars: Sequence[Bar]
    limit: float | None = None
    limit_said: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Panels under the finding in words; lying bars, or standing ones beside each other."""

    headline: str
    panels: Sequence[Panel]
    stands: bool = False


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours for one background."""

    suffix: str
    ours: str
    peer: str
    text: str
    muted: str
    limit: str


THEMES: Final = (
    Theme("light", "#0969da", "#c4cad1", "#1f2328", "#59636e", "#cf222e"),
    Theme("dark", "#4493f8", "#4d5560", "#f0f6fc", "#9198a1", "#ff7b72"),
)
