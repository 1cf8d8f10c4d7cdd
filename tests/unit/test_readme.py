"""What the README says is so: every block is run by a test, or was looked at as far as that goes without AWS."""

import re
from pathlib import Path

import pytest

from tests.benchmarks.report import load
from tests.readme import BLOCKS, README
from tests.template import ROOT, TEMPLATE

MAKEFILE = (ROOT / "Makefile").read_text()
PURPOSES = {
    ("sh", "run"),  # tests/e2e/test_readme.py
    ("python", "run"),  # see above
    ("csv", "tasks.csv"),  # see above
    ("sh", "make"),  # targets that exist; what they do is the test suite, or uses what it tests
    ("sh", "aws"),  # see "make"
    ("text", ""),
    ("mermaid", ""),
}


def test_every_block_has_a_purpose() -> None:
    assert {(block.language, block.purpose) for block in BLOCKS} == PURPOSES


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z]+)\b", README)) - {"it"}))
def test_every_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:.*## ", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([\w./-]+)\)", README))))
def test_every_link_leads_somewhere(link: str) -> None:
    assert Path(ROOT, link).exists()


def test_every_parameter_is_described_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", README, re.MULTILINE))
    shown = {"5 GiB": str(5 * 1024**3), "empty": ""}
    for name, parameter in TEMPLATE["Parameters"].items():
        said = rows[name].strip("`")
        assert shown.get(said, said) == str(parameter["Default"])


def test_every_output_is_named() -> None:
    assert all(f"`{name}`" in README for name in TEMPLATE["Outputs"])


def test_the_comparison_says_what_was_measured() -> None:
    rows = dict(re.findall(r"^\| ([\w -]+) \| ([\d.]+) \|", README.partition("## Instead of it")[2], re.MULTILINE))
    results = load()
    measured = {row["name"]: f"{row['median']:.2g}" for row in results["dollars_hour"]["rows"]}
    compared = rows.keys() & measured.keys()
    assert len(compared) == 4
    assert {name: float(rows[name]) for name in compared} == {name: float(measured[name]) for name in compared}
    (day,) = [row["median"] for row in results["dollars_day"]["rows"] if row["name"] == "this service"]
    assert f"{day:.2g} where the tasks are spread over a day" in README
    (loop,) = [row["ratio"] for row in results["round_time"]["rows"] if "one after the other" in row["name"]]
    assert f"{loop:.0f} times as long" in README
    p50, p95 = (row["median"] for row in results["notice_time"]["rows"][:2])
    assert f"(p50 {p50:.1f} s, p95 {p95:.0f} s)" in README
