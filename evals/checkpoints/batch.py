"""Questions as batches for a transformers model, built by the family's own processor."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText, AutoProcessor, PreTrainedModel, ProcessorMixin

from evals.checkpoints.questions import FPS, Question


def stop_token(family: str) -> str:
    """The token that ends an answer."""
    return "<|user|>" if family == "glm4v" else "<|im_end|>"


@dataclass(frozen=True)
class Batch:
    """`inputs` for the model (prompt and right letter, padded on the right); for each of B
    questions the positions `(B, 2)` whose logits predict the letter and the stop token, and these
    two tokens, `targets` `(B, 2)`."""

    inputs: dict[str, Tensor]
    positions: Tensor
    targets: Tensor


def load(folder: Path, dtype: torch.dtype) -> tuple[PreTrainedModel, ProcessorMixin]:
    """Model and processor of a checkpoint, ready to answer."""
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype).eval()
    project_by_matmul(model)
    return model, AutoProcessor.from_pretrained(folder)


def patch_projection(model: nn.Module) -> nn.Conv3d:
    """The convolution of the patch embedding, the only 3-D one of the model."""
    (projection,) = (module for module in model.modules() if isinstance(module, nn.Conv3d))
    return projection


def project_by_matmul(model: nn.Module) -> None:
    """Lets the patch embedding run as a matrix product: the same weights, many times as fast on a
    CPU. A patch is as large as the kernel, so the two are one sum."""
    conv = patch_projection(model)

    def forward(patches: Tensor) -> Tensor:
        return F.linear(patches.flatten(1), conv.weight.flatten(1), conv.bias)

    conv.forward = forward


def prompt(processor: ProcessorMixin, question: Question) -> str:
    """The chat prompt, with one placeholder for the image or the clip."""
    media = {"type": "video" if question.is_video else "image"}
    content = [media, {"type": "text", "text": question.text}]
    return processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )


def encode(
    processor: ProcessorMixin,
    questions: Sequence[Question],
    stop: str,
    prompts: Sequence[str] | None = None,
    rates: Sequence[float] | None = None,
) -> Batch:
    """A batch of `questions`, all stills or all clips (transformers' GLM-4V takes no mixture).

    `stop` is the token that follows the letter; `prompts` replaces the
    chat prompts; `rates` are the clips' frames a second, which only move their timestamps."""
    tokenizer = processor.tokenizer
    tokenizer.padding_side = "right"
    prompts = prompts or [prompt(processor, question) for question in questions]
    if questions[0].is_video:
        clips = zip(questions, rates or [FPS] * len(questions), strict=True)
        media = {
            "videos": [frames(clip) for clip in questions],
            "video_metadata": [_metadata(clip, rate) for clip, rate in clips],
            "do_sample_frames": False,
        }
    else:
        media = {"images": [question.images for question in questions]}
    inputs = processor(
        text=[text + question.answer for text, question in zip(prompts, questions, strict=True)],
        padding=True,
        return_tensors="pt",
        **media,
    )
    lengths = inputs["attention_mask"].sum(1)
    tokens = [[question.answer, stop] for question in questions]
    return Batch(
        inputs=dict(inputs),
        positions=torch.stack([lengths - 2, lengths - 1], 1),
        targets=torch.tensor([tokenizer.convert_tokens_to_ids(pair) for pair in tokens]),
    )


def logits(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Logits of the letter and of the stop token, `(B, 2, vocabulary)`."""
    inputs = {
        name: value.to(model.dtype) if name.startswith("pixel_values") else value
        for name, value in batch.inputs.items()
    }
    hidden = model.model(**inputs, use_cache=False).last_hidden_state
    rows = torch.arange(len(hidden))[:, None]
    return model.lm_head(hidden[rows, batch.positions])


def frames(clip: Question) -> Tensor:
    """The clip's frames, `(T, 3, H, W)` uint8."""
    pixels = np.stack([np.asarray(frame) for frame in clip.images])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def _metadata(clip: Question, rate: float) -> dict:
    count = len(clip.images)
    return {
        "duration": count / rate,
        "fps": rate,
        "frames_indices": list(range(count)),
        "total_num_frames": count,
    }
