"""The videos bucket: the one module that knows S3."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from copier.parts import Part
from copier.watch import Deadline, OutOfTime
from shared.errors import SeedancePollerError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

S3_CONFIG = Config(
    connect_timeout=30,  # within this a whole body must have been sent, too
    read_timeout=60,  # completing a large upload takes S3 a while; a copy's deadline cuts all of this short
    retries={"mode": "standard", "total_max_attempts": 4},
    # TLS protects the way and CRC-32 the video; botocore would add a SHA-256 where it did not compute the checksum.
    s3={"payload_signing_enabled": False},
)
"""Time-outs in seconds."""

_ABORT_SECONDS = 5.0
"""How long it may take, after the deadline too, to remove what an upload left."""
_LOST_RACE = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchUpload"})
_NO_OBJECT = frozenset({"404", "NoSuchKey", "NotFound"})


type Label = Mapping[str, Any]
"""What S3 keeps about an object besides its bytes, in its own words: ContentType and Metadata."""


class KeyTaken(SeedancePollerError):  # noqa: N818 - named after what happened
    """Another object was at the key, or is being written to it: look who wrote it."""

    def __init__(self, key: str) -> None:
        super().__init__("An object is at this key already.")
        self.key = key


@dataclass(frozen=True, slots=True)
class StoredVideo:
    """An object in the bucket; `size` in bytes, `task_id` None where it is not one of ours."""

    uri: str
    size: int
    etag: str
    task_id: str | None


@dataclass(frozen=True, slots=True)
class VideoBucket:
    """The bucket `name`; raises botocore's errors, KeyTaken and OutOfTime. An object is written whole or not at all."""

    client: "S3Client"
    name: str
    deadline: Deadline | None = None
    """Calls are over by then, whatever becomes of them."""

    def find(self, key: str) -> StoredVideo | None:
        """Return what is stored at `key`."""
        try:
            head = self.call(self.client.head_object, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _NO_OBJECT:
                return None
            raise
        names = {name.lower(): value for name, value in head["Metadata"].items()}  # they are header names
        return self._stored(key, head["ContentLength"], head["ETag"], names)

    def put(self, key: str, video: Part, label: Label) -> StoredVideo:
        """Store a small video in one request; raises KeyTaken."""
        named = {"Key": key, "ChecksumCRC32": video.checksum, **label}
        return self.make(self.client.put_object, label, len(video), Body=video.body, **named)

    @contextmanager
    def upload(self, key: str, label: Label) -> Iterator["Upload"]:
        """Begin a multipart upload; nothing of it is left behind where the block does not come to its end."""
        # S3 derives the checksum of the whole from those of the parts, each of which it has verified.
        checked = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
        answer = self.call(self.client.create_multipart_upload, Key=key, **label, **checked)
        upload = Upload(self, label, {"Key": key, "UploadId": answer["UploadId"]})
        try:
            yield upload
        except BaseException:
            upload.abort()
            raise

    def call(self, operation: Callable[..., Any], **request: Any) -> Any:  # noqa: ANN401 - botocore's
        """Return what an operation of S3 returns; raises OutOfTime where it is not over by the deadline."""
        ask = partial(operation, Bucket=self.name, **request)
        return in_time(ask, self.deadline.left()) if self.deadline else ask()

    def make(self, operation: Callable[..., Any], label: Label, size: int, **request: Any) -> StoredVideo:  # noqa: ANN401
        """Make an object by an operation of S3, unless there is one; raises KeyTaken."""
        try:
            answer = self.call(operation, **request, IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] in _LOST_RACE:
                raise KeyTaken(request["Key"]) from error
            raise
        return self._stored(request["Key"], size, answer["ETag"], label["Metadata"])

    def _stored(self, key: str, size: int, etag: str, metadata: Mapping[str, str]) -> StoredVideo:
        return StoredVideo(f"s3://{self.name}/{key}", size, etag.strip('"'), metadata.get("task-id"))


@dataclass(slots=True)
class Upload:
    """A multipart upload; `part` may be called by several threads."""

    bucket: VideoBucket
    label: Label
    names: dict[str, Any]
    """Its key and its id, in S3's words."""
    parts: dict[int, dict[str, Any]] = field(default_factory=dict)

    def part(self, number: int, part: Part) -> None:
        """Upload one part; numbers begin at 1."""
        named = {"PartNumber": number, "ChecksumCRC32": part.checksum}
        answer = self.bucket.call(self.bucket.client.upload_part, **self.names, **named, Body=part.body)
        self.parts[number] = {**named, "ETag": answer["ETag"]}

    def complete(self, size: int) -> StoredVideo:
        """Make an object of the parts, `size` bytes in all; raises KeyTaken."""
        parts = {"Parts": [self.parts[number] for number in sorted(self.parts)]}
        named = {"MultipartUpload": parts, "ChecksumType": "FULL_OBJECT", "MpuObjectSize": size}
        complete = self.bucket.client.complete_multipart_upload
        return self.bucket.make(complete, self.label, size, **self.names, **named)

    def abort(self) -> None:
        """Remove the parts; the bucket's lifecycle rule removes what even this cannot."""
        abort = partial(self.bucket.client.abort_multipart_upload, Bucket=self.bucket.name, **self.names)
        # The failure that led here must not be lost behind this one.
        with suppress(BotoCoreError, ClientError, OutOfTime):
            in_time(abort, _ABORT_SECONDS)


def in_time[T](call: Callable[[], T], seconds: float) -> T:
    """Return what `call` returns; one that hangs is left behind after `seconds`, raises OutOfTime.

    botocore's own time-outs and retries add up to minutes.
    """
    thread = ThreadPoolExecutor(1)
    try:
        return thread.submit(call).result(seconds)
    except TimeoutError:
        raise OutOfTime("out_of_time", "S3 did not answer before the Copier's time was over.") from None
    finally:
        thread.shutdown(wait=False)
