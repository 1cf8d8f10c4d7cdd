"""Holds what the README says of the benchmarks to their results, and their arithmetic to AWS's rules."""

from itertools import pairwise, permutations

import pytest

from tests.benchmarks import readme
from tests.benchmarks.copy_speed import order
from tests.benchmarks.report import load
from tests.benchmarks.request_units import item_size, scan_units, write_units


def test_the_readme_and_its_plots_say_what_was_measured() -> None:
    assert readme.is_current(load()), "run `.venv/bin/python -m tests.benchmarks --readme`"


@pytest.mark.parametrize(
    ("item", "size"),
    [
        ({"id": {"S": "abc"}}, 5),
        ({"id": {"S": "ä"}}, 4),
        ({"n": {"N": "0"}}, 2),
        ({"n": {"N": "27"}}, 3),
        ({"n": {"N": "1800000000"}}, 3),
        ({"n": {"N": "1234567890"}}, 7),
        ({"m": {"M": {"code": {"S": "c"}}}}, 1 + 3 + 1 + 5),
        ({"b": {"BOOL": True}}, 2),
        ({"l": {"L": [{"S": "a"}, {"NULL": True}]}}, 1 + 3 + 2 + 2),
    ],
)
def test_an_item_has_the_size_that_aws_publishes(item: dict[str, dict[str, object]], size: int) -> None:
    assert item_size(item) == size


@pytest.mark.parametrize(("size", "units"), [(0, 0.5), (1, 0.5), (4096, 0.5), (4097, 1.0), (1024**2 + 1, 128.5)])
def test_a_scan_costs_half_a_unit_for_4_kb_of_a_page(size: int, units: float) -> None:
    assert scan_units(size) == units


@pytest.mark.parametrize(("sizes", "units"), [([0, 1], 1), ([1024, 10], 1), ([1025, 0], 2)])
def test_a_write_costs_a_unit_for_each_kb_of_the_larger_item(sizes: list[int], units: int) -> None:
    assert write_units(sizes) == units


@pytest.mark.parametrize("count", [2, 4, 6])
def test_in_turns_each_follows_each_other_one_once(count: int) -> None:
    names = [f"contender {number}" for number in range(count)]
    turns = [order(names, turn) for turn in range(count)]
    assert all(sorted(turn) == names for turn in turns)
    assert sorted(pair for turn in turns for pair in pairwise(turn)) == sorted(permutations(names, 2))
