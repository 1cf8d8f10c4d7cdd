"""The pages' code blocks, each with what is to be done with it: the second word of its fence, which nobody sees."""

import re
import textwrap
from dataclasses import dataclass

from tests.template import ROOT

_BLOCK = re.compile(r"^( *)```(\w+)([^\n]*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
PAGES = {
    str(page.relative_to(ROOT)): page.read_text()
    for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("[!.]*/**/*.md")])
    if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
}
"""Every page of the project, by its path."""


@dataclass(frozen=True)
class Block:
    language: str
    purpose: str
    code: str


def blocks(page: str) -> list[Block]:
    """Return the code blocks of a page in their order."""
    return [Block(match[2], match[3].strip(), textwrap.dedent(match[4])) for match in _BLOCK.finditer(page)]


README = PAGES["README.md"]
BLOCKS = blocks(README)
