"""What right answers can tell about a patch embedding, and what they cannot.

Each damage imitates a mistake in turning the convolution into a matrix product. The share of right
answers after it, by kind of question, shows whether asking questions would reveal the mistake.
"""

import torch
from transformers import PreTrainedModel, ProcessorMixin

from evals.checkpoints.batch import patch_projection
from evals.checkpoints.damage import WRONG_KERNELS
from evals.checkpoints.measure import Answer, Batches, answers
from evals.checkpoints.questions import Question

DAMAGES = (
    "random kernel",
    "C and T exchanged before flattening",
    "flattened channels-last",
    "H and W transposed",
    "BGR",
    "temporal halves swapped",
    "first temporal slice only",
)


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
    for name in DAMAGES:
        projection.weight.data = WRONG_KERNELS[name](kernel.float()).to(kernel.dtype).contiguous()
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
