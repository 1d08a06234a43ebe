"""What a patch projection costs on this device, as a convolution and as the product in its place,
and what the tower around it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from engine_ext.doctor.checkpoint import Projection

LONGEST = 1.0  # seconds that one call may take; fewer patches are measured where it would be more
DTYPE = "bfloat16"
MOST_PARAMETERS, MOST_BLOCKS = 10**9, 128
"""Of a tower, above which none is built."""


class NotKnown(Exception):
    """What cannot be timed here; the message says why."""


def measure(projection: Projection) -> dict[str, Any]:
    """Time both on a GPU if there is one, on the CPU otherwise. Takes seconds.

    Returns:
        ``projection``, ``device``, ``dtype``, ``path`` (what torch computes the convolution by),
        ``patches`` (of an image), ``measured`` (patches that were timed), ``conv_ms`` and
        ``product_ms`` (of an image, in proportion to the patches that were timed), ``ratio``.
    """
    import torch
    from torch import nn

    from engine_ext.patch_embed import PatchConv3d

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = getattr(torch, DTYPE)
    kernel = projection.patch[1:]
    conv = nn.Conv3d(projection.channels, projection.width, kernel, stride=kernel)
    conv = conv.to(device, dtype).requires_grad_(False)
    product = PatchConv3d.sharing(conv)
    count = 64
    with torch.inference_mode():
        while True:
            cut = torch.randn(count, *projection.patch, device=device, dtype=dtype)
            by_conv = milliseconds(lambda cut=cut: conv(cut))  # type: ignore[misc]
            following = min(8 * count, projection.patches)
            if following == count or by_conv * following / count > 1e3 * LONGEST:
                break
            count = following
        by_product = milliseconds(lambda: product(cut))
        path = _path(cut, conv)
    scale = projection.patches / count
    return {
        "projection": asdict(projection),
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU",
        "dtype": DTYPE,
        "path": path,
        "patches": projection.patches,
        "measured": count,
        "conv_ms": by_conv * scale,
        "product_ms": by_product * scale,
        "ratio": by_conv / by_product,
    }


def measure_tower(folder: Path, processor: Any, picture: Any, patches: int) -> dict[str, Any]:
    """Time transformers' tower of a model, of products, with weights of zero.

    On as much of the picture as takes seconds, the rest in proportion: attention takes more.

    Args:
        patches: of the whole picture.

    Raises:
        NotKnown: transformers has none for the configuration, or a larger one than is built here.
    """
    import torch
    from transformers import AutoConfig, PreTrainedModel

    from engine_ext.patch_embed import linearize

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    vision = config.vision_config
    module = type(vision).__module__.replace(".configuration_", ".modeling_")
    for kind in vars(import_module(module)).values():
        is_model = isinstance(kind, type) and issubclass(kind, PreTrainedModel)
        if is_model and kind.config_class is type(vision):
            break
    else:
        raise NotKnown(f"transformers has no tower for a {type(vision).__name__}")
    blocks = max(getattr(vision, name, 0) for name in ("depth", "num_hidden_layers"))
    if blocks > MOST_BLOCKS:
        raise NotKnown(f"it has {blocks} blocks, expected at most {MOST_BLOCKS}")
    with torch.device("meta"):
        tower = kind(vision)
    if (size := sum(one.numel() for one in tower.parameters())) > MOST_PARAMETERS:
        raise NotKnown(f"it has {size} parameters, expected at most {MOST_PARAMETERS}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tower = tower.to(getattr(torch, DTYPE)).to_empty(device=device).eval()
    for one in (*tower.parameters(), *tower.buffers()):
        one.data.zero_()
    linearize(tower, check=False)
    for part in (8, 3, 1):
        cut = picture.resize((picture.width // part, picture.height // part))
        made = processor(images=[cut], return_tensors="pt")
        rows = made["pixel_values"].to(device, getattr(torch, DTYPE))
        grid = made["image_grid_thw"].to(device)
        with torch.inference_mode():
            took = milliseconds(lambda rows=rows, grid=grid: tower(rows, grid_thw=grid))  # type: ignore[misc]
        if took > 100 * LONGEST:  # the next may take ten times as long
            break
    return {"ms": took * patches / len(rows), "patches": patches, "measured": len(rows)}


def advice(found: Mapping[str, Any], rest: float | None = None, before: float = 0) -> str:
    """One line: what an engine that convolves gains here, in a tower and in a request.

    Args:
        found: of `measure`.
        rest: milliseconds of an image in a tower of products; None where that is not known.
        before: milliseconds of an image before the tower.
    """
    saved = found["conv_ms"] - found["product_ms"]
    if found["ratio"] < 1.1:
        return "a convolution costs no more than a product here: nothing to gain in speed"
    size = "much" if found["ratio"] >= 20 else "something"
    worth = "--model says what part of a tower and of a request that is"
    if rest is not None:
        tower = rest + saved
        size = "little" if saved < 0.05 * tower else size
        worth = f"of {rounded(tower)} ms in the tower, {rounded(before + tower)} ms of a request"
    return (
        f"{size} to gain where the engine convolves (`stock runs` says whether yours does):"
        f" {rounded(saved)} ms an image, {worth}"
    )


def rounded(number: float) -> str:
    """To one figure: a look of a second knows no more."""
    return f"{float(f'{number:.1g}'):,.10g}"


def milliseconds(call: Callable[[], object]) -> float:
    """Of a call, on average of a tenth of a second."""
    import torch
    from torch.utils.benchmark import Timer

    timer = Timer("call()", globals={"call": call}, num_threads=torch.get_num_threads())
    once = timer.timeit(1).median  # the first call compiles kernels and allocates
    number = 1 if once > LONGEST else max(3, min(1000, int(0.1 / once)))
    return 1e3 * float(timer.timeit(number).median)


def _path(cut: Any, conv: Any) -> str:
    """What torch chooses for this convolution, by its own selection."""
    import torch

    select = getattr(torch._C, "_select_conv_backend", None)  # private, torch 1.12 to 2.14
    if select is None:
        return "not known for this torch"
    arguments = (cut, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation)
    name = str(select(*arguments, False, conv.padding, conv.groups)).rpartition(".")[2]
    return f"{name} (the slow generic path)" if name.startswith("Slow") else name
