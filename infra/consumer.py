"""`make consumer`: deploys the example that is told of every video; `make arrivals`: shows what it was told."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError
from rich.filesize import decimal

from infra.command import counted, printable, remark, run, say, say_json
from infra.health import json_line
from infra.local.sam import CONSUMER, overrides
from infra.sam import run_sam
from infra.target import Target, describe
from infra.trouble import TroubleError

CONSUMER_STACK = "seedance-consumer"
WINDOW_SECONDS = 3600
INTERVAL_SECONDS = 2.0
_ARRIVED = "a video arrived"


def main() -> int:
    """Deploy the consumer, or show what it heard; returns the exit status."""
    options = _options()
    target = Target.announced(options.stack)
    return _deploy(target, options.name) if options.action == "deploy" else _arrivals(target, options)


def _deploy(target: Target, name: str) -> int:
    bucket = target.outputs["VideosBucketName"]
    if (other := _bucket_of(target, name)) not in {None, bucket}:
        raise TroubleError(f"The stack {name} is told of the videos in {other}; say CONSUMER=name for a second one.")
    if status := run_sam("build", folder=CONSUMER.folder, target=target, is_quiet=True):
        return status
    unasked = ("--no-confirm-changeset", "--no-fail-on-empty-changeset")
    named = ("--stack-name", name, "--s3-prefix", name)
    arguments = ("deploy", *named, *unasked, *overrides({"VideosBucketName": bucket}))
    if status := run_sam(*arguments, folder=CONSUMER.folder, target=target, is_quiet=True):
        return status
    remark(
        f"Stack {name} is told of each video in {bucket}; `make arrivals` shows them as they arrive. On AWS it takes "
        "minutes until the first ones are told of."
    )
    return 0


def _arrivals(target: Target, options: argparse.Namespace) -> int:
    """Show the videos of the last hour, and on a terminal each new one until Ctrl-C."""
    if _bucket_of(target, options.name) is None:
        raise TroubleError(f"There is no stack {options.name}; `make consumer` deploys it.")
    found = target.cloudformation.describe_stacks(StackName=options.name)["Stacks"][0]
    function = next(o["OutputValue"] for o in found.get("Outputs", []) if o["OutputKey"] == "ConsumerFunctionName")
    settings = target.functions.get_function_configuration(FunctionName=function)
    group = settings.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{function}")
    told: dict[str, Mapping[str, Any]] = {}
    if not options.json and sys.stdout.isatty():
        remark("The videos of the last hour, and each new one, as the example is told of it; Ctrl-C ends:")
    with suppress(KeyboardInterrupt):  # how everybody ends it
        while True:
            new = {event: video for event, video in _heard(target, group) if event not in told}
            told |= new
            for video in () if options.json else new.values():
                size = decimal(int(video.get("size", 0)))
                say(printable(f"{video.get('s3_uri')}  {size}  {json.dumps(video.get('metadata'))}"))
            if options.json or not sys.stdout.isatty():
                break
            time.sleep(INTERVAL_SECONDS)
    if options.json:
        say_json({"consumer": options.name, "arrived": list(told.values())})
    else:
        remark(f"{counted(len(told), 'arrival')} within the last hour")
    return 0


def _heard(target: Target, group: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what the consumer's log says of each video, with the id of the line."""
    pages = target.logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, startTime=int((time.time() - WINDOW_SECONDS) * 1000), filterPattern=f'"{_ARRIVED}"'
    )
    try:
        for page in pages:
            for event in page["events"]:
                for number, line in enumerate(event["message"].splitlines()):
                    if (said := json_line(line)).get("message") == _ARRIVED:
                        yield f"{event['timestamp']} {event.get('logStreamName')} {number}", said
    except target.logs.exceptions.ResourceNotFoundException:
        return


def _bucket_of(target: Target, name: str) -> str | None:
    """Return the bucket that a consumer's stack listens to; None where there is no such stack."""
    try:
        found = describe(target.cloudformation, name, "")
    except (TroubleError, ClientError):
        return None
    return next(
        (p["ParameterValue"] for p in found.get("Parameters", []) if p["ParameterKey"] == "VideosBucketName"), None
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.consumer", description=__doc__)
    parser.add_argument("action", choices=["deploy", "arrivals"])
    parser.add_argument("--stack", help="the service's; default: the local one where it is up, else AWS's")
    parser.add_argument("--name", default=CONSUMER_STACK, help="the consumer's own stack")
    parser.add_argument("--json", action="store_true", help="print what arrived for scripts, and end")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(run(main))
