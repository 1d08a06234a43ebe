"""In one process, by SGLang's own loader: the same features as stock and as transformers."""

import itertools

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from evals import checkpoints
from evals.checkpoints.questions import held_out
from evals.serving.sglang_loader import load
from tests.engines.answers import IS_ONE_PRODUCT
from tests.engines.describe import describe
from tests.engines.limits import equals_transformers, families

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
CASES = list(itertools.product(families(), DTYPES))


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def family(case):
    return case[0]


@pytest.fixture(scope="module")
def dtype(case):
    return case[1]


@pytest.fixture(scope="module")
def stock(family, dtype):
    return load(str(checkpoints.path(family)), dtype=dtype)


@pytest.fixture(scope="module")
def ours(family, dtype, extended):
    with extended():
        return load(str(checkpoints.path(family)), dtype=dtype)


@pytest.fixture(scope="module")
def inputs(family):
    """Patches of a small and a large image and of a video, cut by the model's own processor."""
    return patches_of(AutoProcessor.from_pretrained(checkpoints.path(family)), family)


def patches_of(processor, family, **settings):
    """By kind, patches and grids of images and of a video, under settings of the call."""
    small, large = checkpoints.side(family), checkpoints.side(family) * 5 // 2
    images = [q for s in (small, large) for q in held_out(limit=2, side=s) if not q.is_video]
    video = next(q for q in held_out(limit=6, side=small) if q.is_video)
    of_images = processor.image_processor(
        images=[question.images[0] for question in images], return_tensors="pt", **settings
    )
    settings.pop("temporal_patch_size", None)  # of images
    of_video = processor.video_processor(
        videos=[video.images], do_sample_frames=False, return_tensors="pt", **settings
    )
    return {
        "image": (of_images["pixel_values"], of_images["image_grid_thw"]),
        "video": (of_video["pixel_values_videos"], of_video["video_grid_thw"]),
    }


def features(model, kind, patches, grid, **beside):
    """What the engine's tower makes of patches: (tokens, width) in float32."""
    from sglang.srt.managers.schedule_batch import Modality, MultimodalDataItem

    item = MultimodalDataItem(modality=Modality[kind.upper()], feature=patches)
    item.model_specific_data.update({f"{kind}_grid_thw": grid, **beside})
    with torch.no_grad():
        return getattr(model, f"get_{kind}_feature")([item]).float()


def difference(found, expected):
    return ((found - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.shows("weight paths", "initial load from safetensors")
@pytest.mark.parametrize("kind", ["image", "video"])
def test_features_equal_those_of_stock(kind, stock, ours, inputs, dtype):
    found, expected = (features(model, kind, *inputs[kind]) for model in (ours, stock))
    if IS_ONE_PRODUCT:
        assert torch.equal(found, expected)
    assert difference(found, expected) < (1e-5 if dtype == "float32" else 2e-2)


@pytest.mark.parametrize("kind", ["image", "video"])
def test_features_equal_those_of_transformers(kind, ours, inputs, family, dtype):
    if not equals_transformers(family):
        pytest.skip("stock itself gives other features: tests/engines/limits.py")
    reference = AutoModelForImageTextToText.from_pretrained(
        checkpoints.path(family), dtype=DTYPES[dtype]
    ).eval()
    patches, grid = inputs[kind]
    shapes = grid if family != "glm4v" else _frame_by_frame(grid)
    with torch.no_grad():
        output = reference.model.visual(patches.to(DTYPES[dtype]), grid_thw=shapes)
    expected = torch.cat(list(_tensors(output)), dim=-1).float()
    found = features(ours, kind, patches, grid)
    assert difference(found, expected) < (1e-5 if dtype == "float32" else 4e-2)


def _frame_by_frame(grid):
    """GLM-4V's own code hands a video to the tower as so many images."""
    return torch.cat([shape.new_tensor([[1, *shape[1:]]] * int(shape[0])) for shape in grid])


def _tensors(output):
    """The merged features and Qwen3-VL's deep ones; transformers 4 returns a tuple or a tensor."""
    if torch.is_tensor(output):
        return [output]
    if isinstance(output, tuple):
        return [output[0], *output[1]]
    return [output.pooler_output, *(getattr(output, "deepstack_features", None) or [])]


@pytest.mark.parametrize("kind", ["image", "video"])
def test_the_projection_is_as_close_to_float64_as_a_convolution(kind, ours, stock, inputs, dtype):
    """Both against the product in float64; a convolution adds up in another order."""
    patches = inputs[kind][0].to(DTYPES[dtype])
    weight = stock.visual.patch_embed.proj.weight
    bias = stock.visual.patch_embed.proj.bias
    frames = patches.view(-1, *weight.shape[1:])
    with torch.no_grad():
        exact = patches.double() @ weight.flatten(1).double().T
        exact += 0 if bias is None else bias.double()
        conv = torch.nn.functional.conv3d(frames, weight, bias, stride=weight.shape[2:])
        found = ours.visual.patch_embed.proj(frames)

    def error(values):
        return ((values.view_as(exact).double() - exact).norm() / exact.norm()).item()

    rounding = {"float32": 1e-6, "bfloat16": 4e-3}[dtype]
    assert error(found) < max(1.1 * error(conv), rounding / 10)
    assert error(found) < rounding


def test_no_convolution_is_left(stock, ours):
    found, expected = describe(ours), describe(stock)
    assert found["convs"] == []
    assert found["linear"] == expected["convs"] == ["visual.patch_embed.proj"]
    assert found["parameters"] == expected["parameters"]
    assert found["class"] == expected["class"]


def test_the_weight_is_held_once(ours):
    assert list(describe(ours)["copies"].values()) == [1]
