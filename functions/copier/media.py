"""Whether bytes are the video, or the picture, that they claim to be."""

import re

from shared.errors import CopyInterrupted

HEAD_BYTES = 64
"""What is needed of the beginning to know what it is."""
SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
"""How the name of a picture of each type ends."""

_MP4 = "video/mp4"
_NAME = r"[\w.+-]{1,127}"  # RFC 6838; S3 takes 8 KB of headers
_MEDIA_TYPE = re.compile(rf"\s*({_NAME}/{_NAME})(?![\w.+-])", re.ASCII)
_MARKUP = re.compile(rb"(\xef\xbb\xbf)?\s*[<{\[]")
_PICTURE = re.compile(rb"(?P<png>\x89PNG\r\n\x1a\n)|(?P<jpeg>\xff\xd8\xff)|(?P<webp>RIFF....WEBP)", re.DOTALL)


def video_type(announced: str, head: bytes) -> str:
    """Return the Content-Type to store a video under; raises CopyInterrupted where the bytes are none.

    `announced` is the source's Content-Type, `head` the first HEAD_BYTES bytes.
    """
    match = _MEDIA_TYPE.match(announced)
    named = match[1].lower() if match else ""
    is_video_type = named.startswith("video/")
    if head[4:8] == b"ftyp":  # MP4 and QuickTime begin with a box of this kind
        return named if is_video_type else _MP4
    if is_video_type and named != _MP4 and not _MARKUP.match(head):
        return named
    # Not the end: in its bad moments many a host answers with a page, and calls that a success.
    message = f"The video host sent something that is no MP4 file (it calls it {named or 'nothing'})."
    raise CopyInterrupted("not_a_video", message)


def picture_type(_announced: str, head: bytes) -> str:
    """Return the Content-Type of a picture by its bytes; raises CopyInterrupted where they are none."""
    match = _PICTURE.match(head)
    if match:
        return f"image/{match.lastgroup}"
    raise CopyInterrupted("not_a_picture", "The host of the last frame sent something that is no picture.")
