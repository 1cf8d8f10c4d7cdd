"""Holds what the README says of the benchmarks to their results, and their arithmetic to AWS's rules."""

import re
import subprocess
import sys
import time
from itertools import pairwise, permutations

import pytest

from tests.benchmarks import readme, share
from tests.benchmarks.burst import Model, Video
from tests.benchmarks.copy_speed import order
from tests.benchmarks.durations import Durations
from tests.benchmarks.functions import memory_of
from tests.benchmarks.power import price
from tests.benchmarks.report import load
from tests.benchmarks.request_units import item_size, scan_units, write_units
from tests.benchmarks.summary import LANGUAGES
from tests.template import default

RESULTS = load()


def test_the_pages_say_what_was_measured() -> None:
    assert readme.outdated(RESULTS) == [], "run `.venv/bin/python -m tests.benchmarks --readme`"


def test_every_question_has_been_answered() -> None:
    assert RESULTS.keys() == {name for names in readme.CHAPTERS.values() for name in names}


def test_what_was_measured_is_what_the_template_has() -> None:
    for name, function in (
        ("poller", "Poller"),
        ("copier", "Copier"),
        ("intake", "Intake"),
        ("announcer", "Announcer"),
    ):
        assert RESULTS[f"power_{name}"]["reference"] == f"{memory_of(function)} MB, as chosen"
    assert f"{default('TasksPerWorker'):,} pending" in RESULTS["polls_a_minute"]["how"]
    assert f"{default('MaxConcurrentPolls')} requests in flight" in RESULTS["polls_a_minute"]["how"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_readme_has_one_table_of_at_most_12_rows_and_one_plot(language: str) -> None:
    block = readme.READMES[language].read_text().partition(readme.BEGIN)[2].partition(readme.END)[0]
    assert len(re.findall(r"^\|(?! \||---)", block, re.MULTILINE)) <= 12
    assert block.count("<picture>") == 1


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


@pytest.mark.skipif(not share.is_held(), reason="this machine lets no CPU quota be set")
def test_a_process_has_no_more_than_its_share() -> None:
    spin = "import time\nwhile time.process_time() < 0.15: pass"
    with (
        share.group(256) as group,
        subprocess.Popen([sys.executable, "-c", f"input()\n{spin}"], stdin=subprocess.PIPE) as process,  # noqa: S603 - fixed
    ):
        assert group is not None
        group.take(process.pid)
        started = time.monotonic()
        process.communicate(b"\n")
        assert time.monotonic() - started > 0.1 / share.share_of(256)


def test_without_a_quota_cpu_time_is_stretched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "_parent", lambda: None)
    assert share.stretched(wall=1.0, cpu=0.2, megabytes=1769) == pytest.approx(1.0)
    assert share.stretched(wall=1.0, cpu=0.2, megabytes=1769 // 2) == pytest.approx(1.2, rel=0.01)
    assert share.how().startswith("COMPUTED")
    with share.group(128) as group:
        assert group is None


@pytest.mark.parametrize(("polls", "seconds"), [(0, 0.1), (2, 0.2), (4, 0.3), (10, 0.6)])
def test_an_invocation_takes_as_long_as_those_beside_it(polls: int, seconds: float) -> None:
    durations = Durations({0: 0.1, 4: 0.3, 6: 0.4}, planning=0.0, log_bytes=0.0)
    assert durations.of(polls) == pytest.approx(seconds)


def test_lambda_bills_each_begun_millisecond() -> None:
    assert price(0.0101, 1024) == pytest.approx(0.2e-6 + 0.011 * 1.33334e-5)


def test_a_burst_takes_as_long_as_its_copiers_need() -> None:
    videos = [Video.ready(at=0.0, seconds=10.0) for _ in range(20)]
    model = Model(videos, copiers=5)
    model.run()
    assert all(video.stored_at is not None for video in videos)
    assert model.now - videos[0].done_at == pytest.approx(40, abs=15)
