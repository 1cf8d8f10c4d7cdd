"""Which chart shows a finding, and the finding in words."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

from tests.benchmarks.chart import Bar, Chart, Kind, Panel
from tests.benchmarks.report import shown

type Found = Mapping[str, Any]
"""A finding as results.json has it."""


def charts(results: Mapping[str, Found]) -> dict[str, Chart]:
    """Return the chart of each finding that has one, by the finding's name."""
    return {name: _CHARTS[name](finding) for name, finding in results.items() if name in _CHARTS}


def _rows(finding: Found) -> dict[str, Found]:
    return {row["name"]: row for row in finding["rows"]}


def _median(finding: Found, name: str) -> float:
    return float(_rows(finding)[name]["median"])


def _bar(label: str, row: Found, unit: str, *, ours: bool, ratio: bool = True) -> Bar:
    amount = f"${shown(row['median'])}" if unit == "$" else f"{shown(row['median'])} {unit}"
    said = f"{amount} · {_times(row['ratio'])}" if ratio and row["ratio"] and abs(row["ratio"] - 1) > 0.0051 else amount
    return Bar(label, row["median"], said, Kind.OURS if ours else Kind.PEER)


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}x" if ratio >= 9.5 else f"{ratio:.1f}x" if ratio >= 1.95 else f"{ratio:.2f}x"


def _simple(
    headline: Callable[[Found], str], *, without: Sequence[str] = (), goal: int | None = None
) -> Callable[[Found], Chart]:
    def chart(finding: Found) -> Chart:
        rows = [row for row in finding["rows"] if not any(part in row["name"] for part in without)]
        bars = [_bar(row["name"], row, finding["unit"], ours=_is_ours(row["name"])) for row in rows]
        limit, said = _limit(finding, goal)
        return Chart(headline(finding), [Panel("", bars, limit, said)])

    return chart


def _is_ours(name: str) -> bool:
    return "this service" in name or name.startswith(("one round of", "minute "))


def _limit(finding: Found, goal: int | None) -> tuple[float | None, str]:
    if goal is None:
        return None, ""
    limit = finding["goals"][goal]["at_most"]
    return limit, f"goal: {shown(limit)} {finding['unit']}"


def _panels(headline: Callable[[Found], str], *, without: Sequence[str] = ()) -> Callable[[Found], Chart]:
    """Make a panel of all rows whose names begin alike, up to the first comma."""

    def chart(finding: Found) -> Chart:
        rows = [row for row in finding["rows"] if not any(part in row["name"] for part in without)]
        panels = [
            Panel(
                title,
                [
                    _bar(row["name"].split(", ", 1)[1], row, finding["unit"], ours=_is_ours(row["name"]))
                    for row in group
                ],
            )
            for title, group in groupby(rows, key=lambda row: str(row["name"]).split(", ", 1)[0])
        ]
        return Chart(headline(finding), panels)

    return chart


def _notice(finding: Found) -> Chart:
    def panel(percentile: str, limit: float) -> Panel:
        rows = [row for row in finding["rows"] if row["name"].endswith(f", {percentile}")]
        bars = [
            _bar(row["name"].removesuffix(f", {percentile}"), row, "s", ours="alone" not in row["name"], ratio=False)
            for row in rows
        ]
        return Panel(percentile, bars, limit, f"goal: {limit:g} s")

    ours = [row["median"] for row in finding["rows"] if row["name"].endswith("p50") and "alone" not in row["name"]]
    span = f"{min(ours):.1f} to {max(ours):.1f} s"
    headline = f"In the median a finished video is noticed {span} later; half an interval is 7.5 s"
    return Chart(headline, [panel("p50", 10.0), panel("p95", 20.0)])


def _power(function: str, work: str) -> Callable[[Found], Chart]:
    def chart(finding: Found) -> Chart:
        chosen = finding["reference"].split(" MB")[0]

        def bars(value: str, said: Callable[[Found], str]) -> list[Bar]:
            return [
                Bar(label, float(row[value]), said(row), Kind.OURS if label == chosen else Kind.PEER)
                for row in finding["rows"]
                for label in [row["name"].split(" MB")[0]]
            ]

        row = _rows(finding)[f"{chosen} MB"]
        cheapest = min(row["dollars"] for row in finding["rows"])
        headline = (
            f"{function}, {chosen} MB: {shown(row['median'])} s for {work}, "
            f"{_dearer(row['dollars'] / cheapest)} (${shown(row['dollars'])} for 1,000)"
        )
        limit = next((g["at_most"] for g in finding["goals"] if g["text"].startswith("seconds")), None)
        return Chart(
            headline,
            [
                Panel("seconds, by memory in MB", bars("median", lambda r: shown(r["median"])), limit, "the interval"),
                Panel("dollars for 1,000, by memory in MB", bars("dollars", lambda r: shown(r["dollars"]))),
            ],
            stands=True,
        )

    return chart


def _dearer(ratio: float) -> str:
    return "at the lowest price" if ratio < 1.005 else f"{(ratio - 1) * 100:.0f} % above the lowest price"


def _cold_start(finding: Found) -> Chart:
    rows = _rows(finding)
    functions = [name.split(", ")[0] for name in rows if name.endswith("as built")]
    panels = [
        Panel(
            function,
            [
                _bar("as built here", rows[f"{function}, as built"], "ms", ours=True),
                _bar("built plainly", rows[f"{function}, built plainly"], "ms", ours=False),
            ],
        )
        for function in functions
    ]
    ratios = [rows[f"{function}, as built"]["ratio"] for function in functions]
    return Chart(f"A cold start takes {min(ratios):.0%} to {max(ratios):.0%} of the CPU of a plain build", panels)


def _burst(finding: Found) -> Chart:
    rows = _rows(finding)
    panels = [
        Panel(
            name,
            [
                _bar("this service", row, "min", ours=True),
                _bar("an unbounded queue", rows[f"{name}: {finding['reference']}"], "min", ours=False),
            ],
        )
        for name, row in rows.items()
        if ": " not in name
    ]
    return Chart("A burst in a new account takes as long as its Copiers need, and nothing is given up", panels)


def _first(finding: Found) -> Chart:
    bars = [_bar(row["name"], row, "s", ours="chosen" in row["name"], ratio=False) for row in finding["rows"]]
    seconds = finding["goals"][0]["measured"]
    return Chart(
        f"A cold Poller has its first answer written {shown(seconds)} s after its init",
        [Panel("", bars, 1.2, "goal: 1.2 s")],
    )


def _copies(slower: str) -> Callable[[Found], str]:
    def headline(finding: Found) -> str:
        ratios = [row["ratio"] for row in finding["rows"] if "this service" in row["name"]]
        if max(ratios) < 0.5:
            return (
                f"{slower}, a copy takes a {1 / max(ratios):.0f}th to a {1 / min(ratios):.0f}th of the best peer's time"
            )
        return f"{slower}, a copy takes {min(ratios):.2f} to {max(ratios):.2f} of the best peer's time"

    return headline


def _cpu(finding: Found) -> str:
    rows = _rows(finding)
    ours = next(row for name, row in rows.items() if name.startswith("this service: a round"))
    others = [row["median"] / ours["median"] for name, row in rows.items() if "official" in name or "docs" in name]
    return (
        f"A poll and its writes take {ours['ratio']:.1f} times bare urllib3's CPU; "
        f"others take {min(others):.1f} and {max(others):.0f} times ours"
    )


def _dollars(when: str) -> Callable[[Found], str]:
    def headline(finding: Found) -> str:
        rows = _rows(finding)
        return (
            f"1,000 tasks {when} cost ${shown(rows['this service']['median'])}; "
            f"a Step Functions loop takes {rows['Step Functions wait loop']['ratio']:.0f} times as much"
        )

    return headline


def _reads(finding: Found) -> Chart:
    rows = _rows(finding)
    numbers = [name.split(", ")[1] for name in rows if name.startswith("this service")]
    panels = [
        Panel(
            number,
            [
                _bar(name, rows[f"{name}, {number}"], "units", ours=name == "this service")
                for name in ("this service", "naive")
            ],
        )
        for number in numbers
    ]
    return Chart("What has finished is never read again", panels)


_CHARTS: dict[str, Callable[[Found], Chart]] = {
    "notice_time": _notice,
    "dollars_hour": _simple(_dollars("within an hour")),
    "dollars_day": _simple(_dollars("over a day"), without=["metrics"]),
    "dollars_idle": _simple(
        lambda f: (
            f"An idle month costs ${shown(_median(f, 'this service'))}, most of it Lambda's looking into its queues"
        ),
        without=["metrics"],
    ),
    "polls_a_minute": _simple(
        lambda f: f"One worker asks {f['goals'][0]['measured']:.0%} of what it is asked for, under its share of a core"
    ),
    "cpu_per_poll": _simple(_cpu),
    "round_time": _simple(lambda f: f"One after the other, a round takes {f['rows'][1]['ratio']:.0f} times as long"),
    "first_round": _first,
    "copy_unthrottled": _panels(_copies("Over TLS, under the Copier's share")),
    "copy_throttled": _panels(_copies("Where the host gives 5 MB/s a connection")),
    "copy_memory": _simple(lambda f: f"A copy of 1 GiB needs {f['rows'][0]['median']:.0f} MiB"),
    "burst": _burst,
    "power_poller": _power("Poller", "a full round"),
    "power_poller_quiet": _power("Poller", "10 tasks"),
    "power_copier": _power("Copier", "20 MB"),
    "power_intake": _power("Intake", "10 items"),
    "power_announcer": _power("Announcer", "10 endings"),
    "cold_start": _cold_start,
    "table_reads": _reads,
    "table_writes": _simple(lambda f: f"Writes: {f['rows'][0]['ratio']:.2f} of a write for each poll"),
}
