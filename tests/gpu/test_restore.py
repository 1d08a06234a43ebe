"""Pixels restored on a GPU are the rows of the processor, bit for bit."""

import pytest
import torch
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

SIZES = [(56, 56), (97, 333), (1080, 1920)]
DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def picture(size):
    generator = torch.Generator().manual_seed(sum(size))
    noise = torch.randint(256, (*size, 3), generator=generator, dtype=torch.uint8)
    return Image.fromarray(noise.numpy())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_images_of_a_processor_on_the_cpu(family, backend, dtype):
    processor = image_processor(family, backend)
    images = [picture(size) for size in SIZES]
    rows = processor(images=images, return_tensors="pt")["pixel_values"]
    raw = processor(images=images, return_tensors="pt", **asked_for_pixels(processor))
    pixels = compact_image(raw["pixel_values"], 3, frames_written(processor)).cuda()
    values = values_of(family, backend).to("cuda")
    expected = rows.cuda().to(dtype)
    for known in (values, PixelValues(values.table)):  # arithmetic where it is equal, and the table
        assert torch.equal(restore(pixels, known, row_width(processor), dtype), expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_images_of_a_processor_on_the_gpu(family):
    """Its resize rounds otherwise there than on a CPU; what follows is the same."""
    processor = image_processor(family, BACKENDS[0])
    images = [picture(size) for size in SIZES]
    call = {"images": images, "return_tensors": "pt", "device": "cuda"}
    rows = processor(**call)["pixel_values"]
    raw = processor(**call, **asked_for_pixels(processor))["pixel_values"]
    assert rows.is_cuda
    pixels = compact_image(raw, 3, frames_written(processor))
    values = values_of(family, BACKENDS[0]).to("cuda")
    assert torch.equal(restore(pixels, values, row_width(processor)), rows)


@pytest.mark.parametrize("family", FAMILIES)
def test_videos(family):
    processor = video_processor(family)
    generator = torch.Generator().manual_seed(0)
    clip = torch.randint(256, (9, 3, 360, 640), generator=generator, dtype=torch.uint8)
    call = {"videos": [clip], "do_sample_frames": False, "return_tensors": "pt"}
    rows = processor(**call)["pixel_values_videos"].cuda()
    pixels = compact_video(processor(**call, **STEPS)["pixel_values_videos"], 3).cuda()
    values = PixelValues.of(processor).to("cuda")
    assert torch.equal(restore(pixels, values, row_width(processor)), rows)


def test_a_pinned_copy_on_a_stream_of_its_own():
    values = values_of("qwen2_5_vl", BACKENDS[0])
    pixels = torch.randint(256, (20000, 3, 196), dtype=torch.uint8)
    expected = restore(pixels, values, 1176, torch.bfloat16)
    there, stream = values.to("cuda"), torch.cuda.Stream()
    with torch.cuda.stream(stream):
        moved = pixels.pin_memory().to("cuda", non_blocking=True)
        found = restore(moved, there, 1176, torch.bfloat16)
    torch.cuda.current_stream().wait_stream(stream)
    assert torch.equal(found.cpu(), expected)


def test_a_graph_replays_with_other_pixels():
    values = values_of("qwen3_vl", BACKENDS[0]).to("cuda")
    pixels = torch.randint(256, (512, 3, 256), dtype=torch.uint8, device="cuda")
    restore(pixels, values, 1536, torch.bfloat16)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = restore(pixels, values, 1536, torch.bfloat16)
    pixels.copy_(255 - pixels)
    graph.replay()
    assert torch.equal(found, restore(pixels, values, 1536, torch.bfloat16))


def test_little_memory_is_held_beside_the_rows():
    values = values_of("qwen2_5_vl", BACKENDS[0]).to("cuda")
    pixels = torch.randint(256, (200_000, 3, 196), dtype=torch.uint8, device="cuda")
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    rows = restore(pixels, values, 1176, torch.bfloat16)
    beside = torch.cuda.max_memory_allocated() - held - rows.nbytes
    assert beside < 256 * 2**20
