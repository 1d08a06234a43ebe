"""Files as content parts of an OpenAI chat message."""

from __future__ import annotations

import base64
from typing import Any


def data_url(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def part(media_type: str, data: bytes) -> dict[str, Any]:
    """An image or a video, by its type: ``image/png``, ``video/avi``."""
    kind = f"{media_type.partition('/')[0]}_url"
    return {"type": kind, kind: {"url": data_url(media_type, data)}}
