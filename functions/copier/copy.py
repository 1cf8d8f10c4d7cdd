"""Copying one video: from its URL into the bucket, verified, once."""

from collections.abc import Callable, Iterator
from contextlib import suppress

from shared.errors import CopyInterrupted, VideoRefused
from shared.task import Task

from copier.video_bucket import KeyTaken, StoredObject, VideoBucket
from copier.video_source import Video, VideoSource

PART_BYTES = 8 * 1024 * 1024
_MP4_KINDS = {"", "video/mp4", "application/octet-stream", "binary/octet-stream", "application/mp4"}


def copy_video(
    task: Task, url: str, source: VideoSource, bucket: VideoBucket, max_bytes: int, seconds_left: Callable[[], float]
) -> StoredObject:
    """Copy the video at `url` to the task's key; returns the object, also where it was stored before.

    Raises VideoRefused where it never can be stored, CopyInterrupted where another attempt may store it.
    """
    stored = _own(task, bucket.find(task.s3_key))
    if stored:
        return stored
    with source.open(url) as video:
        if (video.length or 0) > max_bytes:
            raise _too_large(max_bytes)
        parts = _parts(video, max_bytes, seconds_left)
        first = next(parts, b"")
        content_type = _verified_type(video.content_type, first)
        with suppress(KeyTaken):  # another copy was faster, or somebody else: the object itself tells
            bucket.write(task.s3_key, content_type, _metadata(task), (p for s in ([first], parts) for p in s))
    stored = _own(task, bucket.find(task.s3_key))
    if stored is None:
        raise CopyInterrupted("not_stored", "The object was there, and is gone again; another attempt follows.")
    return stored


def _own(task: Task, found: StoredObject | None) -> StoredObject | None:
    if found is not None and found.task_id != task.task_id:
        raise VideoRefused(
            "key_taken",
            f"Another object is at {found.uri}; it is never overwritten. Set another s3_key and status to RETRY.",
        )
    return found


def _parts(video: Video, max_bytes: int, seconds_left: Callable[[], float]) -> Iterator[bytes]:
    part, received = bytearray(), 0
    for chunk in video.chunks():
        received += len(chunk)
        if received > max_bytes:
            raise _too_large(max_bytes)
        if seconds_left() <= 0:
            raise CopyInterrupted("out_of_time", "The copy did not finish within the Copier's time-out.")
        part += chunk
        if len(part) >= PART_BYTES:
            yield bytes(part)
            part.clear()
    if part:
        yield bytes(part)


def _verified_type(content_type: str, first: bytes) -> str:
    """Return the type to store, where the first bytes are what a video begins with."""
    if content_type in _MP4_KINDS and first[4:8] == b"ftyp":
        return "video/mp4"
    if content_type.startswith("video/") and content_type != "video/mp4" and first:
        return content_type
    if not first:
        raise CopyInterrupted("empty", "The video host sent an empty body; another attempt follows.")
    raise VideoRefused("not_a_video", f"The URL leads to {content_type or 'something untyped'} that is no video.")


def _metadata(task: Task) -> dict[str, str]:
    """Return the object's user metadata: the owner's, then ours."""
    own = task.item.get("metadata")
    said = {name: str(task.item.get(name.replace("-", "_"), "")) for name in ("model", "created-at", "completed-at")}
    ours = {name: value.encode("ascii", "replace").decode() for name, value in said.items() if value}
    return {**(own if isinstance(own, dict) else {}), **ours, "task-id": task.task_id}


def _too_large(max_bytes: int) -> VideoRefused:
    return VideoRefused(
        "too_large",
        f"The video is larger than {max_bytes} bytes. Raise MaxVideoBytes, deploy, and set status to RETRY.",
    )
