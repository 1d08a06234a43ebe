"""What right answers can tell about a patch embedding, and what they cannot.

Each damage imitates a mistake in turning the convolution into a matrix product. The share of right
answers after it, by kind of question, shows whether asking questions would reveal the mistake.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from transformers import PreTrainedModel, ProcessorMixin

from evals.checkpoints.batch import patch_projection
from evals.checkpoints.measure import Answer, Batches, answers
from evals.checkpoints.questions import Question


def _random(kernel: Tensor) -> Tensor:
    noise = torch.randn(kernel.shape, generator=torch.Generator().manual_seed(0))
    return noise * kernel.std() + kernel.mean()


def _time_before_channels(kernel: Tensor) -> Tensor:
    return kernel.permute(0, 2, 1, 3, 4).reshape(kernel.shape)


def _channels_last(kernel: Tensor) -> Tensor:
    return kernel.permute(0, 2, 3, 4, 1).reshape(kernel.shape)


def _rows_for_columns(kernel: Tensor) -> Tensor:
    return kernel.transpose(3, 4)


def _blue_first(kernel: Tensor) -> Tensor:
    return kernel.flip(1)


def swap_halves(kernel: Tensor) -> Tensor:
    """The kernel `(D, C, T, P, P)` with its temporal slices in the wrong order."""
    return kernel.flip(2)


def _first_slice(kernel: Tensor) -> Tensor:
    return torch.cat([kernel[:, :, :1], torch.zeros_like(kernel[:, :, 1:])], 2)


DAMAGES: dict[str, Callable[[Tensor], Tensor]] = {
    "random kernel": _random,
    "C and T exchanged before flattening": _time_before_channels,
    "flattened channels-last": _channels_last,
    "H and W transposed": _rows_for_columns,
    "BGR": _blue_first,
    "temporal halves swapped": swap_halves,
    "first temporal slice only": _first_slice,
}


def sensitivity(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    questions: list[Question],
    encoded: Batches,
) -> dict[str, dict[str, float]]:
    """Share of right answers by kind, and how many answers change, after each damage.

    The model is left as it was.
    """
    projection = patch_projection(model)
    before = answers(model, processor, encoded)

    def row() -> dict[str, float]:
        return _row(questions, before, answers(model, processor, encoded))

    kernel = projection.weight.data
    table = {"none": row()}
    for name, damage in DAMAGES.items():
        projection.weight.data = damage(kernel.float()).to(kernel.dtype).contiguous()
        table[name] = row()
    projection.weight.data = kernel
    if projection.bias is not None:
        bias = projection.bias.data
        projection.bias.data = torch.zeros_like(bias)
        table["zero bias"] = row()
        projection.bias.data = bias
    return table


def _row(questions: list[Question], before: list[Answer], after: list[Answer]) -> dict[str, float]:
    shares = {}
    for kind in dict.fromkeys(question.kind for question in questions):
        right = [answer.right for q, answer in zip(questions, after, strict=True) if q.kind == kind]
        shares[kind] = round(sum(right) / len(right), 4)
    shares["all"] = round(sum(answer.right for answer in after) / len(after), 4)
    pairs = zip(before, after, strict=True)
    shares["changed"] = sum(old.token != new.token for old, new in pairs)
    return shares
