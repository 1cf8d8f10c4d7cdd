"""One attempt at bringing a video from its host into the bucket."""

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import chain

from copier.media import Boxes
from copier.part import Part
from copier.parts import is_whole, parts
from copier.patience import Deadline
from copier.video_bucket import Label, StoredVideo, VideoBucket
from copier.video_host import HostRules, Video, VideoHost, check_size
from shared.errors import CopyInterrupted

UPLOADS = 2
"""Parts being uploaded at once."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Moves videos into `bucket`, by `rules`, until `deadline`; what appears there was checked as a whole."""

    bucket: VideoBucket
    rules: HostRules
    deadline: Deadline

    def run(self, url: str, key: str, metadata: Mapping[str, str], *, in_ranges: bool) -> StoredVideo:
        """Store the video at `key`; raises CopyError, KeyTaken and botocore's errors."""
        with VideoHost(self.rules, self.deadline) as host:
            video = host.open(url, in_ranges=in_ranges)
            with closing(parts(host, video)) as received:
                return self._store(video, received, key, Label(video.media_type, metadata))

    def _store(self, video: Video, received: Iterator[Part], key: str, label: Label) -> StoredVideo:
        inspection = Inspection(video, self.rules.max_video_bytes)
        first = inspection.pass_on(next(received))
        if is_whole(video, first):
            inspection.finish()
            self.deadline.left()
            return self.bucket.put(key, first, label)
        with self.bucket.upload(key, label) as upload:
            with ThreadPoolExecutor(UPLOADS) as pool:
                running: deque[Future[None]] = deque()
                all_parts = chain([first], map(inspection.pass_on, received))
                del first  # 8 MiB that would stay for as long as the copy takes
                for number, part in enumerate(all_parts, start=1):
                    self.deadline.left()
                    running.append(pool.submit(upload.part, number, part))
                    if len(running) == UPLOADS:
                        running.popleft().result()
                while running:
                    running.popleft().result()
            inspection.finish()
            self.deadline.left()
            return upload.complete(inspection.size)


class Inspection:
    """Looks at the parts of a video on their way to the bucket."""

    def __init__(self, video: Video, most: int) -> None:
        """Allow `most` bytes."""
        self._video = video
        self._most = most
        self._boxes = Boxes() if video.is_mp4 else None
        self.size = 0

    def pass_on(self, part: Part) -> Part:
        """Return the next part; raises VideoRefused where the video grows too large."""
        self.size += len(part)
        check_size(self.size, self._most)
        if self._boxes:
            self._boxes.follow(part.body)
        return part

    def finish(self) -> None:
        """Raise CopyInterrupted where this was not the whole video."""
        if self._boxes:
            self._boxes.finish()
        if self._video.answer.is_delimited or (self._boxes and self._boxes.end_is_known):
            return
        raise CopyInterrupted("unknown_length", "The video host does not tell where the video ends.")
