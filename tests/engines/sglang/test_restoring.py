"""Rows of uint8 in a model of SGLang: the tower gives what stock gives of the processor's rows."""

import pytest
import torch
from transformers import AutoProcessor

from engine_ext.sglang.restoring import ROW_WIDTH, VALUES
from evals import checkpoints
from evals.serving.sglang_loader import load
from tests.engines.limits import families, with_pixels
from tests.engines.sglang.test_equality import features, patches_of

pytestmark = with_pixels


@pytest.fixture(scope="module", params=families())
def family(request):
    return request.param


@pytest.fixture(scope="module")
def models(family, extended):
    """Stock, and one of the extension, in bfloat16, whatever features are on where it is."""
    path = str(checkpoints.path(family))
    stock = load(path)
    with extended("linear"):
        return stock, load(path)


def sent(processor, kind, rows):
    """The feature of an item of pixels, and what it says beside it."""
    from engine_ext.sglang.sent import Sent

    one = Sent.of(getattr(processor, f"{kind}_processor"), kind, {})
    return one, one.beside


@pytest.mark.parametrize("kind", ["image", "video"])
def test_features_are_bit_identical(kind, family, models):
    stock, ours = models
    processor = AutoProcessor.from_pretrained(checkpoints.path(family))
    rows, grid = patches_of(processor, family)[kind]
    one, beside = sent(processor, kind, rows)
    raw, same_grid = patches_of(processor, family, **one.settings)[kind]
    pixels = one.compact(raw)
    assert pixels.dtype == torch.uint8
    assert torch.equal(grid, same_grid)
    expected = features(stock, kind, rows, grid)
    assert torch.equal(features(ours, kind, pixels, grid, **beside), expected)
    # As SGLang's buffer of features on a GPU holds them (SGLANG_MM_BUFFER_SIZE_MB).
    assert torch.equal(features(ours, kind, pixels.float(), grid, **beside), expected)
    assert torch.equal(features(ours, kind, rows, grid), expected)
    with pytest.raises(Exception):  # noqa: B017,PT011
        features(stock, kind, pixels, grid, **beside)


def a_clients(rows, grid, **said):
    """An item of an image that a client has processed itself."""
    from sglang.srt.managers.schedule_batch import (
        Modality,
        MultimodalDataItem,
        MultimodalInputFormat,
    )

    return MultimodalDataItem(
        modality=Modality.IMAGE,
        feature=rows,
        format=MultimodalInputFormat.PROCESSOR_OUTPUT,
        model_specific_data={"image_grid_thw": grid, **said},
    )


def test_what_a_client_says_beside_its_own_rows_is_not_taken_for_ours(family, models):
    processor = AutoProcessor.from_pretrained(checkpoints.path(family))
    item = a_clients(*patches_of(processor, family)["image"], **{VALUES: [1, 2], ROW_WIDTH: 3})
    found, expected = (model.get_image_feature([item]) for model in reversed(models))
    assert torch.equal(found, expected)


def test_nor_are_its_rows_that_look_like_ours_which_stock_refuses(family, models):
    processor = AutoProcessor.from_pretrained(checkpoints.path(family))
    rows, grid = patches_of(processor, family)["image"]
    item = a_clients(rows.unflatten(1, (3, -1)).to(torch.uint8), grid)
    said = []
    for model in models:
        with pytest.raises(AssertionError) as refused:
            model.get_image_feature([item])
        said.append(str(refused.value))
    assert said[0] == said[1]
