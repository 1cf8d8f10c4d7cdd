"""What the pages say is so: each block of the README is run by a test, or looked at as far as that goes without AWS."""

import re
from pathlib import Path

import pytest

from shared import endings, lifecycle
from tests.readme import BLOCKS, PAGES, README, Block, blocks
from tests.template import ROOT, TEMPLATE

MAKEFILE = (ROOT / "Makefile").read_text()
REFERENCE = PAGES["docs/reference.md"]
CHINESE = PAGES["README.zh-CN.md"]
PURPOSES = {
    ("sh", "run"),  # tests/e2e/test_readme.py
    ("python", "run"),  # see above
    ("csv", "tasks.csv"),  # see above
    ("sh", "make"),  # targets that exist; what they do is the test suite, or uses what it tests
    ("sh", "aws"),  # see "make"
    ("mermaid", ""),
}
MOST_WORDS = 1800
TARGETS = {
    target
    for page in PAGES.values()
    for typed in [
        *re.findall(r"`([^`\n]+)`", page),
        *(line for block in blocks(page) for line in block.code.splitlines()),
    ]
    for target in re.findall(r"(?:^|\| )make ([a-z]+)\b", typed)
}
LINKS = [
    (page, link)
    for page, text in PAGES.items()
    for link in sorted(set(re.findall(r"\]\(([^)\s]+)\)", text)))
    if not link.startswith(("http://", "https://", "mailto:"))
]


def test_every_block_has_a_purpose() -> None:
    assert {(block.language, block.purpose) for block in BLOCKS} == PURPOSES


def test_the_readme_is_a_page_to_read() -> None:
    assert len(README.split()) <= MOST_WORDS


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_every_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:.*## ", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_every_link_leads_somewhere(page: str, link: str) -> None:
    path, _, anchor = link.partition("#")
    target = Path(ROOT, page).parent / path if path else Path(ROOT, page)
    assert target.exists()
    if anchor:
        assert anchor in {anchor_of(heading) for heading in re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)}


def anchor_of(heading: str) -> str:
    """Return what GitHub makes of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_the_readme_speaks_no_language_of_its_own() -> None:
    assert not re.findall(r"\b(?:ticks?|windows?|hand-?offs?|handed off|leases?|segments?)\b", README)
    assert re.findall(r"\*?\brounds?\b", README)[0] == "*round"  # where it is explained


def test_every_parameter_is_described_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", REFERENCE, re.MULTILINE))
    shown = {"5 GiB": str(5 * 1024**3), "empty": ""}
    for name, parameter in TEMPLATE["Parameters"].items():
        said = rows[name].strip("`")
        assert shown.get(said, said) == str(parameter["Default"])


def test_every_output_is_named() -> None:
    assert all(f"`{name}`" in REFERENCE for name in TEMPLATE["Outputs"])


def test_every_code_of_ours_has_its_cure() -> None:
    source = Path(endings.__file__).read_text() + Path(lifecycle.__file__).read_text()
    codes = set(re.findall(r'\berror\(\s*"(\w+)"', source)) | {
        f"silence_{kind}" for kind in re.findall(r'code, said = "(\w+)"', source)
    }
    copier = "".join(path.read_text() for path in sorted((ROOT / "functions/copier").glob("*.py")))
    copies = set(
        re.findall(r'\b(?:CopyInterrupted|VideoRefused|HostTrouble|OutOfTime|TooSlow|_refused)\(\s*"(\w+)"', copier)
    )
    assert codes
    assert copies
    codes |= copies
    assert all(f"`{code}`" in REFERENCE for code in codes)


def test_the_chinese_page_is_the_same_page() -> None:
    assert shape(CHINESE) == shape(README)
    assert [said(block) for block in blocks(CHINESE)] == [said(block) for block in BLOCKS]
    commands = re.compile(r"`(?:make|source|export|pip) [^`]+`")
    assert sorted(set(commands.findall(CHINESE))) == sorted(set(commands.findall(README)))
    assert README.startswith("[中文](README.zh-CN.md)\n")
    assert CHINESE.startswith("[English](README.md)\n")


def shape(page: str) -> list[str]:
    """Return what a page has in every language: the levels of its headings, its links, and the rows of its tables."""
    apart = r"^ *```.*?^ *```$|^<!-- measured: begin -->.*?^<!-- measured: end -->$"  # figures stand on one page only
    prose = re.sub(apart, "", page, flags=re.DOTALL | re.MULTILINE).partition("\n")[2]
    return re.findall(r"^#+(?= )|\]\([^)\s]+\)|^\|(?= )|^ *\*(?= )|^<!-- .* -->$", prose, re.MULTILINE)


def said(block: Block) -> tuple[str, str, str]:
    """Return what a block says to a machine; the words of a chart are people's."""
    arrows = re.findall(r"-->|<-->|\w+(?=[\[(])", block.code)
    return block.language, block.purpose, " ".join(arrows) if block.language == "mermaid" else block.code
