"""The catalogue of what the content route, `GET /v1/videos/{id}/content`, may answer, by name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from infra.local.cometapi.footage import Footage
from infra.local.cometapi.json_answers import Subject, json_answer
from infra.local.cometapi.reply import Ending, Reply, whole


@dataclass(frozen=True)
class Content:
    """The task whose video is asked for, its bytes, and where else they are."""

    subject: Subject
    footage: Footage

    def chunks(self, share: float = 1.0) -> Iterator[bytes]:
        """Yield the first bytes."""
        return self.footage.chunks(0, int(self.footage.size * share))


type Behaviour = Callable[..., Reply]
CONTENTS: dict[str, Behaviour] = {}


def _named(behaviour: Behaviour) -> Behaviour:
    CONTENTS[behaviour.__name__] = behaviour
    return behaviour


@_named
def whole_video(content: Content) -> Reply:
    """Serve the bytes as a proxy does: no ranges, no validator."""
    headers = {"Content-Type": "video/mp4"}
    return Reply(headers=headers, chunks=content.chunks(), length=content.footage.size)


@_named
def chunked_video(content: Content) -> Reply:
    """Serve the bytes in chunks, without their number."""
    return replace(whole_video(content), length=None)


@_named
def redirect(content: Content, to: str | None = None, status: int = 302) -> Reply:
    """Send the client to the signed URL of the video, or to any other."""
    return Reply(status=status, headers={"Location": to or content.subject.video_url})


@_named
def not_yet(content: Content, status: int = 404) -> Reply:
    """404, or 425, as long as it is early."""
    name = "not_found" if status == 404 else f"http_{status}"
    return json_answer(name, content.subject)


@_named
def refused(content: Content, name: str = "forbidden") -> Reply:
    """Refuse in one of the ways of the API."""
    return json_answer(name, content.subject)


@_named
def page(_content: Content, status: int = 200) -> Reply:
    """Answer with the page of something in front of the gateway."""
    return whole(b"<!DOCTYPE html><html><body>Just a moment...</body></html>", status=status, content_type="text/html")


@_named
def truncated(content: Content) -> Reply:
    """Half the bytes, then FIN."""
    return replace(whole_video(content), chunks=content.chunks(0.5), ending=Ending.CLOSE)


@_named
def reset(_content: Content) -> Reply:
    """RST instead of an answer."""
    return Reply(silent=True, ending=Ending.RESET)


@_named
def stall(_content: Content) -> Reply:
    """Say nothing for as long as the client waits."""
    return Reply(silent=True, ending=Ending.STALL)
