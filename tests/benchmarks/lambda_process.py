"""One environment of a function: it imports the handler at full speed, as Lambda's init does, then runs events.

The argument is the handler's module. Each line of standard input is `[event, seconds]`; an answer is a line of JSON.
"""

import importlib
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def main() -> None:
    """Say `ready`, then run each event that comes."""
    answers = os.fdopen(os.dup(1), "w")
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 1)  # the functions log there
    started = time.perf_counter()
    handler = importlib.import_module(sys.argv[1]).handler
    print(json.dumps(_usage(started, cpu_before=0.0)), file=answers, flush=True)
    for line in sys.stdin:
        event, seconds = json.loads(line)
        started, before = time.perf_counter(), time.process_time()
        handler(event, _context(time.monotonic() + seconds))
        print(json.dumps(_usage(started, before)), file=answers, flush=True)


def _usage(started: float, cpu_before: float) -> dict[str, float]:
    """Return wall and CPU seconds, the most MiB that the process ever held, and the bytes that it has logged."""
    wall = time.perf_counter() - started
    status = Path("/proc/self/status").read_text() if Path("/proc/self/status").exists() else ""
    most = status.partition("VmHWM:")[2].split()
    megabytes = int(most[0]) / 1024 if most else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cpu = time.process_time() - cpu_before
    return {"wall": wall, "cpu": cpu, "megabytes": megabytes, "logged": os.fstat(1).st_size}


def _context(ends_at: float) -> Any:
    return SimpleNamespace(
        function_name="function",
        memory_limit_in_mb=128,
        invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:function",
        aws_request_id="00000000-0000-0000-0000-000000000000",
        get_remaining_time_in_millis=lambda: int((ends_at - time.monotonic()) * 1000),
    )


if __name__ == "__main__":
    main()
