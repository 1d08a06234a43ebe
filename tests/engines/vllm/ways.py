"""Ways to launch an engine for text and to change its weights, and which of them this vLLM has."""

from __future__ import annotations

from importlib.util import find_spec

from tests.engines.limits import VERSION

HAS_LAYER = find_spec("vllm.model_executor.layers.conv") is not None
"""vLLM's own layer, which multiplies on a CPU; vLLM 0.11 has ``nn.Conv3d``."""
IMAGES = 12
"""As many to pass over for answers that no cache holds, once for each change of an engine."""
UPDATES = {
    "reload_weights from disk": VERSION > (0, 11, 0),  # which reloads what it has loaded
    "reload_weights from tensors": VERSION > (0, 11, 0),
    "load_weights of the patch embedding": True,
    "load_weights, one tensor a call": True,
    "load_weights, 200 calls": True,
    "load_weights in buckets": True,
    "load_weights in buckets after the weights were discarded": True,
    "sparse patches": find_spec("vllm.model_executor.model_loader.checkpoint_weight_patch")
    is not None,
    "param.data.copy_": True,
    "layerwise reload, one tensor a call": find_spec("vllm.model_executor.model_loader.reload")
    is not None,
}
"""The ways to put other weights into a running engine, and whether this vLLM has them on a CPU."""
WITHOUT_DATA = (
    "load_weights of meta tensors",
    "load_weights of fake tensors",
    "load_weights of tensors of no elements",
)
"""Those that stock refuses, as they bring no values."""
SKIPPED = {by: IMAGES * count for count, by in enumerate((*UPDATES, *WITHOUT_DATA), start=5)}
"""Images to pass over for answers after each: none that the engine was asked before."""
TEXT = {
    "no images and no videos": {"limit_mm_per_prompt": {"image": 0, "video": 0}},
    "no images": {"limit_mm_per_prompt": {"image": 0, "video": 1}},
    "no videos": {"limit_mm_per_prompt": {"image": 1, "video": 0}},
    "language model only": {"language_model_only": True},
}
"""Launches for text."""
WITHOUT_TOWER = ("no images and no videos", "language model only")
"""Those that build none."""
