"""Tiny vision-language checkpoints that can answer, one folder for each family.

Importing this package is cheap: no torch, no transformers, no images.
"""

from pathlib import Path

FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "glm4v")
LOGPROB_TOLERANCE = 2e-2
"""Half-precision servers differ by this much when only the order of additions differs."""
SHARE_RIGHT = 0.8
"""They answer over 93 % of such questions; far fewer means that images are not seen."""


def path(family: str) -> Path:
    """Folder of the checkpoint of `family`; `ValueError` for a family that is not shipped."""
    _check(family)
    return Path(__file__).parent / family


def side(family: str) -> int:
    """Side in pixels of the family's small images: four patches (patches are 14 px, Qwen3-VL's 16).

    Two merged 2x2 patches, so no image processor resizes them.
    """
    _check(family)
    return 64 if family == "qwen3_vl" else 56


def _check(family: str) -> None:
    if family not in FAMILIES:
        raise ValueError(f"unknown family {family!r}: expected one of {', '.join(FAMILIES)}")
