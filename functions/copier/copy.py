"""The story of one video: look whether it is there, fetch it, store it, and its last frame beside it."""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain

from botocore.exceptions import BotoCoreError, ClientError

from copier.media import SUFFIXES, picture_type
from copier.parts import Part, parts
from copier.video import HostRules
from copier.video_bucket import KeyTaken, Label, StoredVideo, VideoBucket
from copier.video_host import Source, VideoHost
from copier.watch import Deadline, OutOfTime
from shared.errors import CopyError, CopyInterrupted, VideoRefused
from shared.task import Task, is_scalar, printable

UPLOADS = 2
"""Parts being uploaded at once."""
LARGEST_PICTURE = 32 * 1024 * 1024
_PICTURE_SECONDS = 60.0
_METADATA_BYTES = 2048
_LONGEST_VALUE = 256
_OUR_NAMES = ("model", "created-at", "completed-at")
_SUFFIX = re.compile(r"\.[^./]*$")


@dataclass(frozen=True, slots=True)
class Copier:
    """What it takes to copy: a bucket, and rules for hosts."""

    bucket: VideoBucket
    rules: HostRules

    def copy(self, task: Task, source: Source, deadline: Deadline) -> StoredVideo:
        """Return the task's video in the bucket, copied unless it is there already.

        Raises VideoRefused, CopyInterrupted and botocore's errors; then nothing of the video is left in the bucket.
        """
        bucket = replace(self.bucket, deadline=deadline)
        stored = bucket.find(task.s3_key)
        return _own(stored, task) if stored else _fetch(bucket, task, source, self.rules, deadline)

    def copy_last_frame(self, task: Task, url: str, deadline: Deadline) -> str:
        """Store the picture that a video ends with beside it; returns where, else a word on why not."""
        rules = replace(self.rules, max_video_bytes=LARGEST_PICTURE, identify=picture_type)
        try:
            soon = Deadline(min(_PICTURE_SECONDS, deadline.left()))
            return _fetch(replace(self.bucket, deadline=soon), task, Source(url), rules, soon).uri
        except CopyError as error:
            return error.code
        except (BotoCoreError, ClientError):
            return "s3_error"


def _fetch(bucket: VideoBucket, task: Task, source: Source, rules: HostRules, deadline: Deadline) -> StoredVideo:
    """Try in ranges, then anew in one stream, where nothing can be mixed up and nobody refuses ranges."""
    try:
        try:
            return _transfer(bucket, task, VideoHost(source, rules, deadline), in_ranges=True)
        except OutOfTime:
            raise
        except CopyInterrupted:
            pass  # and be done with it before the next one: an error holds on to all that was received
        return _transfer(bucket, task, VideoHost(source, rules, deadline), in_ranges=False)
    except KeyTaken as taken:  # another run for this task may have been faster
        return _own(bucket.find(taken.key), task)


def _transfer(bucket: VideoBucket, task: Task, host: VideoHost, *, in_ranges: bool) -> StoredVideo:
    with closing(host), closing(host.open(in_ranges=in_ranges)) as video, closing(parts(host, video)) as received:
        suffix = SUFFIXES.get(video.media_type)
        key = f"{_SUFFIX.sub('', task.s3_key)}.last.{suffix}" if suffix else task.s3_key
        return _store(bucket, key, {"ContentType": video.media_type, "Metadata": object_metadata(task)}, received)


def _store(bucket: VideoBucket, key: str, label: Label, received: Iterator[Part]) -> StoredVideo:
    """Store the parts as they arrive; raises CopyError, KeyTaken and botocore's errors."""
    first, second = next(received), next(received, None)
    if second is None:
        return bucket.put(key, first, label)
    every = chain(iter([first, second]), received)  # a list would be kept by the chain, and 16 MiB with it
    del first, second
    running: deque[Future[None]] = deque()
    size = 0
    with bucket.upload(key, label) as upload, ThreadPoolExecutor(UPLOADS) as pool:
        for number, part in enumerate(every, start=1):
            size += len(part)
            running.append(pool.submit(upload.part, number, part))
            if len(running) == UPLOADS:
                running.popleft().result()
        while running:
            running.popleft().result()
        return upload.complete(size)


def object_metadata(task: Task) -> dict[str, str]:
    """Return the user metadata of a task's objects: its id, its owner's, what else CometAPI said.

    Printable ASCII and at most 2 KB in all, as S3 demands; what there is no room for is left out, the last first.
    """
    item, result = task.item, task.item.get("result")
    said = {name: item.get(name.replace("-", "_")) for name in _OUR_NAMES}
    if isinstance(result, Mapping):
        said |= {name: result.get(name) for name in ("duration", "resolution", "ratio", "seed")}
    known = {name: str(value) for name, value in said.items() if value is not None and is_scalar(value)}
    ours = {name: printable(value)[:_LONGEST_VALUE] for name, value in known.items()}
    owners = {name: value for name, value in task.metadata.items() if name not in _OUR_NAMES}
    metadata: dict[str, str] = {}
    room = _METADATA_BYTES
    for name, value in [("task-id", task.task_id), *owners.items(), *ours.items()]:
        if name not in metadata and len(name) + len(value) <= room:
            metadata[name] = value
            room -= len(name) + len(value)
    return metadata


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
