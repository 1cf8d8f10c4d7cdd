"""What 1,000 tasks cost, from what the service was seen to ask of AWS, beside other ways to wait for them."""

from shared.task_table import Segment
from tests.benchmarks import bills
from tests.benchmarks.bills import Bill
from tests.benchmarks.prices import PRICES
from tests.benchmarks.report import Finding, Goal, Row
from tests.benchmarks.workload import Counts, Hours, Load

TASKS = 1000
OURS = "this service"
_MONITORING = "its metrics, alarms, dashboard if none is free"
_DATES = sorted(price.as_of for price in PRICES)
_HOW = (
    f"List prices of us-east-1 without any free tier, {_DATES[0]} to {_DATES[-1]} (each with its date and "
    f"source in tests/benchmarks/prices.py; that of durable functions is as announced), {bills.VIDEO_BYTES / 1e6:g} "
    "MB a video, without S3 storage. Counted: polls, request units, ticks and how long they last. Assumed, not "
    "measured on AWS: "
)


def run() -> dict[str, Finding]:
    """Count an hour and a day and an idle tick, and price them."""
    within_an_hour, over_a_day = Load(tasks=TASKS, hours=1.0), Load(tasks=TASKS, hours=24.0)
    hour, day = Hours(within_an_hour).run(), Hours(over_a_day).run()
    idle = Hours(Load(tasks=0, hours=bills.MONTH_HOURS))
    idle.tick(Segment())
    loop = Goal(
        "wait loop / this service",
        bills.wait_loop(hour.polls, within_an_hour).total / bills.ours(hour, within_an_hour).total,
        at_least=25,
    )
    return {
        "dollars_hour": _busy("within one hour", hour, within_an_hour, 0.06, loop),
        "dollars_day": _busy("spread over a day", day, over_a_day, 0.25),
        "dollars_idle": _idle(idle),
    }


def _busy(when: str, counts: Counts, load: Load, at_most: float, *further: Goal) -> Finding:
    ours = bills.ours(counts, load)
    lines = {
        OURS: ours,
        _MONITORING: bills.monitoring(counts.ticks / 60, is_idle=False),
        "SQS delay-queue poller": bills.queue(counts.polls, load),
        "Lambda durable functions": bills.durable(counts.polls, load),
        "Step Functions wait loop": bills.wait_loop(counts.polls, load),
    }
    how = (
        f"{_HOW}{load.answer_seconds * 1000:g} ms an answer, {load.copy_seconds:g} s a copy, "
        f"{bills.POLL_SECONDS:g} s of {bills.POLL_MEGABYTES} MB a poll of the others. "
        f"{counts.polls / TASKS:.1f} polls a task for all. This service: {ours}."
    )
    goals = [Goal(f"dollars {when}", ours.total, at_most=at_most), *further]
    return Finding(f"Dollars per 1,000 tasks {when}", "$", OURS, how, _rows(lines), goals)


def _idle(hours: Hours) -> Finding:
    month, counts = hours.load, hours.counts
    ticks = bills.MONTH_HOURS * 60
    counts.tick_seconds, counts.ticks = counts.tick_seconds * ticks, ticks
    meter = hours.dynamodb.meter
    meter.read_units *= ticks
    counts.meter = meter
    ours = bills.ours(counts, month)
    lines = {
        OURS: ours,
        _MONITORING: bills.monitoring(bills.MONTH_HOURS, is_idle=True),
        "SQS delay-queue poller": bills.queue(0, month),
        "Lambda durable functions": bills.durable(0, month),
        "Step Functions wait loop": bills.wait_loop(0, month),
    }
    how = f"{_HOW}{month.scan_seconds * 1000:g} ms a Scan. {ticks:,} ticks, each of one Scan. This service: {ours}."
    goals = [Goal("dollars a month", ours.total, at_most=0.5)]
    return Finding("Dollars a month for an idle stack", "$", OURS, how, _rows(lines), goals)


def _rows(lines: dict[str, Bill]) -> list[Row]:
    totals = {name: bill.total for name, bill in lines.items()}
    return [Row(name, total, total, total, total / totals[OURS]) for name, total in totals.items()]
