"""restore(compact(rows)) is rows, bit for bit, and what is no pixel is not compacted."""

import copy
from functools import partial

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from engine_ext.pixels import STEPS, PixelValues, compact_image, compact_video, restore
from engine_ext.pixels.processors import asked_for_pixels, frames_written, row_width
from tests.pixels.processors import (
    BACKENDS,
    FAMILIES,
    image_processor,
    values_of,
    video_processor,
)

patient = settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
MODES = ("RGB", "RGBA", "L", "LA", "P", "CMYK", "1", "I;16")


@st.composite
def pictures(draw):
    """From a patch row to 4k pixels a side, of every mode and of ratios up to 200."""
    longer = draw(st.integers(1, 4096))
    shorter = draw(st.integers(-(-longer // 200), max(1, min(longer, 2**20 // longer))))
    height, width = draw(st.permutations([longer, shorter]))
    seed, mode = draw(st.integers(0, 2**16)), draw(st.sampled_from(MODES))
    generator = torch.Generator().manual_seed(seed)
    coarse = draw(st.booleans())
    shape = (5, 7, 3) if coarse else (height, width, 3)
    noise = torch.randint(256, shape, generator=generator, dtype=torch.uint8).numpy()
    picture = Image.fromarray(noise).resize((width, height))
    if mode == "I;16":
        return picture.convert("L").convert("I").point(lambda value: value * 256).convert(mode)
    return picture.convert(mode)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("family", FAMILIES)
@patient
@given(images=st.lists(pictures(), min_size=1, max_size=3), dtype=st.sampled_from([None, "bf16"]))
def test_images_come_back_as_the_processor_gives_them(family, backend, images, dtype):
    processor = image_processor(family, backend)
    call = partial(processor, images=images, return_tensors="pt")
    try:
        expected = call()
    except ValueError:
        return  # too small for the processor, or for telling its channels: nothing to restore
    raw = call(**asked_for_pixels(processor))
    assert torch.equal(raw["image_grid_thw"], expected["image_grid_thw"])
    pixels = compact_image(raw["pixel_values"], 3, frames_written(processor))
    if any(image.mode == "I;16" for image in images) and pixels is None:
        return  # 16 bits: stock's way
    assert pixels.shape[1:] == (3, processor.patch_size**2)
    rows = expected["pixel_values"]
    rows = rows if dtype is None else rows.to(torch.bfloat16)
    values = values_of(family, backend)
    assert torch.equal(restore(pixels, values, row_width(processor), rows.dtype), rows)


@st.composite
def numbers(draw):
    """What a model's files can say otherwise of its processor."""
    three = st.lists(st.floats(0.01, 2), min_size=3, max_size=3)
    least = draw(st.integers(1, 60)) * 32**2
    return {
        "image_mean": draw(three),
        "image_std": draw(three),
        "rescale_factor": draw(st.floats(1e-3, 1)),
        "size": {"shortest_edge": least, "longest_edge": least * draw(st.integers(2, 50))},
    }


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("family", FAMILIES)
@settings(patient, max_examples=6)
@given(image=pictures(), numbers=numbers())
def test_whatever_the_numbers_of_a_model(family, backend, image, numbers):
    processor = copy.deepcopy(image_processor(family, backend))
    vars(processor).update(numbers)
    call = partial(processor, images=image.convert("RGB"), return_tensors="pt")
    try:
        expected = call()
    except ValueError:
        return  # too small for the processor
    raw = call(**asked_for_pixels(processor))
    assert torch.equal(raw["image_grid_thw"], expected["image_grid_thw"])
    pixels = compact_image(raw["pixel_values"], 3, frames_written(processor))
    found = restore(pixels, PixelValues.of(processor), row_width(processor))
    assert torch.equal(found, expected["pixel_values"])


@pytest.mark.parametrize("family", FAMILIES)
@patient
@given(
    frames=st.integers(2, 7),
    size=st.tuples(st.integers(32, 300), st.integers(32, 300)),
    seed=st.integers(0, 2**16),
)
def test_videos_come_back_as_the_processor_gives_them(family, frames, size, seed):
    processor = video_processor(family)
    generator = torch.Generator().manual_seed(seed)
    clip = torch.randint(256, (frames, 3, *size), generator=generator, dtype=torch.uint8)
    call = {"videos": [clip], "do_sample_frames": False, "return_tensors": "pt"}
    expected, raw = processor(**call), processor(**call, **STEPS)
    assert torch.equal(raw["video_grid_thw"], expected["video_grid_thw"])
    pixels = compact_video(raw["pixel_values_videos"], 3)
    rows = expected["pixel_values_videos"]
    assert torch.equal(restore(pixels, PixelValues.of(processor), row_width(processor)), rows)


def test_packed_values_are_the_same_values():
    for values in (values_of("qwen3_vl", BACKENDS[0]), PixelValues(torch.rand(3, 256))):
        found = PixelValues.unpacked(values.packed())
        assert torch.equal(found.table, values.table)
        assert (found.affine is None) == (values.affine is None)
        assert all(map(torch.equal, found.affine or (), values.affine or ()))


def test_rows_of_several_parts_are_restored_as_a_whole():
    """More rows than are restored at a time."""
    values = values_of("qwen3_vl", BACKENDS[0])
    pixels = torch.randint(256, (3000, 3, 256), dtype=torch.uint8)
    table = torch.stack([values.table[c][pixels[:, c].long()] for c in range(3)], 1)
    expected = table.unsqueeze(2).expand(-1, -1, 2, -1).reshape(3000, 1536)
    assert torch.equal(restore(pixels, values, 1536), expected)
    assert torch.equal(restore(pixels, PixelValues(values.table), 1536), expected)
    assert restore(pixels[:0], values, 1536).shape == (0, 1536)


@pytest.mark.parametrize("value", [0.5, -1.0, 256.0, float("nan")])
def test_what_is_no_pixel_is_not_compacted(value):
    rows = torch.full((4, 24), value)
    assert compact_image(rows, 3, 2) is None
    assert compact_video(rows, 3) is None


@pytest.mark.parametrize(
    "pixels",
    [
        torch.zeros(4, 588, dtype=torch.uint8),
        torch.zeros(4, 3, 196),
        torch.zeros(4, 4, 196, dtype=torch.uint8),
        torch.zeros(4, 3, 195, dtype=torch.uint8),
        torch.zeros(4, 3, 784, dtype=torch.uint8),
    ],
    ids=lambda pixels: f"{tuple(pixels.shape)} {pixels.dtype}",
)
def test_what_is_not_compact_is_refused(pixels):
    with pytest.raises(ValueError, match=r"expected uint8 pixels|cannot be made of"):
        restore(pixels, PixelValues(torch.zeros(3, 256)), 1176)
