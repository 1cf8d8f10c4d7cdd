"""What 1,000 tasks cost, from what the service was seen to ask of AWS, beside other ways to wait for them."""

from collections import Counter

from tests.benchmarks import bills, prices
from tests.benchmarks.bills import Bill
from tests.benchmarks.durations import LATENCY, Durations, measured
from tests.benchmarks.functions import memory_of
from tests.benchmarks.prices import PRICES
from tests.benchmarks.report import Finding, Goal, Row
from tests.benchmarks.share import how
from tests.benchmarks.workload import Counts, Hours, Load

TASKS = 1000
OURS = "this service"
QUEUE = "SQS delay-queue poller"
LOOP = "Step Functions wait loop"
WAITS = "durable function, a step and a wait a poll"
CONDITION = "durable function, wait_for_condition"
CALLBACK = "durable function, called back"
_MONITORING = "its metrics, alarms, dashboard if none is free"
_DATES = sorted(price.as_of for price in PRICES)
_HOW = (
    f"List prices of us-east-1 without any free tier, {_DATES[0]} to {_DATES[-1]} (each with its date and "
    f"source in tests/benchmarks/prices.py), {bills.VIDEO_BYTES / 1e6:g} MB a video, without S3 storage. Counted in "
    "simulated time by the real Intake, Poller and lifecycle: polls, request units, messages, invocations. Measured "
    f"under the Poller's share ({how()}, {LATENCY * 1000:g} ms an answer): how long an invocation takes and what it "
    "logs. "
)
_RIVALS = (
    f"Assumed of the others: {bills.POLL_SECONDS:g} s of {bills.POLL_MEGABYTES} MB a poll, as many polls; the retries "
    f"of wait_for_condition are one operation and {bills.CHECKPOINT_BYTES} bytes each; a durable function that is "
    "called back runs twice and is one operation, but CometAPI's documentation of this route names nobody who calls. "
)


def run() -> dict[str, Finding]:
    """Measure the Poller, count an hour, a day and an idle tick, and price them."""
    within_an_hour, over_a_day = Load(tasks=TASKS, hours=1.0), Load(tasks=TASKS, hours=24.0)
    hour, day, durations = Hours(within_an_hour).run(), Hours(over_a_day).run(), measured()
    loop = Goal(
        f"{LOOP} / {OURS}",
        bills.wait_loop(hour.polls, within_an_hour).total / bills.ours(hour, durations, within_an_hour).total,
        at_least=25,
    )
    return {
        "dollars_hour": _busy("within one hour", hour, durations, within_an_hour, 0.045, loop),
        "dollars_day": _busy("spread over a day", day, durations, over_a_day, 0.075),
        "dollars_idle": _idle(durations),
    }


def _busy(when: str, counts: Counts, durations: Durations, load: Load, at_most: float, *further: Goal) -> Finding:
    ours = bills.ours(counts, durations, load)
    lines = {
        OURS: ours,
        CALLBACK: bills.durable_callback(load),
        QUEUE: bills.queue(counts.polls, load),
        CONDITION: bills.durable_condition(counts.polls, load),
        WAITS: bills.durable_waits(counts.polls, load),
        LOOP: bills.wait_loop(counts.polls, load),
        _MONITORING: bills.monitoring(counts.ticks / 60, is_idle=False),
    }
    invocations = sum(counts.polls_by_invocation.values())
    told = (
        f"{_HOW}Assumed: {load.render_seconds:g} s a render, {load.copy_seconds:g} s a copy. {_RIVALS}"
        f"{counts.polls / TASKS:.1f} polls a task for all; {invocations:,} invocations of the Poller of "
        f"{memory_of('Poller')} MB, one that asks 4 times takes {durations.of(4):.2f} s. This service: {ours}."
    )
    goals = [Goal(f"dollars {when}", ours.total, at_most=at_most), *further]
    return Finding(f"Dollars per 1,000 tasks {when}", "$", OURS, told, _rows(lines), goals)


def _idle(durations: Durations) -> Finding:
    month, ticks = Load(tasks=0, hours=bills.MONTH_HOURS), bills.MONTH_HOURS * 60
    hours = Hours(month)
    hours.tick()
    counts = Counts(ticks=ticks, polls_by_invocation=Counter({0: ticks}), meter=hours.dynamodb.meter)
    counts.meter.read_units *= ticks
    ours = bills.ours(counts, durations, month)
    besides = ours.total - ours.lines["SQS"]
    requests = bills.queue_requests(counts, bills.MONTH_HOURS)
    with_free = besides + max(0.0, requests - bills.FREE_QUEUE_REQUESTS) * prices.QUEUE_REQUEST.dollars
    lines = {
        OURS: ours.total,
        "this service, with SQS's free million": with_free,
        CALLBACK: bills.durable_callback(month).total,
        QUEUE: bills.queue(0, month).total,
        LOOP: bills.wait_loop(0, month).total,
        _MONITORING: bills.monitoring(bills.MONTH_HOURS, is_idle=True).total,
    }
    told = (
        f"{_HOW}{ticks:,} ticks, each of one Scan, {durations.of(0) * 1000:.0f} ms. Lambda looks into the two queues "
        f"{requests:,.0f} times a month; the first million of an account are free. This service: {ours}."
    )
    goals = [
        Goal("dollars a month", ours.total, at_most=0.65),
        Goal("dollars a month besides SQS", besides, at_most=0.10),
    ]
    rows = [Row(name, total, total, total, total / ours.total) for name, total in lines.items()]
    return Finding("Dollars a month for an idle stack", "$", OURS, told, rows, goals)


def _rows(lines: dict[str, Bill]) -> list[Row]:
    totals = {name: bill.total for name, bill in lines.items()}
    return [Row(name, total, total, total, total / totals[OURS]) for name, total in totals.items()]
