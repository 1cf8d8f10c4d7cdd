"""The page of measurements and the README's block, made from results.json; a test holds them to it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.local.ministack import ROOT
from tests.benchmarks.chart import FOLDER, THEMES
from tests.benchmarks.charts import charts
from tests.benchmarks.report import Goal, Results, goals_of, shown
from tests.benchmarks.summary import LANGUAGES, headline, table

READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh-CN.md"}
PAGE = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
SHOWN = "dollars_hour"
"""The plot that the README has."""

CHAPTERS: dict[str, tuple[str, ...]] = {
    "How soon": ("notice_time", "first_round", "burst", "burst_waits"),
    "How much": ("polls_a_minute", "cpu_per_poll", "round_time", "table_reads", "table_writes"),
    "Copying": ("copy_unthrottled", "copy_throttled", "copy_memory"),
    "What it costs": ("dollars_hour", "dollars_day", "dollars_idle"),
    "Power tuning": ("power_poller", "power_poller_quiet", "power_copier", "power_intake", "power_announcer"),
    "Starting": ("cold_start", "cold_start_memory", "zip_size"),
}
_HEAD = """\
# Measurements

`make bench` measures all of this anew and writes this page, in about 20 minutes; `.venv/bin/python -m tests.benchmarks
QUESTION` measures one thing, `--compare OLD.json` compares two runs. Ratios carry over to other machines, absolute
numbers do not.

Lambda gives a function memory / 1769 MB of one core. So the functions run in processes of their own under such a share
(a control group's CPU quota; without root, or where the system has none, CPU time is divided by the share, and the page
says so), and everything that they talk to is outside of it, over TLS with a certificate made for the run.
"""


def write(results: Results) -> None:
    """Bring the pages up to date; raises ValueError where a README lacks its markers."""
    PAGE.write_text(_page(results))
    for language, readme in READMES.items():
        readme.write_text(_filled(readme, results, language))


def outdated(results: Results) -> list[str]:
    """Name the files that do not say what the results say."""
    wanted = {PAGE: _page(results)}
    wanted |= {readme: _filled(readme, results, language) for language, readme in READMES.items()}
    return sorted(path.name for path in wanted if not path.exists() or path.read_text() != wanted[path])


def _page(results: Results) -> str:
    return "\n".join(_lines(results)) + "\n"


def _lines(results: Results) -> Iterator[str]:
    yield _HEAD
    yield from _goal_table(results)
    for title, names in CHAPTERS.items():
        yield from (f"## {title}", "")
        for name in names:
            if name in results:
                yield from _details(name, results[name], charts(results))


def _goal_table(results: Results) -> Iterator[str]:
    yield from ("## Goals", "", "| question | measured | | goal | |", "|---|---|--:|---|---|")
    for finding in _in_order(results):
        for goal in goals_of(finding):
            verdict = "met" if goal.is_met else "**missed**"
            yield f"| {finding['question']} | {goal.text} | {_number(goal)} | {goal.limit} | {verdict} |"
    yield ""
    yield from (f"{goal.note}\n" for f in _in_order(results) for goal in goals_of(f) if goal.note and not goal.is_met)


def _in_order(results: Results) -> Iterator[Mapping[str, Any]]:
    return (results[name] for names in CHAPTERS.values() for name in names if name in results)


def _number(goal: Goal) -> str:
    return f"{goal.measured:,.0f}" if goal.measured >= 1000 else f"{goal.measured:.3g}"


def _details(name: str, finding: Mapping[str, Any], drawn: Mapping[str, Any]) -> Iterator[str]:
    unit, reference = finding["unit"], finding["reference"]
    yield from (f"### {finding['question']}", "")
    if name in drawn:
        yield from (_picture(name, drawn[name].headline, "plots"), "")
    has_range = any(row["lowest"] != row["highest"] for row in finding["rows"])
    has_price = any(row.get("dollars") is not None for row in finding["rows"])
    headings = ["", f"median, {unit}" if has_range else unit, *(["range"] if has_range else [])]
    headings += [f"times {reference}", *(["$ for 1,000"] if has_price else [])]
    yield f"| {' | '.join(headings)} |"
    yield f"|---{'|--:' * (len(headings) - 1)}|"
    chosen = reference.removesuffix(", as chosen")
    for row in finding["rows"]:
        spread = [f"{shown(row['lowest'])} to {shown(row['highest'])}"] if has_range else []
        price = [shown(row["dollars"])] if has_price else []
        label = f"**{row['name']}, chosen**" if row["name"] == chosen != reference else row["name"]
        yield f"| {' | '.join([label, shown(row['median']), *spread, f'{row["ratio"]:.2f}', *price])} |"
    yield from ("", f"{finding['how']} {_machine(finding)}", "")


def _picture(name: str, headline: str, folder: str) -> str:
    light, dark = (f"{folder}/{name}.{theme.suffix}.svg" for theme in THEMES)
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img alt="{headline}" src="{light}"></picture>'
    )


def _machine(finding: Mapping[str, Any]) -> str:
    machine = finding["machine"]
    return (
        f"({finding['measured_at'][:10]}, {machine['cores']:g} cores of {machine['processor']}, {machine['system']}, "
        f"Python {machine['python']}, load {machine['load']:g} before it)"
    )


def _filled(readme: Path, results: Results, language: str) -> str:
    before, begin, rest = readme.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme.name} needs the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{'\n'.join(_summary(results, language))}\n{END}{after}"


def _summary(results: Results, language: str) -> Iterator[str]:
    """Yield a README's one table and its plot."""
    yield from table(results, language)
    if SHOWN in results:
        said = headline(results)[LANGUAGES.index(language)]
        yield from ("", _picture(SHOWN, said, FOLDER.relative_to(ROOT).as_posix()))
