"""Whether an answer is a video, or the range of one that was asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field

from copier.answer import Answer
from copier.media import HEAD_BYTES, video_type
from copier.video_url import VideoUrl
from copier.watch import HostTrouble, Patience
from shared.errors import CopyInterrupted, VideoRefused

KEY_REJECTED = frozenset({401, 403})
_EXPIRED = frozenset({403, 404, 410})
_TRANSIENT = frozenset({408, 425, 429})
_NOT_YET = frozenset({404, 425})


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRules:
    """What a video host may do; sizes in bytes."""

    max_video_bytes: int
    allow_insecure: bool = False
    patience: Patience = field(default_factory=Patience)
    identify: Callable[[str, bytes], str] = video_type
    """Returns a Content-Type, from the announced one and the first bytes; raises CopyInterrupted."""

    def check_size(self, size: int) -> None:
        """Raise VideoRefused where a video is too large."""
        if size > self.max_video_bytes:
            raise VideoRefused(
                "too_large",
                f"The video is larger than MaxVideoBytes, which is {self.max_video_bytes}. Raise that parameter of the "
                "stack, then set status to RETRY.",
            )


@dataclass(slots=True)
class Video:
    """A video whose beginning was received."""

    url: VideoUrl
    media_type: str
    total: int | None
    """Its length in bytes; None where the host does not say."""
    is_ranged: bool
    """The rest can be asked for in ranges that surely belong together."""
    validator: str | None
    """What must not change between two answers; None where the host has no such thing."""
    answer: Answer
    """What began it; of a video that comes in one stream, what goes on with it."""

    @classmethod
    def begun_by(cls, answer: Answer, url: VideoUrl, rules: HostRules, asked: int | None) -> "Video":
        """Take the first answer for the whole video, or for its first `asked` bytes.

        Raises VideoRefused and CopyInterrupted.
        """
        is_ranged = answer.status == 206 and asked is not None
        if not is_ranged and answer.status != 200:
            raise error_of(answer, url)
        total = _total_of_range(answer, asked) if asked and is_ranged else answer.length
        rules.check_size(total or 0)
        if not is_ranged and not answer.is_delimited:
            raise CopyInterrupted("unknown_length", "The video host does not tell where the video ends.")
        if answer.is_encoded:
            message = "The video host sent the video compressed, which was not asked for and is never unpacked."
            raise CopyInterrupted("encoded_video", message)
        head = answer.peek(HEAD_BYTES)
        if not head:
            raise HostTrouble("empty_video", "The video host sent no bytes.")
        media_type = rules.identify(answer.header("Content-Type"), head)
        return cls(url, media_type, total, is_ranged, answer.validator, answer)

    def check_range(self, answer: Answer, start: int, stop: int) -> None:
        """Raise CopyInterrupted where an answer is not these bytes of this very video."""
        if answer.status >= 300:
            raise error_of(answer, self.url)
        is_same = answer.validator == self.validator and answer.content_range == (start, stop, self.total)
        if answer.status != 206 or not is_same or answer.is_encoded or answer.length not in {None, stop - start}:
            raise _inconsistent()

    def close(self) -> None:
        """Be done with it."""
        self.answer.close()


def error_of(answer: Answer, url: VideoUrl) -> CopyInterrupted:
    """Return what a status means that is neither a video nor a redirect."""
    status, said = answer.status, f"(HTTP {answer.status})"
    if url.takes_key and status in _NOT_YET:
        return CopyInterrupted("content_not_ready", f"CometAPI's content route has no video yet {said}.")
    if url.takes_key and status in KEY_REJECTED:
        message = f"CometAPI refuses this video to the API key {said}. Store a key that is valid and may have it."
        return CopyInterrupted("key_rejected", message)
    if status in _EXPIRED:
        return CopyInterrupted("url_expired", f"The video URL has expired or was withdrawn {said}.")
    kind = HostTrouble if status in _TRANSIENT or status >= 500 else CopyInterrupted
    return kind(f"http_{status}", f"The video host answers HTTP {status} instead of a video.")


def _total_of_range(answer: Answer, asked: int) -> int:
    """Return the length of a video from its first range; raises CopyInterrupted where no others can follow that."""
    start, stop, total = answer.content_range or (0, 0, 0)
    is_sound = start == 0 < stop == min(asked, total) and answer.length in {None, stop}
    if is_sound and (stop == total or answer.validator):
        return total
    raise _inconsistent()


def _inconsistent() -> CopyInterrupted:
    return CopyInterrupted("ranges_inconsistent", "The video host answers ranges that may not belong together.")
