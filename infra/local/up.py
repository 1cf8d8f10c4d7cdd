"""`make up`: the local stack, left running, and what to do with it."""

import fcntl
import sys
from collections.abc import Iterable

from infra.local.aws import DUMMY_CREDENTIALS, REGION
from infra.local.process import ProgramError, orderly_exit
from infra.local.running import FOLDER, RECORD, RunningStack
from infra.local.stack import LocalStack


def main() -> int:
    """Start the local stack unless it is up, and print how to play with it; returns the exit status."""
    FOLDER.parent.mkdir(exist_ok=True)
    with (FOLDER.parent / "up.lock").open("w") as lock, orderly_exit():
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another `make up` is starting the stack at this moment.", file=sys.stderr)
            return 1
        return _up()


def _up() -> int:
    running = RunningStack.recorded()
    if running and all(program.running for program in running.programs):
        print("The local stack is already up; `make down` stops it.")
    else:
        if running:
            running.stop()
        try:
            running = _start()
        except ProgramError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nStopped; nothing is left running.", file=sys.stderr)
            return 130
        print("The local stack is up.")
    print("\n".join(_instructions(running)))
    return 0


def _start() -> RunningStack:
    stack = LocalStack(folder=FOLDER, say=lambda step: print(f"{step} …", flush=True))
    try:
        stack.start()
        running = RunningStack.of(stack)
        running.save(RECORD)
    except BaseException:
        stack.stop()
        raise
    return running


def _instructions(running: RunningStack) -> Iterable[str]:
    credentials = " ".join(f"{name}={value}" for name, value in DUMMY_CREDENTIALS.items())
    aws = f"{credentials} .tools/awscli/bin/aws --region {REGION} --endpoint-url {running.aws_url}"
    order = '{"model": "doubao-seedance-2-0-fast", "prompt": "A lighthouse at dawn"}'
    read_id = """python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'"""
    return (
        "\n# Create a render at the simulated CometAPI (a prompt with the word refused fails):",
        f"task_id=$(curl -s {running.cometapi_url}/v1/videos -H 'Authorization: Bearer {running.api_key}' \\",
        f"  -H 'Content-Type: application/json' -d '{order}' | {read_id})",
        "\n# Put its id into the table; the schedule looks there each minute:",
        f"{aws} \\",
        f"  dynamodb put-item --table-name {running.outputs['TasksTableName']} \\",
        """  --item '{"task_id": {"S": "'$task_id'"}}'""",
        "\n# Watch it, see the videos, stop everything:",
        "make watch",
        f"{aws} \\",
        f"  s3 ls s3://{running.outputs['VideosBucketName']}/videos/",
        "make down",
    )


if __name__ == "__main__":
    sys.exit(main())
