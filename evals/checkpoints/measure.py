"""How well a checkpoint answers: share of right answers, margins, stop token.

python -m evals.checkpoints.measure FAMILY... [--dtype bfloat16|float32] [--limit N] [--json]
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress, groupby

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from transformers import PreTrainedModel, ProcessorMixin

from evals.checkpoints import FAMILIES, path, side
from evals.checkpoints.batch import Batch, encode, load, logits
from evals.checkpoints.questions import WORD, Question, held_out
from evals.checkpoints.tokenizer import stop_token

_BATCH = 60
_HEADINGS = ("questions", "right", "margin", "median", "< 0.5", "stops")


@dataclass(frozen=True)
class Answer:
    """`margin` is the log-probability of the token chosen less that of the second best, in nats;
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


def all_held_out(family: str, limit: int | None = None) -> list[Question]:
    """The multiple-choice questions and, of the same digits, those for a word."""
    small = side(family)
    return held_out(limit, side=small) + held_out(limit, side=small, kinds=(WORD,))


def summary(questions: Sequence[Question], given: Sequence[Answer]) -> dict[str, dict[str, float]]:
    """Per kind, per size of image and overall: count, share right and stopped, margins in nats."""
    small = min(question.images[0].width for question in questions)
    asked = dict.fromkeys(question.kind for question in questions)
    groups = {kind: [question.kind == kind for question in questions] for kind in asked}
    groups["small"] = [question.images[0].width == small for question in questions]
    groups["large"] = [not chosen for chosen in groups["small"]]
    groups["all"] = [True] * len(questions)
    return {
        name: _figures(list(compress(given, members)))
        for name, members in groups.items()
        if any(members)
    }


def _figures(given: Sequence[Answer]) -> dict[str, float]:
    margins = [answer.margin for answer in given]
    return {
        "questions": len(given),
        "accuracy": round(float(np.mean([answer.right for answer in given])), 4),
        "margin_mean": round(float(np.mean(margins)), 2),
        "margin_median": round(float(np.median(margins)), 2),
        "margin_below_0.5": round(float(np.mean(np.array(margins) < 0.5)), 4),
        "stops": round(float(np.mean([answer.stops for answer in given])), 4),
    }


def table(family: str, dtype: str, figures: dict[str, dict[str, float]]) -> Table:
    """The summary, to print."""
    result = Table("about", *_HEADINGS, title=f"{family}, held out, {dtype}")
    for name, row in figures.items():
        result.add_row(name, *map(str, row.values()))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure shipped checkpoints.")
    parser.add_argument("families", nargs="+", choices=FAMILIES, metavar="FAMILY")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--limit", type=int, help="ask only the first questions")
    parser.add_argument("--json", action="store_true", help="print JSON, not tables")
    options = parser.parse_args()
    results = {}
    for family in options.families:
        model, processor = load(path(family), getattr(torch, options.dtype))
        questions = all_held_out(family, options.limit)
        given = answers(model, processor, batches(family, processor, questions))
        results[family] = summary(questions, given)
    if options.json:
        print(json.dumps(results, indent=1))
        return
    for family, figures in results.items():
        Console().print(table(family, options.dtype, figures))


if __name__ == "__main__":
    main()
