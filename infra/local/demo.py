"""`make demo`: the whole service on this machine, on a handful of renders, with everything checked at the end."""

import json
import sys
import time
from collections.abc import Sequence

from rich.console import Console

from infra.local.cometapi import RemoteCometApi
from infra.local.demo_report import Evidence, problems, result_problems, summary
from infra.local.loopback import HTTP
from infra.local.notifications import Notifications, seen_by_consumer
from infra.local.process import ProgramError, orderly_exit
from infra.local.stack import LocalStack
from infra.task_reader import TaskTableReader
from infra.task_view import TaskRow
from infra.watch import follow

PLAIN, WITH_USAGE, WITH_LAST_FRAME, WITHOUT_URL = (
    *("doubao-seedance-2-0-fast", "doubao-seedance-2-0", "doubao-seedance-2-0-pro", "sora-2"),
)
"""What the simulated CometAPI's models differ in; the last one's videos are only to be had at the content route."""
# Prompt, model, render time in seconds. The longest outlives the minute that the demo asks for: the schedule finds it.
RENDERS = (
    ("A lighthouse at dawn, waves below, slow pan", PLAIN, 12),
    ("Macro shot of rain on a red tulip", WITH_USAGE, 18),
    ("A paper boat sails down a city gutter", WITH_LAST_FRAME, 24),
    ("Time-lapse of a night market closing", WITHOUT_URL, 32),
    ("A fox crosses a snowy field, seen from above", PLAIN, 66),
    ("Something that is refused", PLAIN, 15),
)
PATIENCE_SECONDS = 180.0
NOTIFICATION_SECONDS = 20.0
CREATED = 200


def main() -> int:
    """Run the demo; returns 0 only where every video, notification and reason is what it should be."""
    console = Console()
    with orderly_exit():
        try:
            with LocalStack(say=lambda step: console.print(f"[bold]{step}[/] …", highlight=False)) as stack:
                stack.deploy_consumer()
                return _demonstrate(stack, console)
        except ProgramError as error:
            console.print(str(error), style="red", markup=False, highlight=False)
            return 1
        except KeyboardInterrupt:
            console.print("\nStopped; nothing is left running.")
            return 130


def _demonstrate(stack: LocalStack, console: Console) -> int:
    spent = ", ".join(f"{step} {seconds:.0f} s" for step, seconds in stack.seconds.items())
    console.print(
        f"Deployed ({spent}).\nCreating {len(RENDERS)} renders, putting their ids into the table.\n", highlight=False
    )
    notifications = Notifications(stack.aws, stack.outputs["VideoStoredTopicArn"], stack.outputs["VideosBucketName"])
    task_ids = [_create(stack.cometapi, *render) for render in RENDERS]
    rows = _save_videos(stack, task_ids, console)
    _await(notifications, stack, sum(row.outcome == "stored" for row in rows))
    evidence = Evidence.gather(stack, {row.task_id: row for row in rows}, notifications)
    *to_be_stored, refused = task_ids
    console.print(*summary(evidence, refused), sep="\n")
    found = [
        *problems(evidence, to_be_stored, refused),
        *result_problems(evidence, usage=task_ids[1:3], last_frame=task_ids[2], stack=stack),
    ]
    return _verdict(found, stack, console)


def _save_videos(stack: LocalStack, task_ids: Sequence[str], console: Console) -> Sequence[TaskRow]:
    """Put the ids into the table and show the tasks until each has ended; returns them as they are then."""
    table = stack.outputs["TasksTableName"]
    for task_id in task_ids:
        stack.aws.dynamodb.put_item(TableName=table, Item={"task_id": {"S": task_id}})
    reader = TaskTableReader(stack.aws.dynamodb, table)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not all(row.status for row in reader.rows()) and time.monotonic() < deadline:
        time.sleep(0.2)
    # The schedule ticks each minute; only the first tick is asked for, so that nobody waits a minute for it.
    stack.tick()
    return follow(reader.rows, console, lambda rows: _all_ended(rows, task_ids) or time.monotonic() > deadline)


def _create(cometapi: RemoteCometApi, prompt: str, model: str, seconds: float) -> str:
    """Create a render as any user of CometAPI does, and return its task id."""
    cometapi.configure(render_seconds=seconds)
    answer = HTTP.request(
        "POST",
        f"{cometapi.base_url}/v1/videos",
        json={"model": model, "prompt": prompt},
        headers={"Authorization": f"Bearer {cometapi.api_key}"},
    )
    if answer.status != CREATED:
        raise ProgramError(f"the simulated CometAPI refused to create a render: {answer.data.decode()}")
    return str(json.loads(answer.data)["id"])


def _all_ended(rows: Sequence[TaskRow], task_ids: Sequence[str]) -> bool:
    return {row.task_id for row in rows if row.outcome != "pending"} >= set(task_ids)


def _await(notifications: Notifications, stack: LocalStack, videos: int) -> None:
    deadline = time.monotonic() + NOTIFICATION_SECONDS
    notifications.collect()
    while time.monotonic() < deadline and not (
        notifications.at_least(videos) and seen_by_consumer(stack.logs("ConsumerFunctionName")).total() >= videos
    ):
        time.sleep(0.5)
        notifications.collect()


def _verdict(found: Sequence[str], stack: LocalStack, console: Console) -> int:
    if not found:
        console.print("\n[green]All videos are byte-identical, and each was announced exactly once.[/]")
        return 0
    console.print("\nThe demo failed:", style="red")
    for problem in found:
        console.print(f"* {problem}", markup=False, highlight=False)
    for output in ("IntakeFunctionName", "PollerFunctionName", "CopierFunctionName"):
        console.print(f"\nThe end of the log of {stack.outputs[output]}:")
        console.print("\n".join(stack.logs(output)[-15:]), markup=False, highlight=False, soft_wrap=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
