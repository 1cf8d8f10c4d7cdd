"""A Copier between a simulated video host and a bucket in moto; no retry makes a test wait."""

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import boto3
import pytest
from botocore.awsrequest import AWSRequest

from copier import parts, video_host
from copier.copy import Copier
from copier.video import HostRules
from copier.video_bucket import StoredVideo, VideoBucket
from copier.video_host import Source
from copier.watch import Deadline, Patience
from infra.local.cometapi import SimulatedCometApi
from shared.errors import CopyError
from shared.task import DEFAULT_S3_KEY, Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3 import S3Client

    from shared.api_key import ApiKey

KIB = 1024
MIB = 1024 * KIB
BUCKET = "videos"
SECRET = "X-Tos-Signature"
PROMPT = Patience(retry_delays=(0.01,) * 5)
# Only for hosts that are slow on purpose: on a busy machine an honest one may be silent for as long.
SOON_BORED = replace(PROMPT, connect_seconds=0.3, silence_seconds=0.3)
SOON_JUDGING = replace(PROMPT, window_seconds=0.2)

NEVER_FETCHED = "The video URL redirects to a URL that is never fetched."
ASK = ", so it was not fetched. Check CometApiBaseUrl; if CometAPI itself returned this URL, ask its support."
SENTENCES = {
    "address_not_public": "The video URL leads to an address that is not public, so it was not fetched. If CometAPI "
    "itself returned this URL, ask its support; only a local test may set AllowInsecureVideoUrls.",
    "changed": "The video changed while it was copied.",
    # The error's name, without what it quotes.
    "connection_failed": r"The connection to the video host failed \((?!NoneType)\w+\).",
    "out_of_time": "The copy could not finish in one run of the Copier.",
    "too_many_redirects": "The video URL redirects more than 3 times.",
    "too_slow": "At its pace the video would not arrive before the Copier's time is over.",
    "truncated": "The video host broke off before the end of what it announced.",
}
"""What a code says to people, as a pattern; what is not here has its words in the unit tests."""


class CopyShop:
    """What a test of a copy needs."""

    def __init__(self, comet_api: SimulatedCometApi) -> None:
        self.comet_api = comet_api
        self.s3 = _s3()
        self.s3.create_bucket(Bucket=BUCKET)
        self.calls: list[str] = []
        self.before: dict[str, Callable[[], None]] = {}
        self.content_route = ""
        self.key: ApiKey | None = None
        self.max_video_bytes = 1 << 40
        self.allow_insecure = True
        self.patience = PROMPT

    def __enter__(self) -> Self:
        self.comet_api.clear()
        self.comet_api.forget_requests()
        self.s3.meta.events.register("before-call.s3", self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self.s3.meta.events.unregister("before-call.s3", self._note)
        assert self.comet_api.authorizations.keys() <= {"create", "retrieve", "content"}

    def _note(self, model: Any, **_: object) -> None:
        self.calls.append(model.name)
        self.before.get(model.name, lambda: None)()

    def task(self, task_id: str, **attributes: object) -> Task:
        return Task.from_item({"task_id": task_id, **attributes})

    def copy(self, task: Task | str, url: str | None = None, seconds: float = 60) -> StoredVideo:
        wanted = self.task(task) if isinstance(task, str) else task
        source = self.source(wanted.task_id, url)
        return self.copier().copy(wanted, source, Deadline(seconds))

    def failure(self, task_id: str, url: str | None = None, seconds: float = 20) -> CopyError:
        """Copy in vain: nothing is left behind, and the error says what its code does, and no secrets."""
        with pytest.raises(CopyError) as failed:
            self.copy(task_id, url, seconds)
        error = failed.value
        assert self.is_empty()
        sentence = SENTENCES.get(error.code, r".+\.")
        assert re.fullmatch(rf"{sentence}|{NEVER_FETCHED}|S3 did not .+|The video URL .+{ASK}", error.message)
        assert not re.search(rf"https?://\w|sk-|{SECRET}", error.message)
        assert error.__cause__ is None
        return error

    def copy_last_frame(self, task: Task | str, url: str, seconds: float = 60) -> str:
        wanted = self.task(task) if isinstance(task, str) else task
        return self.copier().copy_last_frame(wanted, url, Deadline(seconds))

    def source(self, task_id: str, url: str | None = None) -> Source:
        """Return where a task's video is, and where its content route is for whoever has the key."""
        return Source(
            url or self.comet_api.video_url(task_id),
            self.content_route or self.comet_api.content_url(task_id),
            self.key,
        )

    def copier(self) -> Copier:
        rules = HostRules(
            max_video_bytes=self.max_video_bytes, allow_insecure=self.allow_insecure, patience=self.patience
        )
        return Copier(VideoBucket(self.s3, BUCKET), rules)

    def stored(self, task_id: str) -> Any:
        return self.s3.get_object(Bucket=BUCKET, Key=DEFAULT_S3_KEY.replace("{task_id}", task_id))

    def has_stored(self, task_id: str) -> bool:
        """Tell whether the bucket holds exactly the bytes of a task's video."""
        body: bytes = self.stored(task_id)["Body"].read()
        return body == self.comet_api.video_bytes(task_id)

    def is_empty(self) -> bool:
        """Tell whether neither an object nor an unfinished upload is in the bucket."""
        objects = self.s3.list_objects_v2(Bucket=BUCKET).get("Contents")
        return not objects and not self.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads")


def patience_with(video: object, retries: int = 5) -> Patience:
    """Return the patience that a test has with a video's behaviour: none with one that stalls or drips."""
    patience = SOON_BORED if "stall" in str(video) else SOON_JUDGING if "drip" in str(video) else PROMPT
    return replace(patience, retry_delays=(0.01,) * retries)


def moto_takes_bytes_only(session: boto3.Session) -> None:
    """Have every client of a session send bytes; moto's stand-in for the network knows no bytearray."""

    def to_bytes(request: AWSRequest, **_: object) -> None:
        if isinstance(request.data, bytearray):
            request.data = bytes(request.data)

    session.events.register("request-created.s3", to_bytes)


@cache
def _s3() -> "S3Client":
    """Make the one client of all tests: making it takes longer than most of them."""
    session = boto3.Session(region_name="us-east-1")
    moto_takes_bytes_only(session)
    return session.client("s3")


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut videos into parts and ranges so small that half a megabyte makes a multipart upload."""
    monkeypatch.setattr(parts, "PART_BYTES", 64 * KIB)
    monkeypatch.setattr(parts, "WHOLE_BYTES", 128 * KIB)
    monkeypatch.setattr(parts, "CONNECTION_BYTES", 8 * KIB)
    for module in (parts, video_host):
        monkeypatch.setattr(module, "RANGE_BYTES", 8 * KIB)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
