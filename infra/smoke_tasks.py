"""Tasks of its own that a smoke test sends through a deployed stack, and what becomes of them."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from infra.command import printable
from infra.gallery import signer
from infra.health import json_line
from infra.smoke_deployed import Deployed
from infra.smoke_traces import Traces
from infra.store import Item, TaskStore
from shared.queues import CopyMessage
from shared.task import Status

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

FOLDER = "smoke/"
"""Below it are its objects."""

VIDEO = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x1cfreeseedance-poller smoke"
"""As much of an MP4 file as the Copier looks at."""

BAD_KEY = "/no/such/place/"
_EACH_SECONDS = 1.0
_AT_LEAST_SECONDS = 20.0
_LEASE_SECONDS = 900
_KEPT_SECONDS = 3600
_LOUD = '{ ($.level = "ERROR") || ($.level = "WARNING") }'


@dataclass
class SmokeTasks:
    """The tasks of one run; `deadline` is on time.monotonic's clock, `video_url` a video to be copied.

    All its methods raise botocore's errors, and TroubleError where the stack lacks a part.
    """

    stack: Deployed
    traces: Traces
    deadline: float
    video_url: str | None = field(default=None, repr=False)
    began: float = field(default_factory=time.time)

    def id(self, kind: str) -> str:
        """Return the id of one of its tasks."""
        return f"{self.traces.run}-{kind}"

    @property
    def key(self) -> str:
        """Where the copied video goes; consumers that listen for .mp4 do not hear of it."""
        return f"{FOLDER}{self.id('copy')}"

    def put_bad(self) -> None:
        """Insert an item as a user would, with an s3_key that is none."""
        self._put({"task_id": self.id("bad-key"), "s3_key": BAD_KEY})

    def put_unknown(self) -> None:
        """Insert a pending item with a made-up id; so long unchanged that any answer is noted on it at once."""
        now = int(time.time())
        pending = {"status": Status.SUBMITTED.value, "progress": 0, "pending_since": now, "updated_at": 0}
        self._put({"task_id": self.id("unknown"), **pending})

    def send_copy(self) -> None:
        """Insert an item as the Poller leaves it when it hands a video off, and send the message that goes with it."""
        if self.video_url is None:
            self.video_url = self._source()
        self._to_remove(self.key)
        now, lease = int(time.time()), secrets.token_hex(8)
        copying = {"status": Status.COPYING.value, "progress": 100, "pending_since": now, "updated_at": now}
        leased = {"lease": lease, "lease_until": now + _LEASE_SECONDS}
        self._put({"task_id": self.id("copy"), "s3_key": self.key, **copying, **leased})
        message = CopyMessage(self.id("copy"), lease, self.video_url)
        self.stack.target.sqs.send_message(QueueUrl=self.stack.resource("CopiesQueue"), MessageBody=message.body())

    def head(self) -> "HeadObjectOutputTypeDef":
        """Return what S3 says of the copied video."""
        return self.stack.target.s3.head_object(Bucket=self.stack.output("VideosBucketName"), Key=self.key)

    def write_over(self) -> bool:
        """Write where the copied video is, as the Copier does; tells whether S3 let it."""
        bucket = self.stack.output("VideosBucketName")
        try:
            self.stack.target.s3.put_object(Bucket=bucket, Key=self.key, Body=b"another", IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
            return False
        return True

    def item(self, kind: str, is_ready: Callable[[Item], bool]) -> Item:
        """Return an item once it is as awaited, or as it is when time is up."""
        store = TaskStore(self.stack.target.dynamodb, self.stack.output("TasksTableName"))
        item: Item = {}

        def look() -> bool:
            nonlocal item
            item = store.get(self.id(kind)) or {}
            return is_ready(item)

        self.wait(look)
        return item

    def wait(self, is_done: Callable[[], bool]) -> bool:
        """Tell whether something came true before time was up."""
        deadline = max(self.deadline, time.monotonic() + _AT_LEAST_SECONDS)
        while not is_done():
            if time.monotonic() > deadline:
                return False
            time.sleep(_EACH_SECONDS)
        return True

    def in_vain(self, function: str) -> str:
        """Say how long was waited, and the last warning or error in a function's log since the run began."""
        said = ""
        for line in self._loud_lines(function):
            words = [printable(line[name]).rstrip(".") for name in ("message", "cause", "code") if line.get(name)]
            said = f" {function} says: {', '.join(words)}." if words else said
        return f" after {time.time() - self.began:.0f} s.{said}"

    def _loud_lines(self, function: str) -> Iterator[Mapping[str, Any]]:
        target, name = self.stack.target, self.stack.function(function)
        try:
            settings = target.functions.get_function_configuration(FunctionName=name)
            group = settings.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{name}")
            pages = target.logs.get_paginator("filter_log_events").paginate(
                logGroupName=group, startTime=int(self.began * 1000), filterPattern=_LOUD
            )
            for page in pages:
                for event in page["events"]:
                    yield from map(json_line, event["message"].splitlines())
        except (BotoCoreError, ClientError):
            return  # there is no log yet, or it may not be read: the failure itself is told anyway

    def _source(self) -> str:
        """Put a small video into the bucket and return a signed URL of it: a host that every Copier reaches."""
        key, bucket = f"{FOLDER}{self.traces.run}-source", self.stack.output("VideosBucketName")
        self._to_remove(key)
        self.stack.target.s3.put_object(Bucket=bucket, Key=key, Body=VIDEO, ContentType="video/mp4")
        return signer(self.stack.target)(key)

    def _to_remove(self, key: str) -> None:
        s3, bucket = self.stack.target.s3, self.stack.output("VideosBucketName")
        self.traces.add(f"s3://{bucket}/{key}", partial(s3.delete_object, Bucket=bucket, Key=key))

    def _put(self, item: Item) -> None:
        dynamodb, table, task_id = self.stack.target.dynamodb, self.stack.output("TasksTableName"), item["task_id"]
        key = {"task_id": {"S": task_id}}
        self.traces.add(f"the item {task_id}", partial(dynamodb.delete_item, TableName=table, Key=key))
        # Where even the removal fails, DynamoDB removes it some day.
        kept = {**item, "expires_at": int(time.time()) + _KEPT_SECONDS}
        serialize = TypeSerializer().serialize
        dynamodb.put_item(TableName=table, Item={name: serialize(value) for name, value in kept.items()})
