"""Whether bytes are the whole video that they claim to be."""

import re
import struct

from shared.errors import CopyInterrupted

HEAD_BYTES = 64
"""What is needed of the beginning to know what it is."""

_MP4 = "video/mp4"
_MEDIA_TYPE = re.compile(r"\s*([\w.+-]+/[\w.+-]+)", re.ASCII)
_MARKUP = (b"<", b"{", b"[")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BOX = struct.Struct(">I4s")
_LONG_BOX = struct.Struct(">I4sQ")
_SIZE_FOLLOWS = b"\0\0\0\1"
_TOP_LEVEL = frozenset(b"ftyp moov mdat free skip wide meta moof mfra sidx ssix styp uuid udta emsg prft pdin".split())

_NEEDED = frozenset({b"moov", b"mdat"})


def media_type(announced: str, head: bytes) -> str:
    """Return the Content-Type to store a video under; raises CopyInterrupted where the bytes are none.

    `announced` is the source's Content-Type, `head` the first HEAD_BYTES bytes.
    """
    match = _MEDIA_TYPE.match(announced)
    named = match.group(1).lower() if match else ""
    is_video_type = named.startswith("video/")
    if is_mp4(head):
        return named if is_video_type else _MP4
    is_markup = head.removeprefix(_BYTE_ORDER_MARK).lstrip().startswith(_MARKUP)
    if is_video_type and named != _MP4 and not is_markup:
        return named
    # Not the end: in its bad moments many a host answers with a page, and calls that a success.
    raise CopyInterrupted(
        "not_a_video",
        f"The video host sent something that is no MP4 file (it calls it {named or 'nothing'}).",
    )


def is_mp4(head: bytes) -> bool:
    """Tell whether a file that begins with `head` is made of MP4's boxes."""
    return head[4:8] == b"ftyp"


class Boxes:
    """The top-level boxes of an MP4 file, followed while its bytes pass by in order.

    Every box says how long it is, so the file itself tells where it ends, whatever its host announces.
    """

    def __init__(self) -> None:
        """Start before the first byte."""
        self._passed = 0
        self._next_box = 0
        self._header = b""
        self._kinds: set[bytes] = set()
        self._is_readable = True

    def follow(self, part: bytes | bytearray) -> None:
        """Follow the boxes through the next part of the file."""
        start = self._passed
        self._passed += len(part)
        while self._is_readable and (position := self._next_box + len(self._header) - start) < len(part):
            self._header += part[position : position + self._missing]
            if not self._missing:
                self._step()

    def finish(self) -> None:
        """Raise CopyInterrupted where a box reaches beyond the end of the file."""
        is_cut = self._next_box > self._passed or len(self._header) >= _BOX.size
        if self._is_readable and is_cut:
            raise CopyInterrupted("truncated", "The video host sent a file that ends too early.")

    @property
    def end_is_known(self) -> bool:
        """Tell, after `finish`, whether the boxes end exactly where the file does, and no video needs more of them.

        Of a fragmented file (ISO/IEC 14496-12, `moof`) that cannot be told: another fragment may be missing.
        """
        has_all = self._kinds >= _NEEDED and b"moof" not in self._kinds
        return has_all and self._is_readable and self._next_box == self._passed

    @property
    def _missing(self) -> int:
        """The bytes of the next box's header that are still to come."""
        header = _LONG_BOX if self._header[:4] == _SIZE_FOLLOWS else _BOX
        return header.size - len(self._header)

    def _step(self) -> None:
        size, kind = _BOX.unpack_from(self._header)
        if len(self._header) == _LONG_BOX.size:
            size = _LONG_BOX.unpack(self._header)[2]
        # Size 0 reaches to the end of the file; what no box begins with is left alone, the length was announced.
        self._is_readable = kind in _TOP_LEVEL and size >= len(self._header)
        self._kinds.add(kind)
        self._next_box += size
        self._header = b""
