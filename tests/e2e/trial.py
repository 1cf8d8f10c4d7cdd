"""Many tasks on a stack that is in trouble, followed to their ends."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Unpack

import pytest

from infra.local.cometapi import Expected
from infra.local.cometapi.render import RenderOptions
from infra.local.notifications import Notifications
from infra.local.stack import LocalStack
from shared.lifecycle import QUEUE_SECONDS
from tests.e2e.proxy import Proxy
from tests.e2e.queues import DeployedQueue
from tests.e2e.tasks import Item, Tasks

TICK_SECONDS = 15
"""Beside those of the schedule, so that one that fails costs no minute; rounds that overlap are a trouble of their own.
"""
REDELIVERY_SECONDS = 10
"""A message of a Copier that was killed comes back; so does one of a Copier that takes longer, which finds its word
gone."""
QUIET_SECONDS = 3
ANNOUNCED_SECONDS = 60


def nothing(_fired: Counter[str]) -> None:
    pass


class Trial:
    """Tasks with their videos; `proxy` makes the trouble."""

    def __init__(self, stack: LocalStack, proxy: Proxy) -> None:
        self.stack = stack
        self.proxy = proxy
        self.tasks = Tasks(stack)
        self.copies = DeployedQueue.of_copies(stack)
        self.copies.redeliver_after(REDELIVERY_SECONDS)
        self.bucket = stack.outputs["VideosBucketName"]
        self.notifications = Notifications(stack.aws, stack.outputs["VideoStoredTopicArn"], self.bucket)
        self.items: dict[str, Item] = {}
        self.fired: Counter[str] = Counter()
        self.seconds = 0.0
        self._leases: dict[str, tuple[str, float]] = {}

    def put(self, **options: Unpack[RenderOptions]) -> str:
        """Let CometAPI render a video and insert its task."""
        task_id = self.tasks.put({"task_id": self.stack.cometapi.create(**options)})
        self.items[task_id] = {}
        return task_id

    def run(self, seconds: float, lease_seconds: int, meanwhile: Callable[[Counter[str]], None] = nothing) -> None:
        """Follow all tasks to their ends, within so many seconds, or the test fails.

        No Copier's lease is longer than `lease_seconds`, and no lease without a message lasts; `meanwhile` is told each
        time which rules have fired.
        """
        started = time.monotonic()
        ticks = 0
        while pending := self._pending():
            self.seconds = time.monotonic() - started
            if self.seconds > seconds:
                pytest.fail(f"after {seconds} s not ended: {pending}", pytrace=False)
            if self.seconds >= ticks * TICK_SECONDS:
                self.stack.tick()
                ticks += 1
            fired = self.proxy.collect()
            self.fired += fired
            meanwhile(fired)
            self._end_leases(pending, lease_seconds)
            time.sleep(0.3)

    def stored(self) -> dict[str, Expected]:
        """Return digest and size of every object in the bucket that is one of these tasks', by task id."""
        stored = {}
        for task_id in self.items:
            body = self.stack.aws.s3.get_object(Bucket=self.bucket, Key=f"videos/{task_id}.mp4")["Body"].read()
            stored[task_id] = Expected(sha256=hashlib.sha256(body).hexdigest(), size=len(body))
        return stored

    def expected(self) -> dict[str, Expected]:
        """Return what `stored` must return."""
        return {task_id: self.stack.cometapi.expected(task_id) for task_id in self.items}

    def keys(self) -> Counter[str]:
        """Return the key of every task, once."""
        return Counter(f"videos/{task_id}.mp4" for task_id in self.items)

    def announced(self) -> tuple[Counter[str], Counter[str]]:
        """Return how often SNS and EventBridge have announced each key, once all were and nothing more comes."""
        notifications, deadline = self.notifications, time.monotonic() + ANNOUNCED_SECONDS
        while not notifications.at_least(len(self.items)) and time.monotonic() < deadline:
            time.sleep(0.2)
            notifications.collect()
        time.sleep(QUIET_SECONDS)
        notifications.collect()
        return notifications.by_sns, notifications.by_eventbridge

    def _end_leases(self, pending: Iterable[Item], seconds: int) -> None:
        now = time.time()
        messages = self.copies.messages()
        for item in pending:
            if item.get("lease_until", 0) <= now:
                continue
            word, since = self._leases.get(item["task_id"], ("", now))
            if word != item["lease"]:
                self._leases[item["task_id"]] = (item["lease"], now)
            elif now - since > seconds and (messages == 0 or int(item["lease_until"]) - now < QUEUE_SECONDS / 2):
                self.tasks.end_lease(item)

    def _pending(self) -> list[Item]:
        found = self.tasks.all()
        self.items = {task_id: found[task_id] for task_id in self.items}
        return [item for item in self.items.values() if "ended_at" not in item]
