"""What right answers can tell about a patch embedding, and what they cannot.

Each damage imitates a mistake in turning the convolution into a matrix product. The share of right
answers after it, by kind of question, shows whether asking questions would reveal the mistake.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from transformers import PreTrainedModel, ProcessorMixin

from evals.checkpoints import wrong_kernels
from evals.checkpoints.batch import patch_projection
from evals.checkpoints.measure import Answer, Batches, answers
from evals.checkpoints.questions import Question

DAMAGES: dict[str, Callable[[Tensor], Tensor]] = {
    "random kernel": wrong_kernels.random,
    "C and T exchanged before flattening": wrong_kernels.time_before_channels,
    "flattened channels-last": wrong_kernels.channels_last,
    "H and W transposed": wrong_kernels.rows_for_columns,
    "BGR": wrong_kernels.blue_first,
    "temporal halves swapped": wrong_kernels.swapped_frames,
    "first temporal slice only": wrong_kernels.first_frame_only,
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
