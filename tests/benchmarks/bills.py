"""The bills of this service and of its rivals, line by line, for what was counted."""

import re
from collections import Counter
from math import ceil

from copier.parts import PART_BYTES, WHOLE_BYTES
from infra.local.ministack import ROOT
from tests.benchmarks import prices
from tests.benchmarks.durations import Durations
from tests.benchmarks.prices import Price
from tests.benchmarks.workload import Counts, Load
from tests.template import FUNCTIONS

VIDEO_BYTES = 20_000_000
MONTH_HOURS = 730
STREAM_SECONDS, POLL_SECONDS, POLL_MEGABYTES = 0.05, 0.25, 128
TASK_LOG_BYTES = 4_000
"""Of Intake, Copier and Announcer; the Poller's are measured."""
CHECKPOINT_BYTES = 500
PER_TASK_METRICS, IDLE_METRICS, POLL_METRICS = 5, 2, 6
RECEIVES_AN_HOUR = 3 * 60
"""Of one long poll of 20 s after the other, empty or not; Lambda keeps five open, two where it may and all is quiet."""
FREE_QUEUE_REQUESTS = 1_000_000
"""A month, of an account."""


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


def ours(counts: Counts, durations: Durations, load: Load) -> Bill:
    """Bill this service."""
    bill, meter = Bill(), counts.meter
    memory = FUNCTIONS["PollerFunction"]["MemorySize"]
    for polls, times in counts.polls_by_invocation.items():
        bill.invoke(times, durations.of(polls), memory)
    bill.add("Lambda", counts.planned * durations.planning * memory / 1024, prices.LAMBDA_SECOND)
    for function in ("IntakeFunction", "AnnouncerFunction"):
        bill.invoke(load.tasks, STREAM_SECONDS, FUNCTIONS[function]["MemorySize"])
    bill.add("SNS", load.tasks, prices.PUBLISH)  # the ending; the object's own notification is in _copy
    bill.add("DynamoDB", meter.write_units + meter.index_units, prices.TABLE_WRITE)
    bill.add("DynamoDB", meter.read_units, prices.TABLE_READ)
    bill.add("Scheduler", counts.ticks, prices.SCHEDULE)
    invocations = sum(counts.polls_by_invocation.values())
    bill.add("Logs", (invocations * durations.log_bytes + load.tasks * TASK_LOG_BYTES) / 1e9, prices.LOG_GIGABYTE)
    bill.add("SQS", queue_requests(counts, hours=counts.ticks / 60), prices.QUEUE_REQUEST)
    _copy(bill, load)
    return bill


def queue_requests(counts: Counts, hours: float) -> float:
    """Return the requests to SQS: what sends, receives and deletes, and what looks whether anything is there.

    The mapping of the rounds looks less often where there are none; that of the copies, which has a MaximumConcurrency,
    never does.
    """
    readers = 5 + (5 if counts.messages else 2)
    return counts.sends + 2 * counts.messages + readers * RECEIVES_AN_HOUR * hours


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
    bill.add("SQS", 3 * polls + 5 * RECEIVES_AN_HOUR * load.hours, prices.QUEUE_REQUEST)
    return bill


def durable_waits(polls: float, load: Load) -> Bill:
    """Bill a durable function a task: a step and a wait for each poll."""
    return _durable(polls, load, operations=2 * polls, checkpoints=2 * polls)


def durable_condition(polls: float, load: Load) -> Bill:
    """Bill a durable function a task with one `wait_for_condition`, whose retries are one operation."""
    return _durable(polls, load, operations=load.tasks, checkpoints=polls)


def durable_callback(load: Load) -> Bill:
    """Bill a durable function a task that waits until it is called back, by whoever could; it runs twice."""
    return _durable(2 * load.tasks, load, operations=load.tasks, checkpoints=2 * load.tasks)


def _durable(runs: float, load: Load, *, operations: float, checkpoints: float) -> Bill:
    bill = _rival(runs, load)
    bill.add("durable operations", operations, prices.DURABLE_OPERATION)
    bill.add("durable operations", checkpoints * CHECKPOINT_BYTES / 1e9, prices.DURABLE_GIGABYTE)
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
