"""A process that copies videos for whoever watches it; the programs that it starts are under its share, too.

The arguments are the URL of the S3 server and the file of who is trusted. Each line of standard input is a JSON list
`[contender, URL, key]`; an answer is a line, the seconds it took.
"""

import json
import os
import resource
import sys
import time

import copier.handler  # noqa: F401 - a Lambda has it in memory
from tests.benchmarks.copy_contenders import every_contender
from tests.benchmarks.copy_servers import Rclone, s3_client


def main() -> None:
    """Say `ready`, then copy what is asked for."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nobody else may speak there
    s3_url, trusted = sys.argv[1:]
    contenders = every_contender(s3_client(s3_url, trusted), Rclone.beside(s3_url, trusted))
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        name, url, key = json.loads(line)
        wall, cpu = time.perf_counter(), _cpu()
        contenders[name](url, key)
        print(json.dumps([time.perf_counter() - wall, _cpu() - cpu]), file=answers, flush=True)


def _cpu() -> float:
    """Return the CPU seconds of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


if __name__ == "__main__":
    main()
