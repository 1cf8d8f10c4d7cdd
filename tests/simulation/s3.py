"""An in-memory bucket, as far as the Copier uses it; a conformance test compares it with others."""

import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from tests.simulation.dynamodb import Call, at_once


@dataclass(frozen=True, slots=True)
class Object:
    """One object."""

    body: bytes
    metadata: Mapping[str, str]
    etag: str


@dataclass(slots=True)
class Upload:
    """A multipart upload that is neither completed nor aborted."""

    key: str
    metadata: Mapping[str, str]
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Objects:
    """What is in the bucket, and who is told of every object created."""

    objects: dict[str, Object] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    begun: int = 0
    told: Callable[[str, Object | None, Object], None] = lambda _key, _before, _after: None

    def put(self, key: str, body: bytes, metadata: Mapping[str, str]) -> Object:
        created = Object(body, dict(metadata), f"{zlib.crc32(body):032x}")
        before = self.objects.get(key)
        self.objects[key] = created
        self.told(key, before, created)
        return created


class S3:
    """A client of S3 with one bucket."""

    def __init__(self, objects: Objects, call: Call = at_once) -> None:
        self._objects = objects
        self._call = call

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: ARG002, N803 - boto3's names
        return self._call(f"HeadObject {Key}", lambda: self._head(Key))

    def put_object(self, **request: Any) -> dict[str, str]:
        return self._call(f"PutObject {request['Key']}", lambda: self._put(request))

    def create_multipart_upload(self, **request: Any) -> dict[str, str]:
        return self._call(f"CreateMultipartUpload {request['Key']}", lambda: self._create(request))

    def upload_part(self, **request: Any) -> dict[str, str]:
        return self._call(f"UploadPart {request['PartNumber']} {request['Key']}", lambda: self._part(request))

    def complete_multipart_upload(self, **request: Any) -> dict[str, str]:
        return self._call(f"CompleteMultipartUpload {request['Key']}", lambda: self._complete(request))

    def abort_multipart_upload(self, **request: Any) -> None:
        self._call(f"AbortMultipartUpload {request['Key']}", lambda: self._abort(request))

    def _head(self, key: str) -> dict[str, Any]:
        found = self._objects.objects.get(key)
        if found is None:
            raise error("404", "HeadObject")
        return {"ContentLength": len(found.body), "ETag": f'"{found.etag}"', "Metadata": found.metadata}

    def _put(self, request: dict[str, Any]) -> dict[str, str]:
        body = bytes(request["Body"])
        _check_sum(body, request["ChecksumCRC32"], "PutObject")
        self._check_condition(request, "PutObject")
        return {"ETag": f'"{self._objects.put(request["Key"], body, request["Metadata"]).etag}"'}

    def _create(self, request: dict[str, Any]) -> dict[str, str]:
        _check_type(request, "CreateMultipartUpload")
        self._objects.begun += 1
        upload_id = f"upload-{self._objects.begun}"
        self._objects.uploads[upload_id] = Upload(request["Key"], dict(request["Metadata"]))
        return {"UploadId": upload_id}

    def _part(self, request: dict[str, Any]) -> dict[str, str]:
        body = bytes(request["Body"])
        _check_sum(body, request["ChecksumCRC32"], "UploadPart")
        self._upload(request, "UploadPart").parts[request["PartNumber"]] = body
        return {"ETag": f'"{zlib.crc32(body):032x}"'}

    def _complete(self, request: dict[str, Any]) -> dict[str, str]:
        upload = self._upload(request, "CompleteMultipartUpload")
        _check_type(request, "CompleteMultipartUpload")
        numbers = [part["PartNumber"] for part in request["MultipartUpload"]["Parts"]]
        body = b"".join(upload.parts[number] for number in numbers)
        if numbers != sorted(numbers) or len(body) != request["MpuObjectSize"]:
            raise error("InvalidRequest", "CompleteMultipartUpload")
        self._check_condition(request, "CompleteMultipartUpload")
        del self._objects.uploads[request["UploadId"]]
        return {"ETag": f'"{self._objects.put(request["Key"], body, upload.metadata).etag}"'}

    def _abort(self, request: dict[str, Any]) -> None:
        self._upload(request, "AbortMultipartUpload")
        del self._objects.uploads[request["UploadId"]]

    def _upload(self, request: dict[str, Any], operation: str) -> Upload:
        upload = self._objects.uploads.get(request["UploadId"])
        if upload is None:
            raise error("NoSuchUpload", operation)
        return upload

    def _check_condition(self, request: dict[str, Any], operation: str) -> None:
        if request.get("IfNoneMatch") == "*" and request["Key"] in self._objects.objects:
            raise error("PreconditionFailed", operation)


def error(code: str, operation: str) -> ClientError:
    """Make the error that boto3 raises for `code`."""
    return ClientError({"Error": {"Code": code, "Message": "simulated"}}, operation)


def _check_type(request: dict[str, Any], operation: str) -> None:
    """AmazonS3/latest/userguide/checking-object-integrity-upload.html: its type is named at both ends of an upload."""
    if request.get("ChecksumType") != "FULL_OBJECT":
        raise error("InvalidRequest", operation)


def _check_sum(body: bytes, announced: str, operation: str) -> None:
    if b64encode(zlib.crc32(body).to_bytes(4)).decode() != announced:
        raise error("BadDigest", operation)
