"""A process that asks CometAPI, in the way that whoever watches it names.

The arguments are CometAPI's URL and how many requests may be in flight. Each line of standard input is a JSON list
`[contender, number of tasks]`; an answer is a line, the CPU seconds it took.
"""

import gc
import json
import os
import sys
import time

from tests.benchmarks.cloud import API_KEY
from tests.benchmarks.contenders import contenders


def main() -> None:
    """Name the contenders, then ask as told."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nobody else may speak there
    url, concurrency = sys.argv[1:]
    competing = contenders(url, API_KEY, int(concurrency))
    gc.collect()
    gc.freeze()  # so that nobody pays for walking the modules that another one imported
    print(json.dumps(list(competing)), file=answers, flush=True)
    for line in sys.stdin:
        name, count = json.loads(line)
        task_ids = [f"task_{number:032d}" for number in range(count)]
        before = time.process_time()
        competing[name].poll(task_ids)
        print(json.dumps(time.process_time() - before), file=answers, flush=True)
    for contender in competing.values():
        contender.close()


if __name__ == "__main__":
    main()
