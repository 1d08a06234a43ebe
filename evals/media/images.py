"""Images as files, and PNG files as no encoder writes them: false sizes, missing ends."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encode(picture: Image.Image, file_format: str = "PNG", **settings: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **settings)
    return buffer.getvalue()


def png(width: int, height: int, mode: str = "RGB") -> bytes:
    """A valid picture of that size: a gradient, so that it is small as a file."""
    return encode(Image.linear_gradient("L").resize((width, height)).convert(mode))


def claimed_png(width: int, height: int) -> bytes:
    """A PNG whose header says this size, with valid checksums and one row of pixels at most."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    row = zlib.compress(bytes(1 + 3 * min(width, 1)))
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", row) + _chunk(b"IEND", b"")


def truncated(data: bytes) -> bytes:
    """The first half of a file."""
    return data[: len(data) // 2]


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)
