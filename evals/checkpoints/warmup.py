"""First stage of the training: the vision tower alone, under throw-away linear heads.

Without it the language model learns to guess digits before it can see them, and stays there.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm
from transformers import PreTrainedModel, ProcessorMixin

from evals.checkpoints.batch import frames
from evals.checkpoints.questions import COLORS, DIGITS, ask, large, split

_RATE = 3e-3
_SMALL, _LARGE = 48, 32  # images a step


def warm_up(
    model: PreTrainedModel, processor: ProcessorMixin, side: int, steps: int, seed: int
) -> None:
    """Trains the vision tower and its merger on digits and colours, every other step on large
    images. Heads read the digit from all merged tokens of an image (one head a size), the digit
    again and the colours of the two frames of a temporal patch from the tokens' mean."""
    rng = np.random.RandomState(seed + 1)
    width = model.config.get_text_config().hidden_size
    merged = side // 2  # pixels along a merged token
    heads = nn.ModuleDict(
        {
            str(pixels): nn.Linear((pixels // merged) ** 2 * width, len(DIGITS))
            for pixels in (side, large(side))
        }
    )
    heads["digit"] = nn.Linear(width, len(DIGITS))
    heads["colors"] = nn.Linear(width, 2 * len(COLORS))
    parameters = [*model.model.visual.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    bar = tqdm(range(steps), desc="vision warm-up", mininterval=5)
    for step in bar:
        pixels, count = (large(side), _LARGE) if step % 2 else (side, _SMALL)
        tokens, labels = _images(model, processor, rng, pixels, count)
        mean = tokens.mean(1)
        colors = heads["colors"](mean).unflatten(1, (2, len(COLORS)))
        loss = F.cross_entropy(heads[str(pixels)](tokens.flatten(1)), labels[:, 0])
        loss = loss + F.cross_entropy(heads["digit"](mean), labels[:, 0])
        loss = loss + F.cross_entropy(colors[:, 0], labels[:, 1])
        loss = loss + F.cross_entropy(colors[:, 1], labels[:, 2])
        # a language model expects tokens of about unit variance
        loss = loss + 1e-3 * (tokens.pow(2).mean() - 1).pow(2)
        decay = 0.1 + 0.45 * (1 + math.cos(math.pi * step / steps))
        optimizer.param_groups[0]["lr"] = _RATE * min(1, (step + 1) / 20) * decay
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        bar.set_postfix(side=pixels, loss=f"{loss.item():.3f}", refresh=False)


def _images(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    rng: np.random.RandomState,
    pixels: int,
    count: int,
) -> tuple[Tensor, Tensor]:
    """Merged tokens of `count` images, `(count, tokens, width)`, and their labels, `(count, 3)`:
    the digit and the colours of the first and the second frame.

    A third of the images are clips cut to one temporal patch; a still holds its frame twice.
    """
    names = list(COLORS)
    train = split()[0]
    questions, labels = [], []
    for number in range(count):
        index = int(rng.choice(train))
        question = ask(rng, "video" if number < count // 3 else "color", index, pixels, True)
        digit, *grounds = question.shown
        questions.append(question)
        labels.append([int(digit), names.index(grounds[0]), names.index(grounds[-1])])
    clips = processor.video_processor(
        [frames(question)[:2] for question in questions if question.is_video],
        do_sample_frames=False,
        return_tensors="pt",
    )
    stills = processor.image_processor(
        [question.images[0] for question in questions if not question.is_video],
        return_tensors="pt",
    )
    features = model.model.get_image_features(
        torch.cat([clips["pixel_values_videos"], stills["pixel_values"]]),
        torch.cat([clips["video_grid_thw"], stills["image_grid_thw"]]),
    )
    features = getattr(features, "pooler_output", features)
    return torch.stack(list(features)), torch.tensor(labels)
