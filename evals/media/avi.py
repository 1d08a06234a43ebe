"""A clip as a file: AVI whose frames are JPEG pictures, written with nothing but Pillow.

Every video reader decodes Motion JPEG, and every frame stands alone, so no colour leaks from one
frame into the next. (Uncompressed AVI would be exact, but OpenCV 5.0.0 corrupts its heap when it
reads bottom-up bitmaps.)
"""

import struct
from collections.abc import Sequence

from PIL import Image

from evals.media.images import encode

_HAS_INDEX = 0x10
_KEY_FRAME = 0x10
_QUALITY = 95


def encode_avi(frames: Sequence[Image.Image], fps: float) -> bytes:
    """Bytes of an AVI file showing `frames`, RGB images of one size, at `fps` frames a second.

    Layout: Microsoft's AVI RIFF reference, one Motion JPEG stream.
    """
    width, height = frames[0].size
    pictures = [_jpeg(frame) for frame in frames]
    largest, count = max(map(len, pictures)), len(pictures)
    main_header = struct.pack(
        "<14I", round(1e6 / fps), round(largest * fps), 0, _HAS_INDEX, count, 0, 1, largest,
        width, height, 0, 0, 0, 0,
    )  # fmt: skip
    stream_header = struct.pack(
        "<4s4sIHHIIIIIIII4H", b"vids", b"MJPG", 0, 0, 0, 0, 1000, round(fps * 1000), 0, count,
        largest, 0xFFFFFFFF, 0, 0, 0, width, height,
    )  # fmt: skip
    bitmap_header = struct.pack(
        "<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", width * height * 3, 0, 0, 0, 0
    )
    stream = _list(b"strl", _chunk(b"strh", stream_header) + _chunk(b"strf", bitmap_header))
    header = _list(b"hdrl", _chunk(b"avih", main_header) + stream)
    movie, index, offset = b"", b"", 4  # offsets count from the word "movi"
    for picture in pictures:
        chunk = _chunk(b"00dc", picture)
        index += struct.pack("<4sIII", b"00dc", _KEY_FRAME, offset, len(picture))
        movie, offset = movie + chunk, offset + len(chunk)
    body = b"AVI " + header + _list(b"movi", movie) + _chunk(b"idx1", index)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _jpeg(frame: Image.Image) -> bytes:
    """The frame as JPEG of even length, with full-resolution colour."""
    data = encode(frame, "JPEG", quality=_QUALITY, subsampling=0)
    return data + b"\0" * (len(data) % 2)


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data


def _list(name: bytes, data: bytes) -> bytes:
    return _chunk(b"LIST", name + data)
