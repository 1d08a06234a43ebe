"""A served model whose projection takes raw pixels: folded whenever it is sealed."""

import logging

import pytest
import torch
from torch import nn

from engine_ext.patch_embed import VerificationError
from engine_ext.patch_embed.fold import Normalisation
from engine_ext.served import Identity, ServedModel, Stills

HALF = Normalisation(1 / 255, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
IDENTITY = Identity("engine", "1", "Model", ("linear", "pixels"))
STILL, PATCH = 3 * 4 * 4, 3 * 2 * 4 * 4


class PatchEmbed(nn.Module):
    """As engines have it: rows are cut into patches, whatever their width."""

    def __init__(self, dtype=torch.float32, kernel=(2, 4, 4)):
        super().__init__()
        self.proj = nn.Conv3d(3, 8, kernel, stride=kernel, dtype=dtype)
        self.kernel = kernel

    def forward(self, rows):
        return self.proj(rows.view(-1, 3, *self.kernel)).view(-1, 8)


class Model(nn.Module):
    def __init__(self, **settings):
        super().__init__()
        self.patch_embed = PatchEmbed(**settings)


def serve(normalisation=HALF, **settings):
    torch.manual_seed(0)
    model = Model(**settings)
    weights = {name: 0.02 * torch.randn_like(value) for name, value in model.state_dict().items()}
    served = ServedModel(
        model, (nn.Conv3d,), IDENTITY, logging.getLogger(__name__), stills=Stills(normalisation)
    )
    load(served, model, weights)
    return served, model


def load(served, model, weights):
    model.load_state_dict(dict(served.delivering(weights.items())))
    served.seal("patch_embed.proj", model.patch_embed.proj)


def pixels(count=6):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, (count, STILL), generator=generator, dtype=torch.uint8)


def normalised(rows):
    """Each value twice, once for each frame."""
    values = (rows.float() / 255 - 0.5) / 0.5
    return values.view(len(rows), 3, 1, -1).expand(-1, -1, 2, -1).reshape(len(rows), -1)


def assert_takes_both(model):
    rows = pixels()
    found, expected = model.patch_embed(rows), model.patch_embed(normalised(rows))
    assert torch.allclose(found, expected, atol=1e-5)


def test_both_kernels_are_valid_at_once():
    _, model = serve()
    assert_takes_both(model)


@pytest.mark.parametrize("count", [1, 2, 7, 8])
def test_an_even_count_of_stills_is_not_merged(count):
    _, model = serve()
    assert model.patch_embed(pixels(count)).shape == (count, 8)


def test_an_engine_may_have_cast_the_pixels():
    _, model = serve(dtype=torch.bfloat16)
    rows = pixels()
    assert torch.equal(model.patch_embed(rows), model.patch_embed(rows.bfloat16()))


@pytest.mark.parametrize("width", [STILL // 2, STILL + 1, 2 * PATCH])
def test_another_width_is_an_error_that_names_both(width):
    _, model = serve()
    with pytest.raises(ValueError, match=f"{width} values, expected {PATCH} .* or {STILL} of raw"):
        model.patch_embed(torch.zeros(4, width))


def test_new_weights_are_folded():
    served, model = serve()
    before = model.patch_embed(pixels())
    weights = {name: 2 * value for name, value in model.state_dict().items()}
    load(served, model, weights)
    assert torch.allclose(model.patch_embed(pixels()), 2 * before, atol=1e-5)
    assert_takes_both(model)


def test_after_refused_weights_those_before_are_folded():
    served, model = serve()
    before = model.patch_embed(pixels())
    weights = {name: torch.full_like(v, torch.nan) for name, v in model.state_dict().items()}
    with pytest.raises(VerificationError, match="put back"):
        load(served, model, weights)
    assert torch.equal(model.patch_embed(pixels()), before)


def test_weights_of_a_checkpoint_are_saved_as_before():
    _, model = serve()
    assert set(model.state_dict()) == {"patch_embed.proj.weight", "patch_embed.proj.bias"}


@pytest.mark.parametrize(
    ("normalisation", "kernel"),
    [(HALF, (1, 4, 4)), (Normalisation(1 / 255, (0.5,), (0.5,)), (2, 4, 4))],
    ids=["one frame", "one channel"],
)
def test_a_projection_that_cannot_take_pixels_does_not_start(normalisation, kernel):
    with pytest.raises(VerificationError, match="to take raw pixels"):
        serve(normalisation, kernel=kernel)
