"""Which architectures of an installed SGLang hold a 3-D convolution, derived from its sources."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine_ext.sglang.architectures import ARCHITECTURES, LEFT_STOCK
from tests.engines.source_scan import SourceScan

_BACKEND = "sglang.srt.models.transformers"


def architectures_with_conv3d(
    registry: Mapping[str, tuple[str, str]], package_root: Path
) -> list[str]:
    """The architectures whose class can build a 3-D convolution.

    The multimodal classes of the transformers backend can: they build whatever the model's own
    code builds.

    Args:
        registry: architecture to (module, class) of SGLang's own classes.
        package_root: folder of the ``sglang`` package; nothing is imported from it.
    """
    scan = SourceScan(package_root / "srt", "sglang.srt", ["models"])
    return sorted(
        architecture
        for architecture, (module, class_name) in registry.items()
        if (module == _BACKEND and "MultiModal" in class_name)
        or scan.reaches_conv3d(module, class_name)
    )


def missing_overrides(registry: Mapping[str, tuple[str, str]], package_root: Path) -> list[str]:
    """Architectures with a 3-D convolution that have neither an override nor a stated reason."""
    known = ARCHITECTURES | LEFT_STOCK.keys()
    return [a for a in architectures_with_conv3d(registry, package_root) if a not in known]
