"""infra/README.md as the tests read it: its commands, its alarms and its metrics are stated there once."""

import re
from dataclasses import dataclass

from tests.template import ROOT

TEXT = (ROOT / "infra/README.md").read_text()
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| `(\w+)` \|(.*)\|$", re.MULTILINE)
_LINK = re.compile(r"\(#([\w-]+)\)")

PREAMBLE = _BLOCK.findall(TEXT)[0]
"""What makes the commands work: names from the stack's outputs, and a few shell functions."""

(CRASHES,) = re.findall(r"^CRASHES='(.*)'$", PREAMBLE, re.MULTILINE)
"""The runtime's words, not ours."""


@dataclass(frozen=True)
class Entry:
    """What the runbook says of one alarm: what to ask the log, and the commands that cure it."""

    function: str
    pattern: str
    cures: list[str]


def section(title: str) -> str:
    """Return the text below a heading, up to the next one of its rank or above."""
    (rank, text) = re.findall(rf"^(#+) {re.escape(title)}\n(.*)", TEXT, re.MULTILINE | re.DOTALL)[0]
    return re.split(rf"^#{{1,{len(rank)}}} ", text, maxsplit=1, flags=re.MULTILINE)[0]


def command(title: str) -> str:
    """Return the one block of commands below a heading."""
    (block,) = _BLOCK.findall(section(title))
    return str(block)


def commands() -> dict[str, str]:
    """Return the headings of all commands, by what links call them."""
    titles = re.findall(r"^### (.+)$", section("Commands"), re.MULTILINE)
    return {title.lower().replace(" ", "-"): title for title in titles}


def metrics() -> dict[str, str]:
    """Return the documented metrics and their units."""
    return {name: row.split("|")[0].strip() for name, row in _ROW.findall(section("Metrics"))}


def alarms() -> dict[str, Entry]:
    """Return what the runbook says of each alarm."""
    return {name: _entry(row) for name, row in _ROW.findall(section("Alarms"))}


def _entry(row: str) -> Entry:
    _, ask, cure = row.split("|")
    function, pattern = re.findall(r"""`ask "\$(\w+)" ['"]?([^'"`]+)['"]?`""", ask)[0]
    return Entry(function, CRASHES if pattern == "$CRASHES" else pattern, _LINK.findall(cure))
