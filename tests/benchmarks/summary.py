"""The README's one table, in both its languages: the main results in a few words."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.benchmarks.report import shown

LANGUAGES = ("en", "zh")

type Found = Mapping[str, Any]
type Text = tuple[str, str]
"""In both languages."""
type Cells = tuple[Text, str, Text]
"""What was measured, of this service, and what to hold it against."""

_HEADINGS: tuple[Text, Text] = (("this service", "本服务"), ("beside it", "对比"))


def table(results: Mapping[str, Found], language: str) -> Iterator[str]:
    """Yield the lines of the table."""
    chosen = LANGUAGES.index(language)
    yield from (f"| | {' | '.join(heading[chosen] for heading in _HEADINGS)} |", "|---|--:|---|")
    for name, row in _ROWS:
        if name in results:
            what, ours, beside = row(results[name])
            yield f"| {what[chosen]} | {ours} | {beside[chosen]} |"


def headline(results: Mapping[str, Found]) -> Text:
    """Return the words for a picture of what tasks cost."""
    ours, loop = (shown(_row(results["dollars_hour"], name)["median"]) for name in ("this service", "Step Functions"))
    return f"1,000 tasks: ${ours}, in Step Functions ${loop}", f"1,000 个任务 ${ours}, 用 Step Functions 则为 ${loop}"


def _row(finding: Found, of: str) -> Found:
    return next(row for row in finding["rows"] if row["name"].startswith(of))


def _noticed(finding: Found) -> Cells:
    p50, p95 = (_row(finding, f"1,000 tasks, ticks at second 0, {p}")["median"] for p in ("p50", "p95"))
    return (
        ("finished video noticed", "发现成片"),
        f"p50 {p50:.1f} s, p95 {p95:.0f} s",
        ("polled each 15 s", "每 15 秒轮询"),
    )


def _round(finding: Found) -> Cells:
    ours, loop = finding["rows"][0]["median"], _row(finding, "requests")["ratio"]
    return (
        ("1,000 tasks polled", "轮询 1,000 个任务"),
        f"{ours:.1f} s",
        (f"plain loop {loop:.0f}x", f"普通循环 {loop:.0f} 倍"),
    )


def _copy(megabytes: int) -> Callable[[Found], Cells]:
    def cells(finding: Found) -> Cells:
        ours = _row(finding, f"{megabytes} MB, this")
        ratio = f"{ours['ratio']:.2f}"
        what = (f"{megabytes} MB copied", f"复制 {megabytes} MB")
        return what, f"{shown(ours['median'])} s", (f"{ratio}x best peer", f"最佳同类的 {ratio} 倍")

    return cells


def _slow_copy(finding: Found) -> Cells:
    ours = _row(finding, "30 MB, this")
    best = f"{1 / ours['ratio']:.1f}"
    what = ("30 MB, slow host", "慢速主机的 30 MB")
    return what, f"{shown(ours['median'])} s", (f"best peer {best}x", f"最佳同类 {best} 倍")


def _dollars(what: Text) -> Callable[[Found], Cells]:
    def cells(finding: Found) -> Cells:
        ours, loop = _row(finding, "this service"), _row(finding, "Step Functions")
        rival = f"Step Functions ${shown(loop['median'])}"
        return what, f"${shown(ours['median'])}", (rival, rival)

    return cells


def _idle(finding: Found) -> Cells:
    ours, free = _row(finding, "this service"), _row(finding, "this service, with")
    less = f"${shown(free['median'])}"
    beside = (f"{less} with SQS's free tier", f"计入 SQS 免费额度 {less}")
    return ("idle month", "空闲一个月"), f"${shown(ours['median'])}", beside


_ROWS: tuple[tuple[str, Callable[[Found], Cells]], ...] = (
    ("notice_time", _noticed),
    ("round_time", _round),
    ("copy_unthrottled", _copy(30)),
    ("copy_throttled", _slow_copy),
    ("dollars_hour", _dollars(("1,000 tasks within an hour", "一小时内 1,000 个任务"))),
    ("dollars_day", _dollars(("over a day", "一天内 1,000 个任务"))),
    ("dollars_idle", _idle),
)
