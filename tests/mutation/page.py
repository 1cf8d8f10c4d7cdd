"""The table of the mistakes in tests/README.md."""

import re
from collections.abc import Iterable
from itertools import chain

from tests.mutation.groups import GROUPS
from tests.mutation.survivors import Reason, Row
from tests.template import ROOT

PAGE = ROOT / "tests" / "README.md"
_BLOCK = re.compile(r"(<!-- mutants: begin -->\n).*?(<!-- mutants: end -->)", re.DOTALL)
_ROW = re.compile(r"^\| `([\w/]+\.py)` \|.*$", re.MULTILINE)


def table(rows: Iterable[Row], known: dict[str, str]) -> str:
    """Return the table of all modules: the rows of this run, for all other modules those that are known, if any."""
    lines = {**known, **{row.file: _line(row) for row in rows}}
    files = chain.from_iterable(group.files for group in GROUPS)
    head = "| module | mistakes | noticed | % | not noticed |\n|---|--:|--:|--:|---|\n"
    return head + "".join(f"{lines.get(file, f'| `{file}` |  |  |  | not run yet |')}\n" for file in sorted(files))


def known_rows(page: str) -> dict[str, str]:
    """Return the lines of the table as the page has them, by their modules."""
    block = _BLOCK.search(page)
    return {match[1]: match[0] for match in _ROW.finditer(block[0])} if block else {}


def updated(page: str, rows: Iterable[Row], reasons: Iterable[Reason]) -> str:
    """Return the page with the rows of this run, and with all reasons."""
    why = "".join(f"| {reason.name} | {reason.why} |\n" for reason in reasons)
    text = f"{table(rows, known_rows(page))}\n| not noticed | why not |\n|---|---|\n{why}"
    return _BLOCK.sub(lambda match: f"{match[1]}{text}{match[2]}", page)


def _line(row: Row) -> str:
    why = ", ".join(f"{count} {name}" for name, count in sorted(row.reasons.items()))
    return f"| `{row.file}` | {row.mutants} | {row.killed} | {row.percent:.1f} | {why} |"
