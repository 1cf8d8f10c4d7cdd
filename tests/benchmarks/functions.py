"""The real functions, each environment a process of its own under Lambda's share, beside servers that are outside."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any

from infra.local.aws import without_aws
from infra.local.ministack import ROOT
from tests.benchmarks.servers import Cloud
from tests.benchmarks.share import Group, group, stretched
from tests.template import FUNCTIONS, default

TIMEOUT_SECONDS = 600


def memory_of(function: str) -> int:
    """Return a function's MemorySize, by its name without `Function`."""
    return int(FUNCTIONS[f"{function}Function"]["MemorySize"])


@dataclass(frozen=True, slots=True)
class Usage:
    """What a stretch of work took: wall and CPU seconds, the most MiB held so far, and the bytes logged so far."""

    wall: float
    cpu: float
    megabytes: float
    logged: int


class Environment:
    """One environment; it runs one event at a time."""

    def __init__(self, process: "subprocess.Popen[str]", init: Usage, share: Group | None, memory: int) -> None:
        """Talk to the process, whose init is over, and which has the share of so much memory."""
        self.init = init
        self._process = process
        self._share = share
        self._memory = memory

    def resize(self, memory: int) -> None:
        """Give it the share of another size; it keeps all that it has."""
        self._memory = memory
        if self._share:
            self._share.limit(memory)

    def run(self, event: object) -> Usage:
        """Run one event; the wall time is that under the share, held or computed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([event, TIMEOUT_SECONDS]), file=self._process.stdin, flush=True)
        usage = _read(self._process.stdout)
        return replace(usage, wall=stretched(usage.wall, usage.cpu, self._memory))


@contextmanager
def environment(
    function: str, cloud: Cloud, memory: int, settings: Mapping[str, str] | None = None
) -> Iterator[Environment]:
    """Start one environment of a function, by its name without `Function`; init is over, and ran at full speed."""
    variables = os.environ | without_aws({}) | cloud.environment() | _settings(cloud.url) | dict(settings or {})
    command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.lambda_process", f"{function.lower()}.handler"]
    with ExitStack() as stack:
        share = stack.enter_context(group(memory))
        process = stack.enter_context(
            subprocess.Popen(command, env=variables, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        stack.callback(process.kill)
        assert process.stdout is not None
        init = _read(process.stdout)
        if share:
            share.take(process.pid)
        yield Environment(process, init, share, memory)


def _read(answers: IO[str]) -> Usage:
    line = answers.readline()
    if not line:
        raise RuntimeError("the function's process has ended; its last words are above")
    return Usage(**json.loads(line))


def _settings(url: str) -> dict[str, str]:
    """Return what template.yaml gives the functions, with its defaults."""
    numbers = {
        "POLL_INTERVAL_SECONDS": "PollIntervalSeconds",
        "MAX_CONCURRENT_POLLS": "MaxConcurrentPolls",
        "TASKS_PER_WORKER": "TasksPerWorker",
        "MAX_WORKERS": "MaxWorkers",
        "TASK_DEADLINE_HOURS": "TaskDeadlineHours",
        "MAX_VIDEO_BYTES": "MaxVideoBytes",
        "RETENTION_DAYS": "RetentionDays",
    }
    return {name: str(default(parameter)) for name, parameter in numbers.items()} | {
        "TASKS_TABLE": "tasks",
        "VIDEOS_BUCKET": "videos",
        "ROUNDS_QUEUE": f"{url}/123456789012/rounds",
        "COPIES_QUEUE": f"{url}/123456789012/copies",
        "TASK_ENDED_TOPIC": "arn:aws:sns:us-east-1:123456789012:ended",
        "COMETAPI_BASE_URL": url,
        "COMETAPI_KEY_PARAMETER": "/cometapi/api-key",
        "ALLOW_INSECURE_VIDEO_URLS": "true",
        "POWERTOOLS_SERVICE_NAME": "seedance-poller",
        "POWERTOOLS_METRICS_NAMESPACE": "SeedancePoller",
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    }


def tick() -> dict[str, Any]:
    """Return the event of a tick, whose minute is the clock's."""
    return {"scheduled_time": ""}


def message(body: str) -> dict[str, Any]:
    """Return the event that brings one message of a queue."""
    return {"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": body}]}
