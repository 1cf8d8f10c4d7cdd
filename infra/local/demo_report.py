"""What the demo found, held against what it should have found."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from infra.local.aws import LocalAws
from infra.local.cometapi import Expected
from infra.local.notifications import Notifications, seen_by_consumer
from infra.local.stack import LocalStack
from infra.task_view import TaskRow

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Evidence:
    """The tasks as the table ends, the videos as the bucket holds them and as the simulator served them."""

    rows: Mapping[str, TaskRow]
    stored: Mapping[str, Expected]
    served: Mapping[str, Expected]
    by_sns: Counter[str]
    by_eventbridge: Counter[str]
    by_consumer: Counter[str]

    @classmethod
    def gather(cls, stack: LocalStack, rows: Mapping[str, TaskRow], notifications: Notifications) -> "Evidence":
        """Read every stored video again, and ask the simulator what it served."""
        stored = {task_id: read_object(stack.aws, row.s3_uri) for task_id, row in rows.items() if row.s3_uri}
        served = {task_id: stack.cometapi.expected(task_id) for task_id in stored}
        consumed = seen_by_consumer(stack.logs("ConsumerFunctionName"))
        return cls(rows, stored, served, notifications.by_sns, notifications.by_eventbridge, consumed)


def problems(evidence: Evidence, to_be_stored: Sequence[str], refused: str) -> list[str]:
    """Return a sentence for everything that is not as it should be; empty where all is well."""
    return [
        *(problem for task_id in to_be_stored for problem in _video_problems(evidence, task_id)),
        *_refusal_problems(evidence.rows.get(refused), refused),
        *_stray_problems(evidence, to_be_stored),
    ]


def result_problems(evidence: Evidence, *, usage: Sequence[str], last_frame: str, stack: LocalStack) -> Iterable[str]:
    """Yield a sentence for each task of `usage` without tokens, and for a last frame that is not as it was served."""
    for task_id in usage:
        if not (task_id in evidence.rows and evidence.rows[task_id].tokens):
            yield f"the item of {task_id} does not say how many tokens it took"
    row = evidence.rows.get(last_frame)
    uri = str(row.result.get("last_frame", "")) if row else ""
    if not uri.startswith("s3://"):
        yield f"the last frame of {last_frame} was not stored: {uri or 'nothing is said of it'}"
    elif read_object(stack.aws, uri) != stack.cometapi.expected_last_frame(last_frame):
        yield f"{uri} differs from what CometAPI served"


def summary(evidence: Evidence, refused: str) -> Iterable[RenderableType]:
    """Return what a person wants to see at the end: each object, its notifications, and the reason of the failure."""
    columns = ("Object", "Size", "Tokens", "SNS", "EventBridge", "Consumer", "Bytes")
    table = Table(*columns, box=None, padding=(0, 2, 0, 0), expand=True)
    table.columns[0].ratio, table.columns[0].no_wrap, table.columns[0].overflow = 1, True, "ellipsis"
    for task_id, video in evidence.stored.items():
        row = evidence.rows[task_id]
        verdict = "identical" if video == evidence.served[task_id] else "DIFFERENT"
        counts = [counter[row.s3_key] for counter in _ways(evidence).values()]
        tokens = f"{row.tokens:,}" if row.tokens else ""
        table.add_row(row.s3_key, decimal(video.size), tokens, *map(str, counts), verdict)
    frames = [f"Last frame: {uri}" for row in evidence.rows.values() if (uri := row.result.get("last_frame"))]
    failed = evidence.rows.get(refused)
    reason = Text.assemble(f"{refused} ended as ", (failed.status, "red"), f": {failed.error}") if failed else Text()
    return [Text(), Group(table), *frames, Text(), reason]


def _video_problems(evidence: Evidence, task_id: str) -> list[str]:
    row = evidence.rows.get(task_id)
    if row is None or row.outcome != "stored":
        return [f"{task_id} was not stored: {row.line() if row else 'it is not in the table'}"]
    found = []
    if evidence.stored[task_id] != evidence.served[task_id]:
        found.append(f"{row.s3_uri} differs from what CometAPI served")
    if row.size != evidence.served[task_id].size:
        found.append(f"the item of {task_id} gives its size as {row.size}, not {evidence.served[task_id].size}")
    counts = {way: counter[row.s3_key] for way, counter in _ways(evidence).items()}
    return found + [f"{row.s3_key} arrived {n} times by {way}, not once" for way, n in counts.items() if n != 1]


def _ways(evidence: Evidence) -> Mapping[str, Counter[str]]:
    return {"SNS": evidence.by_sns, "EventBridge": evidence.by_eventbridge, "Consumer": evidence.by_consumer}


def _refusal_problems(row: TaskRow | None, task_id: str) -> list[str]:
    if row is None or row.status != "FAILED" or not row.error:
        return [f"{task_id} should have ended as FAILED with a reason: {row.line() if row else 'it is missing'}"]
    return []


def _stray_problems(evidence: Evidence, to_be_stored: Sequence[str]) -> list[str]:
    rows = [row for task_id, row in evidence.rows.items() if task_id in to_be_stored and row.s3_uri]
    frames = (str(row.result.get("last_frame", "")) for row in rows)
    known = {row.s3_key for row in rows} | {uri.removeprefix("s3://").partition("/")[2] for uri in frames}
    stray = (evidence.by_sns.keys() | evidence.by_eventbridge.keys()) - known
    return [f"{key} was announced, but it belongs to no task" for key in sorted(stray)]


def read_object(aws: LocalAws, uri: str) -> Expected:
    """Read an object of the local S3 whole; returns its digest and size."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body = aws.s3.get_object(Bucket=bucket, Key=key)["Body"]
    digest, size = hashlib.sha256(), 0
    for chunk in body.iter_chunks(CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
    return Expected(sha256=digest.hexdigest(), size=size)
