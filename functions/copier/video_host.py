"""The host of a video: the one module that asks it for bytes, and believes none of its words."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from copier.answer import TROUBLES, Answer, trouble_of
from copier.connection import pool_for
from copier.video import KEY_REJECTED, HostRules, Video
from copier.video_url import VideoUrl, check_url, redirected
from copier.watch import Deadline, HostTrouble, Watch
from shared.api_key import ApiKey
from shared.errors import ConfigurationError, CopyInterrupted

if TYPE_CHECKING:
    from urllib3 import HTTPConnectionPool

RANGE_BYTES = 2 * 1024 * 1024
"""A request costs a round trip, maybe to another continent, and the CPU of receiving 200 KB."""
CONNECTIONS = 8
"""The most ranges that are received at once."""
MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# An encoding would hide what the bytes are, and a small body could unpack to a large one.
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "seedance-poller"}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a video is said to be, and CometAPI's content route for it, which alone may see the key."""

    url: str = field(repr=False)
    content_route: str = ""
    key: ApiKey | None = None


class VideoHost:
    """The host of one copy's video, thread-safe once one in ranges is open; raises VideoRefused and CopyInterrupted."""

    def __init__(self, source: Source, rules: HostRules, deadline: Deadline) -> None:
        self._source = source
        self._rules = rules
        self._watch = Watch(deadline, rules.patience)
        self._pools: dict[VideoUrl, HTTPConnectionPool] = {}

    def stop(self) -> None:
        """End what other threads still receive, and their retries."""
        self._watch.stop()

    def close(self) -> None:
        """Be done with it, and keep no connection."""
        for pool in self._pools.values():
            pool.close()

    def open(self, *, in_ranges: bool) -> Video:
        """Follow redirects to a video and receive its beginning."""
        asked = RANGE_BYTES if in_ranges else None
        video = self._patiently(lambda: self._follow(asked), lambda: 0)
        self._watch.total = video.total
        return video

    def fill(self, video: Video, start: int, view: memoryview) -> memoryview:
        """Fill `view` with the video's bytes from `start` on, and return it as far as there are any.

        What has arrived is kept when the rest is asked for again.
        """
        position, stop = start, start + len(view)

        def receive() -> None:
            nonlocal position
            if position == stop:
                return
            answer = self._answer_at(video, position, stop)
            try:
                answer.fill(view[position - start :])
            except HostTrouble as trouble:
                if not video.is_ranged and video.validator is None:
                    raise CopyInterrupted(trouble.code, trouble.message) from None  # the rest may be another video's
                raise
            finally:
                position = answer.position
            if video.is_ranged and (position < stop or (answer.length is None and answer.peek(1))):
                raise CopyInterrupted("truncated", "The video host sent a range of another length than announced.")

        self._patiently(receive, lambda: position)
        self._rules.check_size(position)
        return view[: position - start]

    def _answer_at(self, video: Video, position: int, stop: int) -> Answer:
        """Return an answer that goes on at `position`: the one that is open, or else a new one."""
        if video.is_ranged and position:
            same = {"If-Range": video.validator} if video.validator else {}
            answer = self._ask(video.url, {"Range": f"bytes={position}-{stop - 1}", **same}, position)
            video.check_range(answer, position, stop)
            return answer
        if video.answer.is_broken:
            again = self._follow()
            is_same = (again.validator, again.total) == (video.validator, video.total)
            if is_same:
                again.answer.skip_to(position)
            if not is_same or again.answer.position < position:
                raise CopyInterrupted("changed", "The video changed while it was copied.")
            video.answer = again.answer
        return video.answer

    def _follow(self, asked: int | None = None) -> Video:
        """Follow the first URL to a video, or its first `asked` bytes; targets may be good for one request only."""
        insecure = self._rules.allow_insecure
        url = check_url(self._source.url, allow_insecure=insecure)
        if self._source.key and url.is_at(check_url(self._source.content_route, allow_insecure=True)):
            url = replace(url, takes_key=True)
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._ask(url, {"Range": f"bytes=0-{asked - 1}"} if asked else {})
            if answer.status not in _REDIRECTS:
                return Video.begun_by(answer, url, self._rules, asked)
            url = redirected(url, answer.header("Location"), allow_insecure=insecure)
        raise CopyInterrupted("too_many_redirects", f"The video URL redirects more than {MAX_REDIRECTS} times.")

    def _ask(self, url: VideoUrl, headers: dict[str, str], position: int = 0) -> Answer:
        """Send a GET and receive the headers; CometAPI's own route is asked with the key, and with a newer one."""
        if not url.takes_key or self._source.key is None:
            return self._get(url, headers, position)
        try:
            key, asked_at = self._source.key.value(), time.monotonic()
        except ConfigurationError as error:
            raise CopyInterrupted("no_api_key", str(error)) from None
        answer = self._get(url, {**headers, "Authorization": f"Bearer {key}"}, position)
        if answer.status in KEY_REJECTED and (newer := self._source.key.renew(key, asked_at)) != key:
            return self._get(url, {**headers, "Authorization": f"Bearer {newer}"}, position)
        return answer

    def _get(self, url: VideoUrl, headers: dict[str, str], position: int) -> Answer:
        left, patience = self._watch.check(), self._rules.patience
        if url not in self._pools:
            insecure = self._rules.allow_insecure
            self._pools[url] = pool_for(url, CONNECTIONS, allow_insecure=insecure, watch=self._watch)
        try:
            response = self._pools[url].urlopen(
                "GET",
                "/",  # the connection knows the target, and logs and errors do not
                headers={**_HEADERS, **headers},
                timeout=min(patience.connect_seconds, left),  # for the answer the connection waits by the watch
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except TROUBLES as error:
            raise trouble_of(error) from None
        return Answer(response, self._watch, position)

    def _patiently[T](self, action: Callable[[], T], progress: Callable[[], int]) -> T:
        """Do something again after HostTrouble, at most so often in a row without any progress."""
        tries, reached = iter(self._rules.patience.retry_delays), progress()
        while True:
            try:
                return action()
            except HostTrouble:
                if progress() > reached:
                    tries, reached = iter(self._rules.patience.retry_delays), progress()
                delay = next(tries, None)
                if delay is None:
                    raise
                self._watch.pause(delay)
