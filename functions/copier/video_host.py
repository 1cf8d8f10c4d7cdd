"""The host of a signed video URL: the one module that asks it for bytes, and believes none of its words."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Self

from copier.answer import Answer
from copier.media import HEAD_BYTES, is_mp4, media_type
from copier.patience import Deadline, HostTrouble, Patience
from copier.safe_connection import SafeConnection
from copier.status import REDIRECTS, error_of
from copier.video_url import check_url, redirected
from shared.errors import CopyError, CopyInterrupted, VideoRefused

if TYPE_CHECKING:
    from urllib3.util import Url

FIRST_RANGE_BYTES = 1024 * 1024
MAX_REDIRECTS = 3
# An encoding would hide what the bytes are, and a small body could unpack to a large one.
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "seedance-poller"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRules:
    """What a video host may do; sizes in bytes."""

    max_video_bytes: int
    allow_insecure: bool = False
    patience: Patience = field(default_factory=Patience)


@dataclass(slots=True)
class Video:
    """A video whose beginning was received."""

    url: "Url"
    media_type: str
    total: int | None
    """Its length in bytes; None where the host does not say."""
    validator: str | None
    """What must not change between two ranges; None where the host has no such thing."""
    is_ranged: bool
    """The rest can be asked for in ranges that surely belong together."""
    is_mp4: bool
    answer: Answer


class VideoHost:
    """The host of one copy's video; thread-safe once the video is open.

    All its methods raise VideoRefused, CopyInterrupted, or one of the latter's kinds.
    """

    def __init__(self, rules: HostRules, deadline: Deadline) -> None:
        """Ask nothing yet."""
        self._rules = rules
        self._deadline = deadline
        self._closing = Event()
        self._connections: list[SafeConnection] = []
        self._idle: list[SafeConnection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for connection in self._connections:
            connection.close()

    def stop(self) -> None:
        """End what other threads still receive, and their retries."""
        self._closing.set()
        for connection in self._connections:
            connection.abort()

    def open(self, url: str, *, in_ranges: bool) -> Video:
        """Follow redirects to a video and receive its beginning."""
        target = check_url(url, allow_insecure=self._rules.allow_insecure)
        for _ in range(MAX_REDIRECTS + 1):
            found = self._patiently(partial(self._begin, target, in_ranges=in_ranges))
            if isinstance(found, Video):
                return found
            if found is None:
                return self.open(url, in_ranges=False)
            target = found
            self._idle.clear()  # those lead to the host before
        raise CopyInterrupted("too_many_redirects", f"The video URL redirects more than {MAX_REDIRECTS} times.")

    def fill(self, video: Video, start: int, view: memoryview) -> memoryview:
        """Fill `view` with the video's bytes from `start` on and return it; the range is tried again by itself."""
        return self._patiently(partial(self._fill, video, start, view))

    def _fill(self, video: Video, start: int, view: memoryview) -> memoryview:
        with self._range(video, start, len(view)) as answer:
            if answer.fill(view) < len(view) or not answer.has_ended():
                raise HostTrouble("truncated", "The video host sent a range of another length than announced.")
        return view

    def _range(self, video: Video, start: int, length: int) -> Answer:
        if start == 0 and not video.answer.was_used:
            return video.answer
        stop = start + length
        same = {"If-Range": video.validator} if video.validator else {}
        answer = self._ask(video.url, {"Range": f"bytes={start}-{stop - 1}", **same})
        is_same = answer.validator in {None, video.validator} and answer.content_range == (start, stop, video.total)
        if answer.status == 206 and is_same and not answer.is_encoded and answer.length in {None, length}:
            return answer
        answer.close()
        if answer.status >= 300:
            raise error_of(answer.status)
        raise CopyInterrupted("ranges_inconsistent", "The video host answers ranges that do not belong together.")

    def _begin(self, url: "Url", *, in_ranges: bool) -> "Video | Url | None":
        """Return a video, or where it was redirected to, or None where it is to be had as one stream only."""
        answer = self._ask(url, {"Range": f"bytes=0-{FIRST_RANGE_BYTES - 1}"} if in_ranges else {})
        try:
            if answer.status in REDIRECTS:
                answer.close()
                return redirected(url, answer.header("Location"), allow_insecure=self._rules.allow_insecure)
            if answer.status == 206 and in_ranges:
                return self._ranged(url, answer)
            if answer.status == 200:
                return self._video(url, answer, answer.length, is_ranged=False)
            raise error_of(answer.status)
        except CopyError:
            answer.close()
            raise

    def _ranged(self, url: "Url", answer: Answer) -> Video | None:
        start, stop, total = answer.content_range or (0, 0, 0)
        is_whole = stop == total
        is_sound = start == 0 < stop == min(FIRST_RANGE_BYTES, total) and answer.length in {None, stop}
        if is_sound and (is_whole or answer.validator):
            return self._video(url, answer, total, is_ranged=True)
        answer.close()
        return None

    def _video(self, url: "Url", answer: Answer, total: int | None, *, is_ranged: bool) -> Video:
        if total is not None:
            check_size(total, self._rules.max_video_bytes)
        if answer.is_encoded:
            raise CopyInterrupted(
                "encoded_video",
                "The video host sent the video compressed, which was not asked for and is never unpacked.",
            )
        head = answer.peek(HEAD_BYTES)
        if not head:
            raise HostTrouble("empty_video", "The video host sent no bytes.")
        kind = media_type(answer.header("Content-Type"), head)
        return Video(url, kind, total, answer.validator, is_ranged, is_mp4(head), answer)

    def _ask(self, url: "Url", headers: dict[str, str]) -> Answer:
        if self._closing.is_set():
            raise CopyInterrupted("stopped", "The copy was stopped.")
        return Answer.ask(self._connection(url), url, {**_HEADERS, **headers}, self._idle)

    def _connection(self, url: "Url") -> SafeConnection:
        with suppress(IndexError):
            return self._idle.pop()
        rules = self._rules
        connection = SafeConnection(url, rules.patience, self._deadline, allow_insecure=rules.allow_insecure)
        self._connections.append(connection)
        return connection

    def _patiently[T](self, action: Callable[[], T]) -> T:
        for delay in self._rules.patience.retry_delays:
            try:
                return action()
            except HostTrouble:
                self._closing.wait(min(delay, self._deadline.left()))
        return action()


def check_size(size: int, most: int) -> None:
    """Raise VideoRefused where a video of `size` bytes is larger than `most`."""
    if size > most:
        raise VideoRefused(
            "too_large",
            f"The video is larger than MaxVideoBytes, which is {most}. Raise that parameter of the stack, "
            "then set status to RETRY.",
        )
