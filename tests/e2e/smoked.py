"""`make smoke` on a local stack, and what it may leave there."""

import argparse
from typing import Any

from infra import smoke
from infra.local.stack import STACK_NAME, LocalStack
from infra.smoke_check import Check, State
from infra.target import Target
from tests.e2e.tasks import Tasks

FAULT_SECONDS = 25

type Found = dict[str, Check]


def target(stack: LocalStack) -> Target:
    return Target._described(stack.aws.session, stack.aws.url, STACK_NAME)  # noqa: SLF001 - as `find` does it


def smoked(stack: LocalStack, seconds: float = FAULT_SECONDS, **options: str | None) -> Found:
    chosen: dict[str, Any] = {"seconds": seconds, "video_url": None, "task_id": None, "minutes": 3, **options}
    return {check.name: check for check in smoke.checks(target(stack), argparse.Namespace(**chosen))}


def bad(found: Found) -> list[str]:
    return [name for name, check in found.items() if check.state is State.FAILED]


def made_by_smoke(stack: LocalStack) -> list[str]:
    bucket, sqs, sns = stack.outputs["VideosBucketName"], stack.aws.sqs, stack.aws.sns
    items = [task_id for task_id in Tasks(stack).ids() if task_id.startswith("smoke-")]
    objects = [one["Key"] for one in stack.aws.s3.list_objects_v2(Bucket=bucket, Prefix="smoke/").get("Contents", [])]
    queues = sqs.list_queues(QueueNamePrefix="smoke-").get("QueueUrls", [])
    heard = [one["Endpoint"] for one in sns.list_subscriptions()["Subscriptions"]]
    return [*items, *objects, *queues, *(endpoint for endpoint in heard if ":smoke-" in endpoint)]
