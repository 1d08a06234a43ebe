"""Processors of the shipped checkpoints, by family and backend, each made once."""

from functools import cache

import pytest

from engine_ext.pixels import PixelValues
from evals import checkpoints

transformers = pytest.importorskip("transformers")

FAMILIES = checkpoints.FAMILIES
IS_OLD = int(transformers.__version__.split(".")[0]) < 5
BACKENDS = ("fast", "slow") if IS_OLD else ("torchvision", "pil")


@cache
def image_processor(family, backend, **settings):
    if IS_OLD:
        settings["use_fast"] = backend == "fast"
    else:
        settings["backend"] = backend
    return transformers.AutoImageProcessor.from_pretrained(checkpoints.path(family), **settings)


@cache
def video_processor(family):
    return transformers.AutoVideoProcessor.from_pretrained(checkpoints.path(family))


@cache
def values_of(family, backend):
    return PixelValues.of(image_processor(family, backend))
