"""The functions that compute rope positions: ours, and those of what is installed here.

They are methods of models and processors; what stands in for those holds the few attributes that
the methods read.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import distribution
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch

from benchmarks.mrope.prompts import GLM, QWEN, QWEN_END, Prompt
from engine_ext.installed import installed_version
from engine_ext.mrope import families, rope_index

Peer = tuple[str, Callable[[], Any]]
WRITE = "writing the result"
_installed = cache(installed_version)


def ours(prompt: Prompt) -> np.ndarray:
    """The positions (3, S)."""
    grids = prompt.images, prompt.videos, prompt.merge_size
    find = getattr(families, prompt.family)
    extra = (prompt.seconds, prompt.per_second) if prompt.family == "qwen2_5_vl" else ()
    return rope_index(len(prompt.ids), find(prompt.ids, prompt.tokens, *grids, *extra))[0]


def peers(prompt: Prompt) -> Iterator[Peer]:
    """Name and call of each, the call giving positions (3, S) or (3, 1, S)."""
    for found in (_sglang, _sglang_images, _vllm, _lmms_engine, _transformers):
        yield from found(prompt)


def config_of(prompt: Prompt) -> SimpleNamespace:
    """The configuration of either family, as all of them read it."""
    vision = SimpleNamespace(spatial_merge_size=prompt.merge_size)
    if prompt.family != "qwen2_vl":  # its videos count frames
        vision.tokens_per_second = prompt.per_second
    return SimpleNamespace(
        vision_config=vision,
        image_token_id=prompt.tokens.image,
        video_token_id=QWEN.video,
        vision_start_token_id=QWEN.vision_start,
        vision_end_token_id=QWEN_END,
        video_start_token_id=GLM.video_start,
        video_end_token_id=GLM.video_end,
    )


def _tensors(prompt: Prompt) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
    grids = (torch.from_numpy(g) if len(g) else None for g in (prompt.images, prompt.videos))
    return torch.from_numpy(prompt.ids)[None], *grids


def _sglang(prompt: Prompt) -> Iterator[Peer]:
    if not _installed("sglang"):
        return
    from sglang.srt.layers.rotary_embedding import MRotaryEmbedding

    name, (ids, images, videos) = f"SGLang {_installed('sglang')}", _tensors(prompt)
    if prompt.family == "glm4v":
        given = (ids, config_of(prompt), images, videos, None)
        yield name, lambda: MRotaryEmbedding.get_rope_index_glm4v(*given)[0]
        return
    counts_seconds = prompt.family == "qwen2_5_vl" and len(prompt.videos)
    named = {
        "spatial_merge_size": prompt.merge_size,
        "image_token_id": QWEN.image,
        "video_token_id": QWEN.video,
        "vision_start_token_id": QWEN.vision_start,
        "model_type": prompt.family,
        "tokens_per_second": prompt.per_second,
        "input_ids": ids,
        "image_grid_thw": images,
        "video_grid_thw": videos,
        "second_per_grid_ts": torch.from_numpy(prompt.seconds) if counts_seconds else None,
    }
    yield name, lambda: MRotaryEmbedding.get_rope_index(**named)[0]


def _sglang_images(prompt: Prompt) -> Iterator[Peer]:
    """Its shorter function for Qwen3-VL requests of images alone."""
    found = _installed("sglang")
    if not found or prompt.family != "qwen3_vl" or not len(prompt.images):
        return
    from sglang.srt.multimodal.processors import qwen_vl

    own = next((c for c in vars(qwen_vl).values() if hasattr(c, "_as_grid_batch")), None)
    if own is None:
        return
    processor = SimpleNamespace(
        model_type=prompt.family,
        _spatial_merge_size=prompt.merge_size,
        _as_grid_batch=own._as_grid_batch,
    )
    ids = torch.from_numpy(prompt.ids)
    items = [
        SimpleNamespace(
            is_image=lambda: True,
            offsets=[(start, start + count - 1)],
            model_specific_data={"image_grid_thw": torch.from_numpy(grid)[None]},
        )
        for start, count, grid in _placed(prompt, prompt.images)
    ]
    compute = own._compute_image_only_mrope_positions_from_offsets
    call = lambda: compute(processor, len(ids), items, ids.dtype, ids.device)[0]  # noqa: E731
    yield f"SGLang {found}, images alone", call


def _placed(prompt: Prompt, grids: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """First token, tokens and grid of each image or video, the frames of a video as one."""
    marks = prompt.ids == prompt.tokens.image
    if prompt.family != "glm4v":
        marks |= prompt.ids == QWEN.video
    starts = np.flatnonzero(marks & ~np.roll(marks, 1))
    ends = np.flatnonzero(marks & ~np.roll(marks, -1)) + 1
    apart = len(starts) // len(grids)  # spans of one video
    for number, grid in enumerate(grids):
        first, last = starts[number * apart], ends[(number + 1) * apart - 1]
        yield int(first), int(last - first), grid


def _vllm(prompt: Prompt) -> Iterator[Peer]:
    name = _installed("vllm")
    if not name:
        return
    from vllm.model_executor.models import glm4_1v, qwen2_5_vl, qwen2_vl, qwen3_vl

    own = {
        "qwen3_vl": qwen3_vl.Qwen3VLForConditionalGeneration,
        "qwen2_5_vl": qwen2_5_vl.Qwen2_5_VLForConditionalGeneration,
        "qwen2_vl": qwen2_vl.Qwen2VLForConditionalGeneration,
        "glm4v": glm4_1v.Glm4vForConditionalGeneration,
    }[prompt.family]
    model = object.__new__(own)  # a module without weights: only its configuration is read
    model.__dict__["config"] = config_of(prompt)
    kind, grids = ("video", prompt.videos) if len(prompt.videos) else ("image", prompt.images)
    features = [_feature(prompt, kind, *placed) for placed in _placed(prompt, grids)]
    ids = prompt.ids.tolist()
    yield f"vLLM {name}", lambda: model.get_mrope_input_positions(ids, features)[0]


def _feature(prompt: Prompt, kind: str, start: int, count: int, grid: np.ndarray) -> Any:
    inside = prompt.ids[start : start + count] == prompt.tokens.image
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(np.int8), [0]])))
    ranges = [(start + a, start + b - 1) for a, b in edges.reshape(-1, 2).tolist()]
    before = 6 + 1 if prompt.family == "qwen3_vl" and kind == "video" else 0  # a timestamp
    place = SimpleNamespace(
        offset=start - before, length=count + before, extract_embeds_range=lambda: ranges
    )
    data = {
        f"{kind}_grid_thw": SimpleNamespace(data=torch.from_numpy(grid)),
        "second_per_grid_ts": SimpleNamespace(data=torch.tensor(1.0)),
    }
    return SimpleNamespace(modality=kind, mm_position=place, data=data)


def _lmms_engine(prompt: Prompt) -> Iterator[Peer]:
    names = {"qwen3_vl": "qwen3_vl_get_rope_index", "qwen2_5_vl": "qwen2_5_vl_rope_index"}
    found = _installed("lmms_engine")
    if not found or prompt.family not in names:
        return
    compute = getattr(lmms_engine_rope(), names[prompt.family])
    model, given = SimpleNamespace(config=config_of(prompt)), _tensors(prompt)
    yield f"lmms-engine {found}", lambda: compute(model, *given)[0]


def lmms_engine_rope() -> ModuleType:
    """The one file of lmms-engine that computes positions: the package imports all of training.

    Raises:
        PackageNotFoundError: lmms-engine is not installed.
    """
    file = distribution("lmms-engine").locate_file("lmms_engine/models/common_ops/rope.py")
    spec = importlib.util.spec_from_file_location("lmms_engine_rope", str(file))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def transformers_model(prompt: Prompt) -> tuple[str, Any, Any] | None:
    """Name and version, the model of the family, and what stands in for one; None before 5."""
    found = _installed("transformers")
    if not found or int(found.split(".")[0]) < 5:
        return None
    from transformers import Glm4vModel, Qwen2_5_VLModel, Qwen2VLModel, Qwen3VLModel

    models = {"qwen3_vl": Qwen3VLModel, "qwen2_5_vl": Qwen2_5_VLModel, "qwen2_vl": Qwen2VLModel}
    own: Any = {**models, "glm4v": Glm4vModel}[prompt.family]
    model = SimpleNamespace(config=config_of(prompt))
    model.get_vision_position_ids = lambda *a, **k: own.get_vision_position_ids(model, *a, **k)
    return f"transformers {found}", own, model


def _transformers(prompt: Prompt) -> Iterator[Peer]:
    found = transformers_model(prompt)
    if found is None:
        return
    name, own, model = found
    ids, images, videos = _tensors(prompt)
    types = torch.zeros_like(ids)
    types[ids == prompt.tokens.image] = 2 if prompt.family == "glm4v" and videos is not None else 1
    types[ids == QWEN.video] = 2
    given: dict[str, Any] = {"image_grid_thw": images, "video_grid_thw": videos}
    if prompt.family == "qwen2_5_vl" and videos is not None:
        given["second_per_grid_ts"] = torch.from_numpy(prompt.seconds)
    compute = own.get_rope_index
    yield (
        name,
        lambda: compute(model, ids, mm_token_type_ids=types, attention_mask=None, **given)[0],
    )
