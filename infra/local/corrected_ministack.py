"""MiniStack with what it gets wrong put right where a template is right for AWS, run by its own Python.

* CloudFormation gives each property the type that its resource wants. MiniStack leaves a `!Ref` of a parameter a
  string: MaximumConcurrency then stops all mappings of queues, and "false" enables one.
* EventBridge Scheduler puts the minute that is to be served in place of <aws.scheduler.scheduled-time>.
* An alarm on metric math is kept, by the first of its metrics: MiniStack would refuse the whole template. Nothing here
  judges it.
* CloudFormation refuses to change an index of a table in place, and to make or delete two in one update.
* A stream goes on from the first record that a function reported as failed.
* A process that is at work lives on when its function changes, or when another process of it dies.
* All that an invocation has said is in the log when it is over: MiniStack reads on for a quarter of a second at the
  most, and shows the rest with the next invocation of that process, if there is one.
* The processes of a function share one copy of its code, where MiniStack unpacks 4,000 files for each.
"""

import fcntl
import hashlib
import sys
import tempfile
import termios
import threading
import time
import zipfile
from array import array
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# It is installed beside, not among, the packages of the project.
from ministack.app import main  # type: ignore[import-not-found]
from ministack.core import lambda_runtime  # type: ignore[import-not-found]
from ministack.services import eventbridge, lambda_svc  # type: ignore[import-not-found]
from ministack.services.cloudformation.provisioners import (  # type: ignore[import-not-found]
    _RESOURCE_HANDLERS as HANDLERS,
)

type JSON = dict[str, Any]

NUMBERS = ("BatchSize", "MaximumRetryAttempts", "MaximumRecordAgeInSeconds", "ParallelizationFactor")
BOOLEANS = ("Enabled", "BisectBatchOnFunctionError")
INDEXES = "GlobalSecondaryIndexes"
SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"


def typed(properties: JSON) -> JSON:
    """Return a mapping's properties with the types that CloudFormation knows for them."""
    properties = {**properties}
    properties |= {name: int(properties[name]) for name in NUMBERS if name in properties}
    properties |= {name: str(properties[name]).lower() == "true" for name in BOOLEANS if name in properties}
    if scaling := properties.get("ScalingConfig"):
        properties["ScalingConfig"] = {name: int(value) for name, value in scaling.items()}
    return properties


def correct_types() -> None:
    """Give the properties of event source mappings their types."""
    mapping = HANDLERS["AWS::Lambda::EventSourceMapping"]
    create, update = mapping["create"], mapping["update"]

    def typed_create(logical_id: str, new: JSON, stack: str) -> tuple[str, JSON]:
        mapping_id, attributes = create(logical_id, typed(new), stack)
        made = lambda_svc._esms[mapping_id]  # noqa: SLF001 - there is no other place for it
        made["State"] = "Enabled" if made["Enabled"] else "Disabled"
        return mapping_id, attributes

    mapping["create"] = typed_create
    mapping["update"] = lambda physical_id, old, new, stack: update(physical_id, typed(old), typed(new), stack)


def refuse_changed_indexes() -> None:
    """Refuse what CloudFormation refuses, in its words."""
    table = HANDLERS["AWS::DynamoDB::Table"]
    update = table["update"]

    def update_as_aws(physical_id: str, old: JSON, new: JSON, *others: object, **more: object) -> object:
        before, after = ({index["IndexName"]: index for index in it.get(INDEXES, ())} for it in (old, new))
        if any(before[name] != after[name] for name in before.keys() & after.keys()):
            raise ValueError("Cannot update GSI's properties. You can create a new GSI with a different name.")
        if len(before.keys() ^ after.keys()) > 1:
            raise ValueError("Cannot perform more than one GSI creation or deletion in a single update")
        return update(physical_id, old, new, *others, **more)

    table["update"] = update_as_aws


def one_metric(properties: JSON) -> JSON:
    """Return an alarm's properties with the first metric of an expression in the expression's place."""
    stats = [metric["MetricStat"] for metric in properties.get("Metrics", ()) if "MetricStat" in metric]
    if not stats:
        return properties
    kept = {name: value for name, value in properties.items() if name != "Metrics"}
    return {**kept, **stats[0]["Metric"], "Period": stats[0]["Period"], "Statistic": stats[0]["Stat"]}


def keep_metric_math() -> None:
    """Let alarms on metric math be deployed."""
    alarm = HANDLERS["AWS::CloudWatch::Alarm"]
    create, update = alarm["create"], alarm["update"]
    alarm["create"] = lambda logical_id, new, stack: create(logical_id, one_metric(new), stack)
    alarm["update"] = lambda physical_id, old, new, *others: update(
        physical_id, one_metric(old), one_metric(new), *others
    )


def correct_scheduled_time() -> None:
    """Put the minute into a schedule's input."""
    invoke = eventbridge._invoke_target  # noqa: SLF001 - there is no other place for it

    def invoke_with_time(target: JSON, event: JSON, *others: object) -> object:
        if event.get("Source") == "aws.scheduler" and SCHEDULED_TIME in target.get("Input", ""):
            minute = datetime.fromtimestamp(event["Time"] // 60 * 60, UTC)
            target = {**target, "Input": target["Input"].replace(SCHEDULED_TIME, f"{minute:%Y-%m-%dT%H:%M:%SZ}")}
        return invoke(target, event, *others)

    eventbridge._invoke_target = invoke_with_time  # noqa: SLF001 - see above


def correct_partial_failures() -> None:
    """Keep a stream where a function reported its first failed record, and send it again from there."""
    execute = lambda_svc._execute_function  # noqa: SLF001 - there is no other place for it
    resume: dict[str, str] = {}

    def execute_from_failure(function: JSON, event: Any) -> JSON:  # noqa: ANN401 - events are anything
        numbers = _sequence_numbers(event)
        if not numbers:
            return dict(execute(function, event))
        name = function.get("config", function)["FunctionName"]
        start = numbers.index(resume[name]) if resume.get(name) in numbers else 0
        result = dict(execute(function, {"Records": event["Records"][start:]}))
        failed = [numbers.index(number) for number in _failed(result) if number in numbers]
        if not failed:
            return result
        resume[name] = numbers[min(failed)]
        return {**result, "error": True, "body": {"errorType": "PartialFailure", "errorMessage": f"{len(failed)}"}}

    lambda_svc._execute_function = execute_from_failure  # noqa: SLF001 - see above


def _sequence_numbers(event: object) -> list[str]:
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list) or not all(isinstance(record, Mapping) for record in records):
        return []
    if any(record.get("eventSource") != "aws:dynamodb" for record in records):
        return []
    return [str(record["dynamodb"]["SequenceNumber"]) for record in records]


def _failed(result: JSON) -> list[str]:
    body = result.get("body")
    failures = body.get("batchItemFailures", []) if isinstance(body, Mapping) and not result.get("error") else []
    return [str(failure.get("itemIdentifier")) for failure in failures]


def spare_working_processes() -> None:
    """Let the processes of a function finish what they are doing before they are stopped."""
    kill_workers = lambda_runtime.kill_workers

    def works(worker: Any) -> bool:  # noqa: ANN401 - MiniStack's own
        process = worker._proc  # noqa: SLF001 - there is no other place for it
        return bool(worker.in_use and process and process.poll() is None)

    def kill_in_the_end(worker: Any) -> None:  # noqa: ANN401 - see above
        while works(worker):
            time.sleep(0.2)
        kill_workers([worker])

    def spare(workers: list[Any]) -> None:
        working = [worker for worker in workers if works(worker)]
        kill_workers([worker for worker in workers if worker not in working])
        for worker in working:
            threading.Thread(target=kill_in_the_end, args=[worker], daemon=True).start()

    lambda_runtime.kill_workers = spare


def read_to_the_end() -> None:
    """Read what a process has said until nothing is left in its pipe, however busy the machine is."""
    read = lambda_runtime.Worker._drain_stderr_bounded  # noqa: SLF001 - there is no other place for it

    def read_all(worker: Any) -> str:  # noqa: ANN401 - MiniStack's own
        process = worker._proc  # noqa: SLF001 - see above
        while process and not process.stderr.closed and _unread(process.stderr.fileno()):
            time.sleep(0.001)
        return str(read(worker, idle_confirm=0.02, hard_cap=30.0))

    lambda_runtime.Worker._drain_stderr_bounded = read_all  # noqa: SLF001 - see above


def _unread(pipe: int) -> int:
    count = array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


class SharedCode(zipfile.ZipFile):
    """A function's code, unpacked once for all its processes."""

    lock = threading.Lock()

    def extractall(self, path: Any = None, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as its parent
        """Make `path` a link to the one copy of these files."""
        digest = hashlib.sha256(Path(str(self.filename)).read_bytes()).hexdigest()
        shared = Path(tempfile.gettempdir()) / f"code-{digest[:16]}"
        with self.lock:
            if not shared.exists():
                unfinished = shared.with_suffix(".unfinished")
                super().extractall(unfinished, *arguments, **options)
                unfinished.rename(shared)
        Path(path).rmdir()
        Path(path).symlink_to(shared)


def share_code() -> None:
    """Unpack the code of functions once."""
    lambda_runtime.zipfile = SimpleNamespace(ZipFile=SharedCode, BadZipFile=zipfile.BadZipFile)


if __name__ == "__main__":
    correct_types()
    keep_metric_math()
    refuse_changed_indexes()
    correct_scheduled_time()
    correct_partial_failures()
    spare_working_processes()
    read_to_the_end()
    share_code()
    sys.exit(main())
