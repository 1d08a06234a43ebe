"""linearize on loaded models of transformers: the four families, with trained weights."""

import pytest
import torch

import engine_ext
from evals import checkpoints

transformers = pytest.importorskip("transformers")
pytest.importorskip("sklearn", reason="the images are made from scikit-learn's digits")

from safetensors.torch import load_file  # noqa: E402

from evals.checkpoints.questions import held_out  # noqa: E402

families = pytest.mark.parametrize("family", checkpoints.FAMILIES)


def load(family, dtype=torch.float32):
    model = transformers.AutoModelForImageTextToText.from_pretrained(
        checkpoints.path(family), torch_dtype=dtype
    )
    return model.eval()


def inputs(family):
    """Processed pixels of one small and one large image, with their grids."""
    processor = transformers.AutoImageProcessor.from_pretrained(checkpoints.path(family))
    questions = held_out(limit=9, side=checkpoints.side(family))
    images = [q.images[0] for q in (questions[0], questions[6])]
    return processor(images=images, return_tensors="pt")


@torch.no_grad()
def tower_output(model, family):
    visual, pixels = model.model.visual, inputs(family)
    output = visual(pixels["pixel_values"], grid_thw=pixels["image_grid_thw"])
    return list(_tensors(output))


def _tensors(output):
    """Every tensor of a tower's output: a tensor, a tuple or a ModelOutput, by version."""
    if isinstance(output, torch.Tensor):
        yield output
    elif output is not None:
        for part in output.values() if isinstance(output, dict) else output:
            yield from _tensors(part)


def assert_towers_agree(found, expected):
    assert len(found) == len(expected) > 0
    for mine, stock in zip(found, expected, strict=True):
        assert float((mine - stock).norm() / stock.norm()) < 1e-5


@families
def test_the_tower_gives_the_same_output(family):
    model = load(family)
    expected = tower_output(model, family)
    report = engine_ext.linearize(model)
    assert [finding.name for finding in report.replaced] == ["model.visual.patch_embed.proj"]
    assert report.replaced[0].verification.difference < 1e-5
    assert not any(type(module) is torch.nn.Conv3d for module in model.modules())
    assert_towers_agree(tower_output(model, family), expected)


@families
def test_before_loading_gives_the_same_as_after(family):
    stock = load(family)
    expected = tower_output(stock, family)
    config = transformers.AutoConfig.from_pretrained(checkpoints.path(family))
    model = transformers.AutoModelForImageTextToText.from_config(config).float().eval()
    engine_ext.linearize(model)
    model.load_state_dict(stock.state_dict())
    assert_towers_agree(tower_output(model, family), expected)


@families
def test_flattened_weights_load_too(family):
    model = load(family)
    expected = tower_output(model, family)
    engine_ext.linearize(model)
    weights = model.state_dict()
    name = "model.visual.patch_embed.proj.weight"
    weights[name] = weights[name].flatten(1).clone()
    torch.nn.init.zeros_(model.get_parameter(name))
    model.load_state_dict(weights)
    assert_towers_agree(tower_output(model, family), expected)


@families
def test_a_saved_checkpoint_is_the_one_loaded(family, tmp_path):
    model = load(family, torch.bfloat16)
    engine_ext.linearize(model)
    model.save_pretrained(tmp_path)
    found = load_file(tmp_path / "model.safetensors")
    expected = load_file(checkpoints.path(family) / "model.safetensors")
    assert found.keys() == expected.keys()
    for name, stock in expected.items():
        assert found[name].dtype == stock.dtype, name
        assert found[name].shape == stock.shape, name
        assert torch.equal(found[name].view(torch.uint8), stock.view(torch.uint8)), name


@families
def test_bf16_moves_and_the_projection_reads_as_a_conv(family):
    model = load(family)
    engine_ext.linearize(model)
    model.to(torch.bfloat16)
    proj = model.model.visual.patch_embed.proj
    assert proj.weight.dtype == torch.bfloat16
    assert proj.in_channels == 3
    assert all(torch.isfinite(t).all() for t in tower_output(model, family))


@families
def test_a_second_call_finds_it_done(family):
    model = load(family)
    engine_ext.linearize(model)
    (finding,) = engine_ext.linearize(model).findings
    assert finding.outcome == "already linear"
