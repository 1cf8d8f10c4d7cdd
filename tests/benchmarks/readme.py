"""The tables and plots of the README, made from results.json; a test holds one to the other."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.local.ministack import ROOT
from tests.benchmarks.plots import plot
from tests.benchmarks.report import Goal, Results, shown

README = ROOT / "README.md"
PLOTS = Path(__file__).with_name("plots")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def write(results: Results) -> None:
    """Bring the README and the plots up to date; raises ValueError where the README lacks its markers."""
    README.write_text(_filled(README.read_text(), results))
    PLOTS.mkdir(exist_ok=True)
    for old in PLOTS.glob("*.svg"):
        old.unlink()
    for name, document in plots(results).items():
        (PLOTS / name).write_text(document)


def is_current(results: Results) -> bool:
    """Tell whether the README and the plots say what the results say."""
    readme = README.read_text()
    kept = {path.name: path.read_text() for path in PLOTS.glob("*.svg")}
    return readme == _filled(readme, results) and kept == plots(results)


def plots(results: Results) -> dict[str, str]:
    """Return the plot of every question by the name of its file."""
    return {f"{name}.svg": plot(finding) for name, finding in results.items()}


def _filled(readme: str, results: Results) -> str:
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md needs the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{'\n'.join(_section(results))}\n{END}{after}"


def _section(results: Results) -> Iterator[str]:
    yield from ("| question | measured | | goal | |", "|---|---|--:|---|---|")
    for finding in results.values():
        for goal in _goals(finding):
            verdict = "met" if goal.is_met else "**missed**"
            yield f"| {finding['question']} | {goal.text} | {goal.measured:.3g} | {goal.limit} | {verdict} |"
    yield ""
    yield from (f"{goal.note}\n" for f in results.values() for goal in _goals(f) if goal.note and not goal.is_met)
    for name, finding in results.items():
        yield from _details(name, finding)


def _goals(finding: Mapping[str, Any]) -> list[Goal]:
    return [Goal(**{key: value for key, value in goal.items() if key != "is_met"}) for goal in finding["goals"]]


def _details(name: str, finding: Mapping[str, Any]) -> Iterator[str]:
    unit, reference = finding["unit"], finding["reference"]
    yield from ("<details>", f"<summary>{finding['question']}</summary>", "")
    yield from (f"![{finding['question']}]({PLOTS.relative_to(ROOT).as_posix()}/{name}.svg)", "")
    has_range = any(row["lowest"] != row["highest"] for row in finding["rows"])
    headings = ["", f"median, {unit}" if has_range else unit, *(["range"] if has_range else []), f"times {reference}"]
    yield f"| {' | '.join(headings)} |"
    yield f"|---{'|--:' * (len(headings) - 1)}|"
    for row in finding["rows"]:
        spread = [f"{shown(row['lowest'])} to {shown(row['highest'])}"] if has_range else []
        yield f"| {' | '.join([row['name'], shown(row['median']), *spread, f'{row["ratio"]:.2f}'])} |"
    yield from ("", f"{finding['how']} {_machine(finding)}", "", "</details>", "")


def _machine(finding: Mapping[str, Any]) -> str:
    machine = finding["machine"]
    return (
        f"({finding['measured_at'][:10]}, {machine['cores']:g} cores of {machine['processor']}, {machine['system']}, "
        f"Python {machine['python']})"
    )
