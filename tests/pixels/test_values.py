"""What a processor makes of a pixel is read off the processor itself, or it says why not."""

import copy

import pytest
import torch

from engine_ext.pixels import NotByValue, PixelValues
from tests.pixels.processors import (
    BACKENDS,
    FAMILIES,
    image_processor,
    video_processor,
)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_value_of_every_channel_is_known(family, backend):
    processor = image_processor(family, backend)
    values = PixelValues.of(processor)
    assert values.table.shape == (3, 256)
    level = torch.arange(256, dtype=torch.float64) * processor.rescale_factor
    for channel in range(3):
        exact = (level - processor.image_mean[channel]) / processor.image_std[channel]
        torch.testing.assert_close(values.table[channel].double(), exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_torchvision_backend_is_followed_by_arithmetic(family):
    values = PixelValues.of(image_processor(family, BACKENDS[0]))
    mean, std = values.affine
    levels = torch.arange(256, dtype=torch.float32).expand(3, -1)
    assert torch.equal((levels - mean) / std, values.table)
    assert torch.equal(PixelValues.of(video_processor(family)).table, values.table)


def changed(**settings):
    processor = copy.deepcopy(image_processor("qwen2_5_vl", BACKENDS[0]))
    for name, value in settings.items():
        setattr(processor, name, value)
    return processor


@pytest.mark.parametrize(
    "settings",
    [
        {"image_mean": [0.1, 0.5, 0.9], "image_std": [0.2, 0.3, 1.5]},
        {"rescale_factor": 1 / 127.5},
        {"do_rescale": False},
        {"do_normalize": False},
    ],
    ids=str,
)
def test_other_numbers_and_steps_are_seen(settings):
    stock, other = PixelValues.of(changed()), PixelValues.of(changed(**settings))
    assert not torch.equal(other.table.double(), stock.table.double())


def test_pixels_that_stay_pixels_need_no_table():
    with pytest.raises(NotByValue, match="expected floats made of whole numbers"):
        PixelValues.of(changed(do_normalize=False, do_rescale=False))


def test_a_deviation_of_zero_gives_what_the_processor_makes_of_it():
    """transformers' torchvision backend, 4.57 and 5, divides by it."""
    processor = changed(image_std=[0.0, 0.1, 0.1])
    assert PixelValues.of(processor).table[0].isinf().all()


def test_a_processor_that_looks_at_neighbours_is_not_taken():
    class Blurring(type(image_processor("qwen2_5_vl", BACKENDS[0]))):
        def rescale_and_normalize(self, images, *arguments):
            made = super().rescale_and_normalize(images, *arguments)
            return made + made.roll(1, -1) if made.is_floating_point() else made

    processor = changed()
    processor.__class__ = Blurring
    with pytest.raises(NotByValue, match="does not exchange pixel values one by one"):
        PixelValues.of(processor)
