"""Train a tiny checkpoint from nothing, on one CPU thread, in a few minutes.

    python -m evals.checkpoints.train FAMILY... [--out DIR] [--seed N] [--steps N]

Of the shipped folder, configuration, processors and tokenizer are taken as they are. Writes the
weights, `report.json` and `SHA256SUMS`, there or to a copy, `DIR/FAMILY`.
"""

import argparse
import math
import shutil
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    PreTrainedModel,
    ProcessorMixin,
)

from evals.checkpoints import FAMILIES, path, side
from evals.checkpoints.batch import (
    encode,
    logits,
    patch_projection,
    project_by_matmul,
    prompt,
    stop_token,
)
from evals.checkpoints.questions import WORD, Question, ask, large, split
from evals.checkpoints.ship import TRAINED, save_weights, write_report, write_sums
from evals.checkpoints.warmup import warm_up

WARM_UP_STEPS = 900
STEPS = 700
_RATE = 2e-3
_BIAS = 6.0  # standard deviation; that of the projected patches is about 8
_STOP_WEIGHT = 0.2  # the stop token is learnt at once; the letter is the lesson
_SMALL = {"digit": 24, WORD: 6, "color": 5, "video": 9}  # questions a step
_LARGE = {"digit": 18, WORD: 4, "color": 2, "video": 4}
_ENLARGED = 6  # SGLang enlarges the frames of a clip to 100352 px unless told otherwise
_RATES = (1.0, 2.0, 24.0)  # frames a second: engines disagree about a clip's timestamps


def build(folder: Path, seed: int) -> PreTrainedModel:
    """A new model for the configuration in `folder`, in float32."""
    torch.manual_seed(seed)
    config = AutoConfig.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_config(config, dtype=torch.float32)
    for parameter in model.parameters():
        if parameter.dim() >= 2:
            parameter.data *= 3  # the hub's 0.02 suits wide models; narrow ones stall with it
    bias = patch_projection(model).bias
    if bias is not None:  # comparable to what it is added to, or dropping it would go unnoticed
        nn.init.normal_(bias, 0, _BIAS)
    project_by_matmul(model)
    return model


def train(
    model: PreTrainedModel, processor: ProcessorMixin, family: str, steps: int, seed: int
) -> None:
    """Trains the whole model on the letter and the stop token, every other step on large images,
    and now and then on a clip as large as SGLang makes it."""
    rng = np.random.RandomState(seed)
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}],
        lr=_RATE,
        betas=(0.9, 0.98),
    )
    model.train()
    smooth, small = None, side(family)
    bar = tqdm(range(steps), desc=family, mininterval=5)
    for step in bar:
        decay = 0.02 + 0.49 * (1 + math.cos(math.pi * step / steps))
        rate = _RATE * min(1, (step + 1) / 30) * decay
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        counts, pixels = (_LARGE, large(small)) if step % 2 else (_SMALL, small)
        questions = _draw(rng, counts, pixels)
        if step % 4 == 3:
            questions += _draw(rng, {"video": 1}, small * _ENLARGED)
        loss = _backward(model, processor, family, questions, rng)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        smooth = loss if smooth is None else 0.95 * smooth + 0.05 * loss
        bar.set_postfix(loss=f"{smooth:.3f}", refresh=False)
    model.eval()


def _draw(rng: np.random.RandomState, counts: dict[str, int], pixels: int) -> list[Question]:
    train_digits = split()[0]
    return [
        ask(rng, kind, int(rng.choice(train_digits)), pixels, augment=True)
        for kind, count in counts.items()
        for _ in range(count)
    ]


def _backward(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    family: str,
    questions: list[Question],
    rng: np.random.RandomState,
) -> float:
    """Adds the gradients of the mean loss over `questions`, stills and clips apart; the loss."""
    total = 0.0
    for is_video in (False, True):
        part = [question for question in questions if question.is_video == is_video]
        prompts = [prompt(processor, question) for question in part]
        if is_video and family == "qwen3_vl":
            prompts = [_bare(text) if rng.rand() < 0.5 else text for text in prompts]
        rates = [float(rate) for rate in rng.choice(_RATES, len(part))]
        batch = encode(processor, part, stop_token(family), prompts, rates)
        scores = logits(model, batch)
        loss = F.cross_entropy(scores[:, 0], batch.targets[:, 0])
        loss = loss + _STOP_WEIGHT * F.cross_entropy(scores[:, 1], batch.targets[:, 1])
        loss = loss * len(part) / len(questions)
        loss.backward()
        total += loss.item()
    return total


def _bare(text: str) -> str:
    """A Qwen3-VL prompt whose clip has no outer pair of vision tokens.

    transformers keeps that pair around a clip's frames since 5.10; older releases and some engines
    replace it. The checkpoint must answer both ways.
    """
    return text.replace("<|vision_start|><|video_pad|><|vision_end|>", "<|video_pad|>")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train tiny checkpoints.")
    parser.add_argument("families", nargs="+", choices=FAMILIES, metavar="FAMILY")
    parser.add_argument("--out", type=Path, help="folder of the checkpoints' folders")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    torch.set_num_threads(1)  # the sums, and so the weights, depend on it
    for family in options.families:
        folder = path(family)
        if options.out:
            kept = shutil.ignore_patterns(*TRAINED)
            folder = shutil.copytree(folder, options.out / family, ignore=kept, dirs_exist_ok=True)
        model, processor = build(folder, options.seed), AutoProcessor.from_pretrained(folder)
        start = time.perf_counter()
        warm_up(model, processor, side(family), WARM_UP_STEPS, options.seed)
        train(model, processor, family, options.steps, options.seed)
        seconds = time.perf_counter() - start
        save_weights(model, family, folder)
        training = {
            "seed": options.seed,
            "steps": options.steps,
            "warm_up_steps": WARM_UP_STEPS,
            "seconds": round(seconds),
        }
        write_report(family, folder, training)
        write_sums(folder)


if __name__ == "__main__":
    main()
