"""The videos bucket: the one module that knows S3."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from copier.part import Part
from shared.errors import SeedancePollerError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

S3_CONFIG = Config(
    connect_timeout=30,  # within this a whole body must have been sent, too
    read_timeout=60,  # completing a large upload takes S3 a while
    retries={"mode": "standard", "total_max_attempts": 4},
    # TLS protects the way and CRC-32 the video; botocore would add a SHA-256 where it did not compute the checksum.
    s3={"payload_signing_enabled": False},
)
"""Time-outs in seconds."""

_TASK_ID = "task-id"
_LOST_RACE = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchUpload"})
_NO_OBJECT = frozenset({"404", "NoSuchKey", "NotFound"})


class KeyTaken(SeedancePollerError):  # noqa: N818 - named after what happened
    """Another object was at the key, or is being written to it: look who wrote it."""


@dataclass(frozen=True, slots=True)
class StoredVideo:
    """An object in the bucket; `size` in bytes, `task_id` None where it is not one of ours."""

    uri: str
    size: int
    etag: str
    task_id: str | None

    @classmethod
    def at(cls, bucket: str, key: str, size: int, etag: str, metadata: Mapping[str, str]) -> "StoredVideo":
        """Describe an object in S3's terms."""
        return cls(f"s3://{bucket}/{key}", size, etag.strip('"'), metadata.get(_TASK_ID))


@dataclass(frozen=True, slots=True)
class Label:
    """What S3 keeps about an object besides its bytes."""

    content_type: str
    metadata: Mapping[str, str]


class VideoBucket:
    """The bucket; all its errors but KeyTaken are botocore's. An object is written whole or not at all."""

    def __init__(self, client: "S3Client", name: str) -> None:
        """Use the bucket `name` through `client`."""
        self._client = client
        self._name = name

    def find(self, key: str) -> StoredVideo | None:
        """Return what is stored at `key`."""
        try:
            head = self._client.head_object(Bucket=self._name, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _NO_OBJECT:
                return None
            raise
        names = {name.lower(): value for name, value in head["Metadata"].items()}  # they are header names
        return StoredVideo.at(self._name, key, head["ContentLength"], head["ETag"], names)

    def put(self, key: str, video: Part, label: Label) -> StoredVideo:
        """Store a small video in one request; raises KeyTaken."""
        with _race():
            answer = self._client.put_object(
                Bucket=self._name,
                Key=key,
                Body=video.body,  # type: ignore[arg-type]  # documented, and spares a copy
                ChecksumCRC32=video.checksum,
                ContentType=label.content_type,
                Metadata=label.metadata,
                IfNoneMatch="*",
            )
        return StoredVideo.at(self._name, key, len(video), answer["ETag"], label.metadata)

    @contextmanager
    def upload(self, key: str, label: Label) -> Iterator["Upload"]:
        """Begin a multipart upload, and leave nothing of it behind unless it was completed."""
        created = self._client.create_multipart_upload(
            Bucket=self._name,
            Key=key,
            ContentType=label.content_type,
            Metadata=label.metadata,
            # S3 derives the checksum of the whole from those of the parts, each of which it has verified.
            ChecksumAlgorithm="CRC32",
            ChecksumType="FULL_OBJECT",
        )
        upload = Upload(self._client, self._name, key, created["UploadId"], label.metadata)
        try:
            yield upload
        finally:
            upload.abort_unless_completed()


class Upload:
    """A multipart upload; `part` may be called by several threads."""

    def __init__(self, client: "S3Client", bucket: str, key: str, upload_id: str, metadata: Mapping[str, str]) -> None:
        """Go on with the upload that has this id."""
        self._client = client
        self._bucket = bucket
        self._key = key
        self._id = upload_id
        self._metadata = metadata
        self._parts: list[CompletedPartTypeDef] = []
        self._is_completed = False

    def part(self, number: int, part: Part) -> None:
        """Upload one part; numbers begin at 1."""
        answer = self._client.upload_part(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._id,
            PartNumber=number,
            Body=part.body,  # type: ignore[arg-type]  # documented, and spares a copy
            ChecksumCRC32=part.checksum,
        )
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": part.checksum})

    def complete(self, size: int) -> StoredVideo:
        """Make an object of the parts, `size` bytes in all; raises KeyTaken."""
        with _race():
            answer = self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=self._key,
                UploadId=self._id,
                MultipartUpload={"Parts": sorted(self._parts, key=lambda part: part["PartNumber"])},
                ChecksumType="FULL_OBJECT",
                MpuObjectSize=size,
                IfNoneMatch="*",
            )
        self._is_completed = True
        return StoredVideo.at(self._bucket, self._key, size, answer["ETag"], self._metadata)

    def abort_unless_completed(self) -> None:
        """Remove the parts; the bucket's lifecycle rule removes what even this cannot."""
        if self._is_completed:
            return
        try:
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=self._id)
        except (BotoCoreError, ClientError):  # the failure that led here must not be lost behind this one
            return


@contextmanager
def _race() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in _LOST_RACE:
            raise KeyTaken("An object is at this key already.") from error
        raise
