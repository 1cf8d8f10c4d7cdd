"""The bills of this service and of its rivals, line by line, for what was counted."""

import re
from collections import Counter
from math import ceil

from copier.parts import PART_BYTES, WHOLE_BYTES
from infra.local.ministack import ROOT
from tests.benchmarks import prices
from tests.benchmarks.prices import Price
from tests.benchmarks.workload import Counts, Load
from tests.template import FUNCTIONS

VIDEO_BYTES = 20_000_000
MONTH_HOURS = 730
STREAM_SECONDS, POLL_SECONDS, POLL_MEGABYTES = 0.05, 0.25, 128
TICK_LOG_BYTES, TASK_LOG_BYTES = 1_500, 3_000
PER_TASK_METRICS, IDLE_METRICS, POLL_METRICS = 5, 2, 6
IDLE_RECEIVES_AN_HOUR = 5 * 3 * 60
"""Lambda keeps five long polls of 20 s open at a queue that feeds a function."""


class Bill:
    """Dollars by AWS service."""

    def __init__(self) -> None:
        self.lines: Counter[str] = Counter()

    def add(self, service: str, amount: float, price: Price) -> None:
        """Bill so many of something."""
        self.lines[service] += amount * price.dollars  # type: ignore[assignment]  # a Counter of dollars

    @property
    def total(self) -> float:
        """All lines."""
        return sum(self.lines.values())

    def __str__(self) -> str:
        return ", ".join(f"{service} ${dollars:.4f}" for service, dollars in self.lines.most_common())

    def invoke(self, times: float, seconds: float, megabytes: float) -> None:
        """Bill invocations of a Lambda, so many seconds each."""
        self.add("Lambda", times, prices.LAMBDA_REQUEST)
        self.add("Lambda", times * seconds * megabytes / 1024, prices.LAMBDA_SECOND)


def ours(counts: Counts, load: Load) -> Bill:
    """Bill this service."""
    bill, meter = Bill(), counts.meter
    bill.invoke(counts.ticks, counts.tick_seconds / counts.ticks, FUNCTIONS["PollerFunction"]["MemorySize"])
    for function in ("IntakeFunction", "AnnouncerFunction"):
        bill.invoke(load.tasks, STREAM_SECONDS, FUNCTIONS[function]["MemorySize"])
    bill.add("SNS", load.tasks, prices.PUBLISH)  # the ending; the object's own notification is in _copy
    bill.add("DynamoDB", meter.write_units + meter.index_units, prices.TABLE_WRITE)
    bill.add("DynamoDB", meter.read_units, prices.TABLE_READ)
    bill.add("Scheduler", counts.ticks, prices.SCHEDULE)
    bill.add("Logs", (counts.ticks * TICK_LOG_BYTES + load.tasks * TASK_LOG_BYTES) / 1e9, prices.LOG_GIGABYTE)
    _copy(bill, load)
    return bill


def monitoring(hours: float, *, is_idle: bool) -> Bill:
    """Bill the custom metrics, alarms and the dashboard of so many hours; an account has some of them free."""
    bill = Bill()
    alarms = re.findall("Type: AWS::CloudWatch::Alarm", (ROOT / "infra" / "observability.yaml").read_text())
    metrics = IDLE_METRICS if is_idle else IDLE_METRICS + POLL_METRICS + PER_TASK_METRICS
    bill.add("metrics", metrics * hours, prices.METRIC_HOUR)
    bill.add("alarms", len(alarms) * hours, prices.ALARM_HOUR)
    bill.add("dashboard", hours, prices.DASHBOARD_HOUR)
    return bill


def wait_loop(polls: float, load: Load) -> Bill:
    """Bill a Step Functions workflow a task: wait, poll, choose, until done."""
    bill = _rival(polls, load)
    bill.add("Step Functions", 3 * polls, prices.TRANSITION)
    return bill


def queue(polls: float, load: Load) -> Bill:
    """Bill a message a task that comes back after a delay until its task is done."""
    bill = _rival(polls, load)
    bill.add("SQS", 3 * polls + IDLE_RECEIVES_AN_HOUR * load.hours, prices.QUEUE_REQUEST)
    return bill


def durable(polls: float, load: Load) -> Bill:
    """Bill a durable function a task: a step and a wait for each poll."""
    bill = _rival(polls, load)
    bill.add("durable operations", 2 * polls, prices.DURABLE_OPERATION)
    bill.add("durable operations", 2 * polls * 500 / 1e9, prices.DURABLE_GIGABYTE)
    return bill


def _rival(polls: float, load: Load) -> Bill:
    bill = Bill()
    bill.invoke(polls, POLL_SECONDS, POLL_MEGABYTES)
    bill.add("DynamoDB", 2 * load.tasks, prices.TABLE_WRITE)
    bill.add("Logs", load.tasks * TASK_LOG_BYTES / 1e9, prices.LOG_GIGABYTE)
    _copy(bill, load)
    return bill


def _copy(bill: Bill, load: Load) -> None:
    parts = 0 if VIDEO_BYTES <= WHOLE_BYTES else ceil(VIDEO_BYTES / PART_BYTES) + 1
    bill.invoke(load.tasks, load.copy_seconds, FUNCTIONS["CopierFunction"]["MemorySize"])
    bill.add("S3", load.tasks * (parts + 1), prices.S3_PUT)
    bill.add("S3", load.tasks, prices.S3_GET)
    bill.add("SNS", load.tasks, prices.PUBLISH)
