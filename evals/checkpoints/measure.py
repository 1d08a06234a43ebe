"""How well a checkpoint answers, and what of it damage to its patch embedding leaves.

python -m evals.checkpoints.measure FAMILY... [--dtype bfloat16|float32]
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from transformers import PreTrainedModel, ProcessorMixin

from evals.checkpoints import FAMILIES, path, side
from evals.checkpoints.batch import Batch, encode, load, logits, patch_projection, stop_token
from evals.checkpoints.damage import WRONG_KERNELS
from evals.checkpoints.questions import WORD, Question, held_out

_BATCH = 60
_HEADINGS = ("questions", "right", "margin", "median", "< 0.5", "stops")
_UNSEEN = ("scaled by 1.1",)
"""Damage that answers do not show."""


@dataclass(frozen=True)
class Answer:
    """`margin` is the log-probability of the token chosen less that of the second best;
    `stops` says whether the stop token is the likeliest after the right letter."""

    token: str
    right: bool
    margin: float
    stops: bool


Batches = list[tuple[list[int], Batch]]


def batches(family: str, processor: ProcessorMixin, questions: Sequence[Question]) -> Batches:
    """The questions, grouped by kind and size so that little is padded, with their positions."""

    def group(index: int) -> tuple[str, int]:
        return questions[index].kind, questions[index].images[0].width

    encoded = []
    for _, members in groupby(sorted(range(len(questions)), key=group), key=group):
        indices = list(members)
        for start in range(0, len(indices), _BATCH):
            part = indices[start : start + _BATCH]
            chosen = [questions[index] for index in part]
            encoded.append((part, encode(processor, chosen, stop_token(family))))
    return encoded


@torch.no_grad()
def answers(model: PreTrainedModel, processor: ProcessorMixin, encoded: Batches) -> list[Answer]:
    """The answers, in the order of the questions."""
    found = {}
    for indices, batch in encoded:
        best = torch.log_softmax(logits(model, batch).float(), -1).topk(2, -1)
        margins = (best.values[:, 0, 0] - best.values[:, 0, 1]).tolist()
        right = (best.indices[:, :, 0] == batch.targets).tolist()
        tokens = processor.tokenizer.convert_ids_to_tokens(best.indices[:, 0, 0].tolist())
        rows = zip(indices, tokens, margins, right, strict=True)
        for index, token, margin, (letter, stops) in rows:
            found[index] = Answer(token, letter, margin, stops)
    return [found[index] for index in range(len(found))]


def all_held_out(family: str) -> list[Question]:
    """The multiple-choice questions and, of the same digits, those for a word."""
    small = side(family)
    return held_out(side=small) + held_out(side=small, kinds=(WORD,))


def summary(questions: Sequence[Question], given: Sequence[Answer]) -> dict[str, dict[str, float]]:
    """Per kind, per size of image and overall: count, share right and stopped, margins."""
    small = min(question.images[0].width for question in questions)
    groups: dict[str, list[Answer]] = {}
    for question, answer in zip(questions, given, strict=True):
        groups.setdefault(question.kind, []).append(answer)
    for question, answer in zip(questions, given, strict=True):
        size = "small" if question.images[0].width == small else "large"
        groups.setdefault(size, []).append(answer)
    return {name: _figures(members) for name, members in (*groups.items(), ("all", list(given)))}


def _figures(given: Sequence[Answer]) -> dict[str, float]:
    margins = np.array([answer.margin for answer in given])
    return {
        "questions": len(given),
        "accuracy": round(float(np.mean([answer.right for answer in given])), 4),
        "margin_mean": round(float(margins.mean()), 2),
        "margin_median": round(float(np.median(margins)), 2),
        "margin_below_0.5": round(float((margins < 0.5).mean()), 4),
        "stops": round(float(np.mean([answer.stops for answer in given])), 4),
    }


def sensitivity(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    questions: Sequence[Question],
    encoded: Batches,
) -> dict[str, dict[str, float]]:
    """Share of right answers by kind, and how many answers change, after each damage.

    The model is left as it was.
    """
    projection = patch_projection(model)
    kernel, bias = projection.weight.data, projection.bias
    before = answers(model, processor, encoded)

    def row() -> dict[str, float]:
        after = answers(model, processor, encoded)
        figures = summary(questions, after)
        shares = {kind: figures[kind]["accuracy"] for kind in {q.kind: 0 for q in questions}}
        changed = sum(old.token != new.token for old, new in zip(before, after, strict=True))
        return {**shares, "all": figures["all"]["accuracy"], "changed": changed}

    found = {"none": row()}
    for name, wrong in WRONG_KERNELS.items():
        if name not in _UNSEEN:
            projection.weight.data = wrong(kernel.float()).to(kernel.dtype).contiguous()
            found[name] = row()
    projection.weight.data = kernel
    if bias is not None:
        right = bias.data
        bias.data = torch.zeros_like(right)
        found["zero bias"] = row()
        bias.data = right
    return found


def table(family: str, dtype: str, figures: dict[str, dict[str, float]]) -> Table:
    """The summary, to print."""
    result = Table("about", *_HEADINGS, title=f"{family}, held out, {dtype}")
    for name, row in figures.items():
        result.add_row(name, *map(str, row.values()))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("families", nargs="+", choices=FAMILIES, metavar="FAMILY")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    options = parser.parse_args()
    for family in options.families:
        model, processor = load(path(family), getattr(torch, options.dtype))
        questions = all_held_out(family)
        given = answers(model, processor, batches(family, processor, questions))
        Console().print(table(family, options.dtype, summary(questions, given)))


if __name__ == "__main__":
    main()
