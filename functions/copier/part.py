"""Consecutive bytes of a video, and the checksum that they had when they arrived."""

import zlib
from base64 import b64encode
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a video, or the whole; S3 compares the checksum with the bytes that it was sent."""

    body: bytearray
    crc32: int

    @classmethod
    def of(cls, body: bytearray) -> "Part":
        """Return these bytes with their checksum."""
        return cls(body, zlib.crc32(body))

    @property
    def checksum(self) -> str:
        """The checksum as S3 writes it; CRC64NVME would need a native package, and for whole objects CRC32 will do."""
        return b64encode(self.crc32.to_bytes(4)).decode()

    def __len__(self) -> int:
        """Return the number of bytes."""
        return len(self.body)
