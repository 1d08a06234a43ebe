"""One image on its way to the language model, stage by stage: ``engine-ext doctor --measure``.

A JPEG is made in memory, then decoded, processed, hashed and copied by the libraries that engines
do it with. Where one of them is missing, or does not take the model, a stage is not known.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from engine_ext.doctor.checkpoint import DEFAULT, IMAGE, folder_of, of_checkpoint
from engine_ext.doctor.measure import NotKnown, advice, measure, measure_tower, milliseconds

PROCESSOR = {
    "image_processor_type": "Qwen2VLImageProcessor",
    "size": {"shortest_edge": 65536, "longest_edge": 16777216},
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "patch_size": DEFAULT.side,
    "temporal_patch_size": DEFAULT.frames,
    "merge_size": 2,
}
"""Of Qwen3-VL-8B, where no model is named."""
MOST_PATCHES = 2**16
"""Of an image, above which none is processed."""
STAGES = ("decode", "process", "identity", "copy", "tower")


def measured(model: str | None) -> dict[str, Any]:
    """What `measure` finds, an image by stages, and what the extension is worth in them.

    Args:
        model: a folder, or an id in the local cache; None for the sizes of Qwen3-VL-8B.

    Raises:
        NoProjection: as `of_checkpoint`.
    """
    folder = None if model is None else folder_of(model)
    projection = DEFAULT if folder is None else of_checkpoint(folder)
    try:
        found = measure(projection)
    except Exception as error:  # no torch, or no room on a GPU that serves
        return {"not_known": _said(error)}
    image = stages(folder)
    tower = image["tower"].get("ms")
    before = sum(one.get("ms", 0) for one in image.values()) - (tower or 0)
    saved = sum(one["ms"] - one["pixels_ms"] for one in image.values() if "pixels_ms" in one)
    worth = {"before_tower_ms": before, "pixels_save_ms": saved}
    return {**found, "image": image, **worth, "advice": advice(found, tower, before)}


def stages(folder: Path | None) -> dict[str, dict[str, Any]]:
    """By stage ``ms``, and ``pixels_ms`` with `pixels`; or why it is ``not_known`` or ``none``."""
    found: dict[str, dict[str, Any]] = {}
    why = ""
    try:
        _time(folder, found)
    except Exception as error:  # whatever a library says of what is installed, or named
        why = _said(error)
    return {name: found.get(name, {"not_known": why}) for name in STAGES}


def _time(folder: Path | None, found: dict[str, dict[str, Any]]) -> None:
    """Time one stage after another, each with what the one before it gives."""
    import torch
    from PIL import Image

    from engine_ext.pixels import processors
    from engine_ext.pixels.rows import compact_image
    from engine_ext.pixels.values import noise

    height, width = IMAGE
    photograph = Image.fromarray(noise()).resize((width, height), Image.Resampling.BICUBIC)
    photograph.save(file := io.BytesIO(), "JPEG", quality=90)

    def decode() -> Any:
        return Image.open(io.BytesIO(file.getvalue())).convert("RGB")

    found["decode"] = {"ms": milliseconds(decode)}
    picture, processor = decode(), _processor(folder)
    processors.expect_known(processor)
    patches = processor.get_number_of_image_patches(height, width, {})
    if patches > MOST_PATCHES:
        raise NotKnown(f"the processor makes {patches} patches, expected at most {MOST_PATCHES}")

    def by_both(call: Callable[[Any], object], stock: Any, pixels: Any) -> dict[str, Any]:
        return {
            "ms": milliseconds(lambda: call(stock)),
            "pixels_ms": milliseconds(lambda: call(pixels)),
        }

    def process(settings: dict[str, Any]) -> Any:
        return processor(images=[picture], return_tensors="pt", **settings)["pixel_values"]

    asked = processors.asked_for_pixels(processor)
    found["process"] = by_both(process, {}, asked)
    rows = process({})
    frames = processors.frames_written(processor)
    compact = compact_image(process(asked), processors.CHANNELS, frames)

    # As SGLang's `tensor_hash` does it.
    def digest(some: Any) -> bytes:
        return hashlib.sha256(some.reshape(-1).view(torch.uint8).numpy().data).digest()

    found["identity"] = by_both(digest, rows, compact)
    found["copy"] = {"none": "there is no GPU"}
    if torch.cuda.is_available():
        found["copy"] = by_both(lambda some: some.cuda(), rows, compact)
    if folder is None:
        raise NotKnown("--model names none")
    found["tower"] = measure_tower(folder, processor, picture, patches)


def _processor(folder: Path | None) -> Any:
    from transformers import AutoImageProcessor

    # Nothing is downloaded, and nothing run that lies beside the model.
    load = partial(
        AutoImageProcessor.from_pretrained, local_files_only=True, trust_remote_code=False
    )
    if folder is not None:
        return load(folder)
    with tempfile.TemporaryDirectory() as made:
        (Path(made) / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
        return load(made)


def _said(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
