"""What a loader was given is compared with what has arrived, where that can be known."""

import pytest
import torch
from torch import nn

from engine_ext.patch_embed import VerificationError
from engine_ext.patch_embed.linear import PatchLinear
from engine_ext.served.delivered import Delivered

NAME = "visual.patch_embed.proj"
WEIGHT, BIAS = f"model.{NAME}.weight", f"model.{NAME}.bias"


@pytest.fixture
def projection():
    torch.manual_seed(0)
    return PatchLinear.from_conv(nn.Conv3d(3, 8, (2, 4, 4), (2, 4, 4)).bfloat16())


@pytest.fixture
def delivered(projection):
    return Delivered((f"{NAME}.{leaf}", value) for leaf, value in projection.named_parameters())


@pytest.fixture
def checkpoint(projection):
    """A checkpoint in float32 that the projection holds in bfloat16, and another tensor."""
    weights = {WEIGHT: torch.randn(8, 3, 2, 4, 4), BIAS: torch.randn(8)}
    with torch.no_grad():
        projection.weight.copy_(weights[WEIGHT])
        projection.bias.copy_(weights[BIAS])
    return {"lm_head.weight": torch.randn(4, 4), **weights}


def read(weights):
    """As a loader does, which keeps none of them."""
    return [name for name, _ in weights]


def as_list(checkpoint):
    return list(checkpoint.items())


def as_iterator(checkpoint):
    return iter(checkpoint.items())


def as_view(checkpoint):
    return checkpoint.items()


@pytest.mark.parametrize("handed_over", [as_list, as_iterator, as_view])
def test_passes_on_what_it_watches(handed_over, delivered, checkpoint):
    assert read(delivered.watch(handed_over(checkpoint))) == list(checkpoint)


def test_a_list_can_be_read_twice(delivered, checkpoint):
    weights = delivered.watch(as_list(checkpoint))
    assert read(weights) == read(weights)


@pytest.mark.parametrize("is_whole", [False, True])
def test_what_arrived_rounded_to_the_dtype_of_the_model_passes(
    is_whole, delivered, checkpoint, projection
):
    read(delivered.watch(as_list(checkpoint)))
    delivered.check(NAME, projection, is_whole=is_whole)


@pytest.mark.parametrize("leaf", ["weight", "bias"])
def test_one_value_that_did_not_arrive_is_seen(leaf, delivered, checkpoint, projection):
    read(delivered.watch(as_list(checkpoint)))
    with torch.no_grad():
        getattr(projection, leaf).flatten()[5] += 0.5
    said = rf"patch_embed\.proj\.{leaf}: 1 of \d+ values are not those .* given"
    with pytest.raises(VerificationError, match=said):
        delivered.check(NAME, projection, is_whole=False)


def test_a_buffer_that_the_loader_reuses_is_no_matter(delivered, checkpoint, projection):
    weights = as_list(checkpoint)
    read(delivered.watch(weights))
    checkpoint[WEIGHT].zero_()
    delivered.check(NAME, projection, is_whole=False)


def test_what_was_checked_or_forgotten_is_expected_no_more(delivered, checkpoint, projection):
    for end in (lambda: delivered.check(NAME, projection, is_whole=False), delivered.forget):
        read(delivered.watch(as_list(checkpoint)))
        end()
        with torch.no_grad():
            projection.weight += 1
        delivered.check(NAME, projection, is_whole=False)
        projection.weight.data.copy_(checkpoint[WEIGHT])


def test_a_part_of_a_checkpoint_may_come_alone(delivered, checkpoint, projection):
    read(delivered.watch(as_list(checkpoint)))
    delivered.check(NAME, projection, is_whole=True)
    read(delivered.watch([(WEIGHT, checkpoint[WEIGHT])]))
    delivered.check(NAME, projection, is_whole=False)


def test_a_whole_checkpoint_must_hold_what_the_first_one_held(delivered, checkpoint, projection):
    read(delivered.watch(as_list(checkpoint)))
    delivered.check(NAME, projection, is_whole=False)
    read(delivered.watch([(WEIGHT, checkpoint[WEIGHT])]))
    with pytest.raises(VerificationError, match=r"proj\.bias: not among the weights of this"):
        delivered.check(NAME, projection, is_whole=True)


def test_nothing_is_expected_of_names_that_no_checkpoint_had(delivered, projection):
    """Shards and dummy weights do not come by names through ``load_weights``."""
    delivered.check(NAME, projection, is_whole=True)


def test_two_tensors_for_one_place_say_nothing(delivered, checkpoint, projection):
    """A draft of the model beside it, for one: whose is whose cannot be told."""
    other = ("draft.patch_embed.proj.weight", torch.zeros(8, 3, 2, 4, 4))
    read(delivered.watch([*as_list(checkpoint), other]))
    delivered.check(NAME, projection, is_whole=False)


def test_a_tensor_of_another_shape_is_the_loaders_matter(delivered, projection):
    read(delivered.watch([(WEIGHT, torch.zeros(8, 3, 1, 4, 4))]))
    delivered.check(NAME, projection, is_whole=False)
