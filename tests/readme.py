"""The README's code blocks, each with what is to be done with it: the second word of its fence, which nobody sees."""

import re
import textwrap
from dataclasses import dataclass

from tests.template import ROOT

_BLOCK = re.compile(r"^( *)```(\w+)([^\n]*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    language: str
    purpose: str
    code: str


README = (ROOT / "README.md").read_text()
BLOCKS = [Block(match[2], match[3].strip(), textwrap.dedent(match[4])) for match in _BLOCK.finditer(README)]
