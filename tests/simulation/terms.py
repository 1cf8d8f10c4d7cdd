"""The terms on which AWS runs the functions: what the template asks for, and what AWS's pages say of it.

Each rule of this world stands beside the sentence that it comes from; the pages are below docs.aws.amazon.com.
"""

from dataclasses import dataclass
from typing import Any

from tests.template import FUNCTIONS, RESOURCES

SCHEDULE_PRECISION_SECONDS = 60
"""scheduler/latest/UserGuide/schedule-types.html: what is set for 1:00 runs between 1:00:00 and 1:00:59; at least
once, so that one minute can tick twice."""

ASYNC_FIRST_PAUSE_SECONDS, ASYNC_LONGEST_PAUSE_SECONDS = 1.0, 300.0
"""lambda/latest/dg/invocation-async-error-handling.html: "For throttling errors (429) and system errors (500-series),
Lambda returns the event to the queue and attempts to run the function again", "The retry interval increases
exponentially from 1 second after the first attempt to a maximum of 5 minutes"."""

STREAM_RETENTION_SECONDS = 86400.0
"""lambda/latest/dg/services-ddb-params.html: "The data retention limit for DynamoDB Streams is 24 hours"."""

INIT_SECONDS = 10.0
"""lambda/latest/dg/lambda-runtime-environment.html: init is limited to 10 s, and runs at full speed."""

MOST_MESSAGE_BYTES, MOST_DELAY_SECONDS, MOST_ENTRIES = 1024 * 1024, 900, 10
"""AWSSimpleQueueService/latest/APIReference: SendMessage and SendMessageBatch."""

VCPU_MB = 1769
"""lambda/latest/dg/configuration-memory.html: 1,769 MB is one vCPU, in proportion below."""


@dataclass(frozen=True, slots=True)
class FunctionTerms:
    """How one function runs; times in seconds."""

    timeout: int
    share: float
    """Of one core."""


@dataclass(frozen=True, slots=True)
class QueueTerms:
    """How a queue keeps messages, and how they get to their function."""

    retention: int
    visibility: int


@dataclass(frozen=True, slots=True)
class StreamTerms:
    """How a function reads the table's stream."""

    batch_size: int
    retries: int
    age: int
    bisects: bool
    filters: list[str]


def _function(role: str) -> dict[str, Any]:
    found: dict[str, Any] = FUNCTIONS[f"{role.title()}Function"]
    return found


def _event(role: str, kind: str) -> dict[str, Any]:
    return next(each["Properties"] for each in _function(role)["Events"].values() if each["Type"] == kind)


def _queue(name: str) -> QueueTerms:
    properties = RESOURCES[name]["Properties"]
    return QueueTerms(properties["MessageRetentionPeriod"], properties["VisibilityTimeout"])


def _stream(role: str) -> StreamTerms:
    reader = _event(role, "DynamoDB")
    assert reader["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "OnFailure" in reader["DestinationConfig"]
    return StreamTerms(
        reader["BatchSize"],
        reader["MaximumRetryAttempts"],
        reader["MaximumRecordAgeInSeconds"],
        reader["BisectBatchOnFunctionError"],
        [each["Pattern"] for each in reader["FilterCriteria"]["Filters"]],
    )


ROLES = ("poller", "copier", "intake", "announcer")
RUNS = {role: FunctionTerms(_function(role)["Timeout"], _function(role)["MemorySize"] / VCPU_MB) for role in ROLES}
QUEUES = {"rounds": _queue("RoundsQueue"), "copies": _queue("CopiesQueue")}
READERS = {"intake": _stream("intake"), "announcer": _stream("announcer")}
TICK_AGE_SECONDS: int = _function("poller")["EventInvokeConfig"]["MaximumEventAgeInSeconds"]
MOST_COPIERS_IS_BOUNDED = "ScalingConfig" in _event("copier", "SQS")

for _role, _kind in (("poller", "rounds"), ("copier", "copies")):
    _source = _event(_role, "SQS")
    assert (_source["BatchSize"], _source["FunctionResponseTypes"]) == (1, ["ReportBatchItemFailures"])
    assert QUEUES[_kind].visibility >= RUNS[_role].timeout, "services-sqs-configure.html: else AWS refuses the mapping"
assert _function("poller")["EventInvokeConfig"]["MaximumRetryAttempts"] == 0
assert "ScalingConfig" not in _event("poller", "SQS")
