"""Downloading what the bucket holds of a task."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from botocore.exceptions import ClientError

from infra.trouble import TroubleError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_GONE = {"404", "NoSuchKey"}


def download(s3: "S3Client", item: Mapping[str, Any], folder: Path) -> list[Path]:
    """Fetch the video of a stored task, and its last frame where it has one, into `folder`; returns the files.

    A file of the right size that is there already is left as it is. TroubleError where the bucket has no such video.
    Files have the names of their tasks, in which all but ASCII letters, digits, `-`, `_` and `~` is written as in a
    URL: no two tasks share one, where the disk tells A from a, and none leads out of the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_fetch(s3, uri, folder, str(item["task_id"])) for uri in _uris(item)]


def _uris(item: Mapping[str, Any]) -> Iterator[str]:
    yield str(item["s3_uri"])
    result = item.get("result")
    last_frame = str(result.get("last_frame", "")) if isinstance(result, Mapping) else ""
    if last_frame.startswith("s3://"):  # else a word on why there is none
        yield last_frame


def _fetch(s3: "S3Client", uri: str, folder: Path, task_id: str) -> Path:
    place = urlsplit(uri, allow_fragments=False)
    bucket, key = place.netloc, uri.split("/", 3)[3]
    name = quote(task_id, safe="").replace(".", "%2E")
    last = ".last" if ".last." in key.rpartition("/")[2] else ""
    path = folder / f"{name}{last}{_suffix(key)}"
    try:
        size = s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
        if path.exists() and path.stat().st_size == size:
            return path
        unfinished = path.with_name(f"{path.name}.part")
        s3.download_file(bucket, key, str(unfinished))
    except ClientError as error:
        if error.response["Error"]["Code"] not in _GONE:
            raise
        raise TroubleError(
            f"{uri} is not in the bucket any more; somebody removed it, or VideoRetentionDays have passed."
        ) from error
    unfinished.replace(path)
    return path


def _suffix(key: str) -> str:
    suffix = Path(key).suffix
    return suffix if suffix[1:].isalnum() else ""
