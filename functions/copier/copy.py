"""Copying the video of one task: once, whole, and into a place that is its own."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from copier.patience import Deadline, OutOfTime
from copier.status import UrlExpired
from copier.transfer import Transfer
from copier.video_bucket import KeyTaken, StoredVideo, VideoBucket
from copier.video_host import HostRules
from shared.errors import CopyInterrupted, VideoRefused
from shared.task import Task

_LONGEST_VALUE = 256
_NOT_PRINTABLE = re.compile(r"[^ -~]")


@dataclass(frozen=True, slots=True)
class Copier:
    """What it takes to copy: a bucket, rules for video hosts, and where to get a fresh URL for a task id."""

    bucket: VideoBucket
    rules: HostRules
    fresh_url: Callable[[str], str]

    def copy(self, task: Task, video_url: str, deadline: Deadline) -> StoredVideo:
        """Return the task's video in the bucket, copied unless it is there already.

        Raises VideoRefused, CopyInterrupted and botocore's errors; then nothing of the video is left in the bucket.
        """
        stored = self.bucket.find(task.s3_key)
        if stored:
            return _own(stored, task)
        try:
            return self._transfer(task, video_url, deadline)
        except KeyTaken:  # another run for this task may have been faster
            return _own(self.bucket.find(task.s3_key), task)

    def _transfer(self, task: Task, video_url: str, deadline: Deadline) -> StoredVideo:
        transfer = Transfer(self.bucket, self.rules, deadline)
        with suppress(UrlExpired):
            return self._twice(transfer, task, video_url)
        return self._twice(transfer, task, self.fresh_url(task.task_id))

    def _twice(self, transfer: Transfer, task: Task, url: str) -> StoredVideo:
        """Try in ranges, then in one stream, where nothing can be mixed up and no host counts connections."""
        metadata = object_metadata(task)
        try:
            return transfer.run(url, task.s3_key, metadata, in_ranges=True)
        except (UrlExpired, OutOfTime):
            raise
        except CopyInterrupted:
            pass  # and be done with it before the next one: an error holds on to all that was received
        return transfer.run(url, task.s3_key, metadata, in_ranges=False)


def object_metadata(task: Task) -> dict[str, str]:
    """Return the user metadata of a task's object: its owner's own, then ours; printable ASCII, as S3 demands."""
    item = task.item
    owners = item.get("metadata")
    ours = {name: item.get(name.replace("-", "_")) for name in ("task-id", "model", "created-at", "completed-at")}
    said = {name: str(value)[:_LONGEST_VALUE] for name, value in ours.items() if value is not None}
    values = {**(owners if isinstance(owners, Mapping) else {}), **said}
    return {str(name): _NOT_PRINTABLE.sub("?", str(value)) for name, value in values.items()}


def _own(stored: StoredVideo | None, task: Task) -> StoredVideo:
    if stored is None:
        raise CopyInterrupted("conflict", "Somebody else writes to this s3_key at the moment.")
    if stored.task_id != task.task_id:
        raise VideoRefused(
            "key_taken",
            f"Another object is at {stored.uri} and is never overwritten. Set s3_key to a free key, "
            "or remove that object, then set status to RETRY.",
        )
    return stored
