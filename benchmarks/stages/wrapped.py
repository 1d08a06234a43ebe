"""What is timed in each engine (SGLang 0.5.23, vLLM 0.32.0), as its modules are imported."""

from __future__ import annotations

import functools
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from benchmarks.stages import (
    DECODE,
    GATHER,
    HASH,
    LANGUAGE,
    NORMALISE,
    POSITIONS,
    PROCESS,
    PROJECT,
    RECEIVE,
    SEND,
    STUBBED,
    TOWER,
)
from benchmarks.stages.clock import Sent, timed
from benchmarks.stages.steps import marked, unattended


@dataclass(frozen=True)
class Point:
    """A function or method by its dotted name in a module, and the stage that it belongs to."""

    name: str
    stage: str
    sent: Sent | None = None


@dataclass(frozen=True)
class Changed:
    """One that belongs to no stage, and what is made of it."""

    name: str
    change: Callable[[Callable[..., Any]], Callable[..., Any]]


def _of_tensor(_: Any, tensor: Any, *__: Any, **___: Any) -> tuple[int, int]:
    """Rows of patches are of two dimensions, or three; an image, which has three values a pixel
    and no patches yet, is not counted; what else is sent is small."""
    are_rows = tensor.dim() > 1 and tensor.shape[-1] > 3 and tensor.nbytes > 1e4
    return (tensor.nbytes, len(tensor)) if are_rows else (0, 0)


def _family(tower: str, block: str, model: str, *gathers: str) -> list[Point | Changed]:
    return [
        Point(f"{tower}.forward", TOWER),
        Point(f"{block}.forward", TOWER),
        Point(f"{model}.forward", LANGUAGE),
        *(Point(f"{model}.{name}", GATHER) for name in gathers),
    ]


_SGLANG, _VLLM = "sglang.srt", "vllm.model_executor.models"
_GATHERS = ("get_image_feature", "get_video_feature")
POINTS: dict[str, list[Point | Changed]] = {
    "PIL.ImageFile": [Point("ImageFile.load", DECODE)],
    "PIL.Image": [Point("Image.convert", DECODE)],
    "transformers.image_processing_utils": [Point("BaseImageProcessor.__call__", PROCESS)],
    "transformers.video_processing_utils": [Point("BaseVideoProcessor.__call__", PROCESS)],
    f"{_SGLANG}.utils.video_decoder": [Point("VideoDecoderWrapper.get_frames_as_tensor", DECODE)],
    f"{_SGLANG}.multimodal.media_artifacts.base": [Point("snapshot_media", HASH)],
    f"{_SGLANG}.managers.mm_utils": [
        Point("tensor_hash", HASH),
        Point("ShmPointerMMData.__init__", SEND, _of_tensor),
        Point("ShmPointerMMData.materialize", RECEIVE),
    ],
    f"{_SGLANG}.managers.scheduler_components.batch_result_processor": [
        Changed("SchedulerBatchResultProcessor.process_batch_result_decode", marked)
    ],
    f"{_SGLANG}.layers.attention.torch_native_backend": [
        Changed("TorchNativeAttnBackend._run_sdpa_forward_extend", unattended)
    ],
    f"{_SGLANG}.models.qwen2_5_vl": _family(
        "Qwen2_5_VisionTransformer",
        "Qwen2_5_VisionBlock",
        "Qwen2_5_VLForConditionalGeneration",
        *_GATHERS,
    ),
    f"{_SGLANG}.models.qwen3_vl": _family(
        "Qwen3VLMoeVisionModel",
        "Qwen3_VisionBlock",
        "Qwen3VLForConditionalGeneration",
        *_GATHERS,
    ),
    f"{_SGLANG}.layers.rotary_embedding.mrope": [
        Point("MRotaryEmbedding.get_rope_index", POSITIONS),
        Point("MRotaryEmbedding.get_rope_index_glm4v", POSITIONS),
    ],
    "engine_ext.sglang.positions": [Point("Proving.__call__", POSITIONS)],
    "engine_ext.sglang.sent": [Point("Sent.compact", PROCESS)],
    "engine_ext.pixels.decoded": [Point("without_pixels", PROCESS), Point("pixels_of", PROCESS)],
    "engine_ext.pixels.identity": [Point("identity", HASH)],
    "engine_ext.sglang.restoring": [Point("restored", GATHER)],
    "engine_ext.vllm.patch": [Point("Patch.first_frame", PROCESS), Point("Patch.rows", GATHER)],
    "vllm.multimodal.hasher": [Point("MultiModalHasher.hash_kwargs", HASH)],
    "vllm.v1.serial_utils": [
        Point("MsgpackEncoder.encode", SEND),
        Point("MsgpackEncoder._encode_tensor", SEND, _of_tensor),
        Point("MsgpackDecoder.decode", RECEIVE),
    ],
    "vllm.v1.worker.gpu_model_runner": [Point("GPUModelRunner._execute_mm_encoder", GATHER)],
    "vllm.model_executor.layers.fusion.mm_input_norm": [
        Point("FusedMMInputNorm.forward_native", NORMALISE)
    ],
    f"{_VLLM}.qwen2_5_vl": _family(
        "Qwen2_5_VisionTransformer", "Qwen2_5_VisionBlock", "Qwen2_5_VLForConditionalGeneration"
    ),
    f"{_VLLM}.qwen3_vl": _family(
        "Qwen3_VisionTransformer", "Qwen3_VisionBlock", "Qwen3VLForConditionalGeneration"
    ),
}


def install() -> None:
    """Wrap what is imported from now on."""
    sys.meta_path.insert(0, _AfterImport(dict(POINTS)))


class _AfterImport(MetaPathFinder):
    """Lets others find a module, and wraps functions of it once it has been imported."""

    def __init__(self, waiting: dict[str, list[Point | Changed]]) -> None:
        self.waiting = waiting

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        points = self.waiting.pop(fullname, None)
        spec = importlib.util.find_spec(fullname) if points else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_wrap(module: ModuleType) -> None:
            execute(module)
            for point in points or ():
                _wrap(module, point)

        spec.loader.exec_module = execute_and_wrap  # type: ignore[method-assign]
        return spec


def _wrap(module: ModuleType, point: Point | Changed) -> None:
    *owners, name = point.name.split(".")
    owner = functools.reduce(getattr, owners, module)
    stock = inspect.getattr_static(owner, name)
    call = getattr(owner, name)
    if isinstance(point, Changed):
        setattr(owner, name, point.change(call))
        return
    if "VisionBlock" in point.name and os.environ.get(STUBBED) == "1":
        call = _returns_what_it_gets
    elif point.stage == TOWER:
        call = _with_timed_projection(call)
    made: Any = timed(call, point.stage, point.sent)
    setattr(
        owner, name, staticmethod(made) if isinstance(stock, classmethod | staticmethod) else made
    )


def _returns_what_it_gets(_: Any, x: Any, *__: Any, **___: Any) -> Any:
    return x


def _with_timed_projection(tower: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(tower)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        module = getattr(self, "patch_embed", None)
        if module is not None and not hasattr(module.forward, "__wrapped__"):
            module.forward = timed(module.forward, PROJECT)
        return tower(self, *args, **kwargs)

    return call
