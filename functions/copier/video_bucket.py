"""The videos bucket: the one module that knows S3."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}


class KeyTaken(Exception):  # noqa: N818 - what happened, not what went wrong
    """An object is at the key already."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in the bucket; `size` in bytes, `task_id` of the task that it was copied for."""

    uri: str
    size: int
    etag: str
    task_id: str | None


class VideoBucket:
    """Writes each object once: never over another one. All other errors are botocore's."""

    def __init__(self, client: "S3Client", name: str) -> None:
        """Use the bucket `name` through `client`."""
        self._client = client
        self._name = name

    def find(self, key: str) -> StoredObject | None:
        """Return the object at `key`; None where there is none."""
        try:
            head = self._client.head_object(Bucket=self._name, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"404", "NoSuchKey", "NotFound"}:
                return None
            raise
        uri = f"s3://{self._name}/{key}"
        return StoredObject(uri, head["ContentLength"], head["ETag"].strip('"'), head["Metadata"].get("task-id"))

    def write(self, key: str, content_type: str, metadata: Mapping[str, str], parts: Iterable[bytes]) -> None:
        """Write an object from its `parts` (of 5 MiB or more, but the last); raises KeyTaken."""
        about: dict[str, Any] = {"ContentType": content_type, "Metadata": dict(metadata)}
        waiting = iter(parts)
        first = next(waiting, b"")
        second = next(waiting, None)
        try:
            if second is None:
                self._client.put_object(
                    Bucket=self._name, Key=key, Body=first, IfNoneMatch="*", ChecksumAlgorithm="CRC32", **about
                )
            else:
                self._write_parts(key, about, (part for start in ((first, second), waiting) for part in start))
        except ClientError as error:
            if error.response["Error"]["Code"] in _TAKEN:
                raise KeyTaken from None
            raise

    def _write_parts(self, key: str, about: dict[str, Any], parts: Iterable[bytes]) -> None:
        upload = self._client.create_multipart_upload(Bucket=self._name, Key=key, ChecksumAlgorithm="CRC32", **about)
        target: dict[str, Any] = {"Bucket": self._name, "Key": key, "UploadId": upload["UploadId"]}
        written: list[CompletedPartTypeDef] = []
        try:
            for number, part in enumerate(parts, start=1):
                answer = self._client.upload_part(**target, PartNumber=number, Body=part, ChecksumAlgorithm="CRC32")
                written.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": answer["ChecksumCRC32"]})
            self._client.complete_multipart_upload(**target, MultipartUpload={"Parts": written}, IfNoneMatch="*")
        except BaseException:
            self._client.abort_multipart_upload(**target)
            raise
