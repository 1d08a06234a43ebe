"""Decoded images resized on the device, by each way there is, beside the processor's on a CPU.

    python -m benchmarks.gpu.resize

What the feature `resize` does where the model is. The ways by whole numbers must give the bytes
that torch gives on a CPU, which is looked at first; torch's own function on a GPU computes in
floats and gives others, as many as the column `difference` says. The floor is what reading the
image and writing the result once takes on the device. Runs on a GPU if there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec

import torch
from rich.progress import track
from torch import Tensor

from benchmarks import device as devices
from benchmarks.command import parser, recording
from benchmarks.record import compared
from benchmarks.timing import interleaved
from engine_ext.pixels.resize.resized import on_cpu, resized_by

WHAT = "resize"
CPU, FLOATS = "torch, on the CPU", "torch, floats on the device"
TRITON, WHOLE = "engine_ext, Triton", "engine_ext, torch"
WAYS = {TRITON: "triton", WHOLE: "torch"}
Size = tuple[int, int]
CASES: dict[str, tuple[Size, Size]] = {
    "1920x1080": ((1080, 1920), (1092, 1932)),
    "3840x2160": ((2160, 3840), (2156, 3836)),
    "3840x2160 to 1932x1092": ((2160, 3840), (1092, 1932)),
}
"""(height, width) of the image and of what Qwen2.5-VL's processor makes of it (P = 14), the last
where its most pixels are a quarter of those."""


class Differs(ArithmeticError):
    """A way by whole numbers gives other bytes than torch on a CPU."""


def main() -> None:
    options = parser(__doc__, seconds=1, devices=("cuda", "cpu")).parse_args()
    device = options.device
    limits = devices.limits(device, torch.bfloat16)
    with recording(WHAT, options.results) as rows, torch.inference_mode():
        for shape, (size, made) in track(CASES.items(), WHAT, transient=True):
            image = torch.randint(256, (*size, 3), dtype=torch.uint8)
            calls, differences = ways(image, made, device)
            rows += compared(
                interleaved(calls, options.seconds, rounds=5),
                CPU,
                what=WHAT,
                shape=shape,
                dtype="uint8",
                device=device,
                engine="",
                difference=differences,
                floor=limits.floor(0, image.nbytes + made[0] * made[1] * 3),
            )


def ways(
    image: Tensor, made: Size, device: str
) -> tuple[dict[str, Callable[[], Tensor]], dict[str, float]]:
    """What each is called by, and the share of bytes that it gives otherwise than a CPU.

    Raises:
        Differs: one that must not.
    """
    there = image.to(device)
    calls: dict[str, Callable[[], Tensor]] = {CPU: partial(on_cpu, image, *made)}
    if device == "cuda":
        calls[FLOATS] = partial(by_floats, there, *made)
    for name, way in WAYS.items():
        if way == "torch" or (device == "cuda" and find_spec(way)):
            rows = import_module(f"engine_ext.pixels.resize.by_{way}").resize_rows
            calls[name] = partial(resized_by, rows, there, *made)
    expected = calls[CPU]()
    found = {name: float((call().cpu() != expected).float().mean()) for name, call in calls.items()}
    for name in WAYS:
        if found.get(name):
            raise Differs(f"{name}: {found[name]:.2%} of the bytes are not torch's on a CPU")
    return calls, found


def by_floats(image: Tensor, height: int, width: int) -> Tensor:
    """As image processors of transformers resize on a GPU, by torchvision: rounded, then cut."""
    floats = image.permute(2, 0, 1)[None].float()
    size = (height, width)
    made = torch.nn.functional.interpolate(floats, size, mode="bicubic", antialias=True)
    return made.round_().clamp_(0, 255).to(torch.uint8)[0].permute(1, 2, 0)


if __name__ == "__main__":
    main()
