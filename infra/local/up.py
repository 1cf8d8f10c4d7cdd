"""`make up`: the local stack, left running; once more, it deploys what has changed since."""

import argparse
import fcntl
import sys
from collections.abc import Iterable

from infra.local import sam
from infra.local.process import ProgramError, orderly_exit
from infra.local.running import ENVIRONMENT, FOLDER, RECORD, RunningStack
from infra.local.stack import STACK_NAME, LocalStack, Options, local_parameters
from infra.sam import parameters
from infra.trouble import TroubleError


def main() -> int:
    """Start the local stack, or deploy to the one that is up, and say how to play with it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.up", description=__doc__)
    parser.add_argument("parameters", nargs="*", metavar="Name=value", help="parameters of template.yaml")
    words = parser.parse_args().parameters
    FOLDER.parent.mkdir(exist_ok=True)
    with (FOLDER.parent / "up.lock").open("w") as lock, orderly_exit():
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            running = _up(parameters(words))
        except BlockingIOError:
            print("Another `make up` is starting the stack at this moment.", file=sys.stderr)
            return 1
        except (ProgramError, TroubleError) as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nStopped; nothing that was just started is left running.", file=sys.stderr)
            return 130
    print("\n".join(_instructions(running)))
    return 0


def _up(given: dict[str, str]) -> RunningStack:
    running = RunningStack.recorded()
    if running and all(program.running for program in running.programs):
        _say("The local stack is up; deploying to it")
        values = local_parameters(running.cometapi_url) | given
        sam.deploy(sam.build(), running.aws_url, values, FOLDER / f"{STACK_NAME}.log")
        return running
    if running:
        running.stop()
    stack = LocalStack(Options(parameters=given), folder=FOLDER, say=_say)
    try:
        stack.start()
        running = RunningStack.of(stack)
        running.save(RECORD)
        ENVIRONMENT.write_text("\n".join(running.shell_environment()) + "\n")
    except BaseException:
        stack.stop()
        raise
    return running


def _say(step: str) -> None:
    print(f"{step} …", flush=True)


def _instructions(running: RunningStack) -> Iterable[str]:
    order = '{"model": "doubao-seedance-2-0-fast", "prompt": "A lighthouse at dawn"}'
    read_id = """python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'"""
    return (
        "\n# Let aws, sam, boto3 and CometAPI's client in this shell work on the local stack:",
        "source .local/env",
        "\n# Create a render at the simulated CometAPI (a prompt with the word refused fails):",
        'task_id=$(curl -s "$COMETAPI_BASE_URL/videos" -H "Authorization: Bearer $COMETAPI_KEY" \\',
        f"  -H 'Content-Type: application/json' -d '{order}' | {read_id})",
        "\n# Put its id into the table; the schedule looks there each minute:",
        "make feed TASK=$task_id",
        "\n# Watch it, see the videos, deploy what you changed, stop everything:",
        "make watch",
        f"aws s3 ls s3://{running.outputs['VideosBucketName']}/videos/",
        'make up PARAMETERS="PollIntervalSeconds=10"',
        "make down",
    )


if __name__ == "__main__":
    sys.exit(main())
