"""Which architectures of an installed vLLM hold a 3-D convolution, derived from its sources."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine_ext.vllm.architectures import ARCHITECTURES, LEFT_STOCK
from tests.engines.source_scan import SourceScan

MODEL_FOLDERS = ("model_executor/models", "models")
TEXT_ONLY_BACKENDS = frozenset(
    {
        "TransformersForCausalLM",
        "TransformersForMTP",
        "TransformersForSequenceClassification",
        "TransformersEmbeddingModel",
        "TransformersMoEForCausalLM",
        "TransformersMoEForMTP",
        "TransformersMoEForSequenceClassification",
        "TransformersMoEEmbeddingModel",
    }
)
"""Classes of the transformers backend that hold no vision tower, under whatever architecture."""


def architectures_with_conv3d(
    registry: Mapping[str, tuple[str, str]], package_root: Path
) -> list[str]:
    """The architectures whose class can build a 3-D convolution.

    Args:
        registry: architecture to (module, class), as vLLM's ``_VLLM_MODELS`` has it.
        package_root: folder of the ``vllm`` package; nothing is imported from it.
    """
    scan = SourceScan(package_root, "vllm", MODEL_FOLDERS)
    return sorted(
        architecture
        for architecture, (module, class_name) in registry.items()
        if class_name not in TEXT_ONLY_BACKENDS
        and scan.reaches_conv3d(_full_name(module), class_name)
    )


def missing_overrides(registry: Mapping[str, tuple[str, str]], package_root: Path) -> list[str]:
    """Architectures with a 3-D convolution that have neither an override nor a stated reason."""
    known = ARCHITECTURES | LEFT_STOCK.keys()
    return [a for a in architectures_with_conv3d(registry, package_root) if a not in known]


def _full_name(module: str) -> str:
    return module if module.startswith("vllm.") else f"vllm.model_executor.models.{module}"
