"""`make smoke`: prove in some three minutes that a deployed stack does its work, and say the cure where it does not."""

import argparse
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict

from infra.command import counted, remark, run, say, say_json
from infra.smoke_check import Check, State
from infra.smoke_deployed import Deployed, deployed
from infra.smoke_ear import Ear
from infra.smoke_render import followed
from infra.smoke_steps import Steps
from infra.smoke_tasks import SmokeTasks
from infra.smoke_traces import Traces
from infra.target import Target
from infra.trouble import TroubleError

SECONDS = 180


def main() -> int:
    """Make all checks, a line each; returns 1 where one failed."""
    options = _options()
    target = Target.announced(options.stack)
    is_insecure = target.parameters.get("AllowInsecureVideoUrls") == "true"
    if options.video_url and not options.video_url.startswith("https://") and not is_insecure:
        raise TroubleError("VIDEO_URL must begin with https://, the stack fetches nothing else.")
    found: list[Check] = []
    for check in checks(target, options):
        found.append(check)
        if not options.json:
            say(check.line)
    bad = [check.name for check in found if check.state is State.FAILED]
    if options.json:
        say_json({"stack": target.name, "passed": not bad, "checks": [asdict(check) for check in found]})
    else:
        say(f"{counted(len(bad), 'check')} failed: {', '.join(bad)}" if bad else "The stack does its work.")
    return 1 if bad else 0


def checks(target: Target, options: argparse.Namespace) -> Iterator[Check]:
    """Yield each check as it ends; whatever was made is removed, also where somebody has enough."""
    stack = Deployed(target)
    bad = set()
    for check in deployed(stack):
        if check.state is State.FAILED:
            bad.add(check.name)
        yield check
    remark(f"Sending tasks through it, which takes up to {options.seconds} s …")
    traces = Traces(f"smoke-{secrets.token_hex(4)}")
    tasks = SmokeTasks(stack, traces, time.monotonic() + options.seconds, options.video_url or None)
    try:
        yield from Steps(tasks, Ear(stack, traces), bad).run()
    except BaseException:
        if (removed := traces.remove()).state is State.FAILED:
            remark(removed.line)
        raise
    yield traces.remove()
    if options.task_id:
        yield from followed(stack, options.task_id, options.minutes)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.smoke", description=__doc__)
    parser.add_argument("--stack", help="a stack by its name; default: the local one where it is up, else AWS's")
    parser.add_argument("--video-url", help="a small video to be copied; default: one of its own, in the bucket")
    parser.add_argument("--task-id", help="a render at CometAPI to be followed to its object; both are kept")
    parser.add_argument("--minutes", type=float, default=30, help="how long the render may take; default: 30")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help=f"how long the rest may take; default: {SECONDS}"
    )
    parser.add_argument("--json", action="store_true", help="print the checks for scripts")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(run(main))
