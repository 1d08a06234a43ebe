"""What a process of SGLang that makes requests ready sends as pixels, and what it says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sglang
import torch
from torch import Tensor

from engine_ext import status
from engine_ext.features import is_named, is_untried
from engine_ext.pixels import (
    STEPS,
    NotByValue,
    PixelValues,
    compact_image,
    compact_video,
    processors,
    restore,
)
from engine_ext.sglang.features import features
from engine_ext.sglang.log import logger
from engine_ext.sglang.restoring import ROW_WIDTH, VALUES

ROWS = {"image": "pixel_values", "video": "pixel_values_videos"}


@dataclass(frozen=True)
class Sent:
    """How a processor of transformers gives pixels, and what a model needs to restore its rows.

    Args:
        settings: of a call.
        frames: as often is an image written then; None for videos.
        values: of the processor, packed.
        row_width: of the processor.
        cut: P of its patches, and how many are on a side of what becomes one token.
        are_decoded: whether images are sent as they were decoded, where they can.
    """

    settings: Mapping[str, Any]
    frames: int | None
    values: Tensor
    row_width: int
    cut: tuple[int, int]
    are_decoded: bool

    @classmethod
    def of(cls, processor: Any, kind: str, config: Mapping[str, Any]) -> Sent:
        """By an image or video processor of transformers.

        Args:
            config: what the launch sets of it (``--mm-process-config``).

        Raises:
            NotByValue: it cannot be restored what it does.
        """
        is_image = kind == "image"
        processors.expect_known(processor, processors.IMAGES if is_image else processors.VIDEOS)
        if asked := sorted(config.keys() & set(processors.SETTINGS)):
            raise NotByValue(f"the launch sets {', '.join(asked)}")
        found = cls(
            processors.asked_for_pixels(processor) if is_image else STEPS,
            processors.frames_written(processor) if is_image else None,
            PixelValues.of(processor).packed(),
            processors.row_width(processor),
            (processor.patch_size, processor.merge_size),
            is_image and "resize" in features(),
        )
        if is_untried("sglang", sglang.__version__, "pixels"):
            found._expect_exact(processor)
        return found

    def _expect_exact(self, processor: Any) -> None:
        rows, asked = processors.rows_by_both_ways(processor, self.settings)
        pixels, values = self.compact(asked), PixelValues.unpacked(self.values)
        if pixels is None or not torch.equal(restore(pixels, values, self.row_width), rows):
            raise NotByValue(
                "this SGLang has not been tried, and rows are not restored bit for bit"
            )

    def compact(self, rows: Any) -> Tensor | None:
        """What was given with ``settings``, (N, C, values) uint8; None where it is no pixels."""
        if self.frames is None:
            return compact_video(rows, processors.CHANNELS)
        return compact_image(rows, processors.CHANNELS, self.frames)

    def artifact(self, stock: Any, pixels: Tensor, **beside: Any) -> Any:
        """An artifact of SGLang's with these pixels, which says how they are restored."""
        said = {**stock.model_specific_data, **self.beside, **beside}
        return replace(stock, feature=pixels, model_specific_data=said)

    @property
    def beside(self) -> dict[str, Any]:
        """What an item says beside its rows."""
        return {VALUES: self.values, ROW_WIDTH: self.row_width}


def sent_by(processor: Any) -> dict[str, Sent]:
    """By kind; without those that are sent as before."""
    found: dict[str, Sent] = {}
    as_before: dict[str, str] = {}
    reason = _why_none(processor)
    for kind in ROWS:
        try:
            if reason:
                raise NotByValue(reason)
            one = getattr(processor._processor, f"{kind}_processor")
            config = getattr(processor, f"{kind}_config", None) or {}
            found[kind] = _as_it_can(Sent.of(one, kind, config), processor)
        except NotByValue as error:
            as_before[kind] = str(error)
        except Exception as error:
            logger.exception("engine_ext: of %ss it could not be seen what is sent", kind)
            as_before[kind] = repr(error)
    say_what_is_sent(processor.server_args, tuple(found), as_before)
    return found


def _as_it_can(sent: Sent, processor: Any) -> Sent:
    """Without images as they were decoded where SGLang's processor resizes them on a GPU: its bytes
    are others than those of a CPU."""
    of = getattr(processor, "_fast_image_processor_device", lambda _: None)
    if not sent.are_decoded or (device := of(processor._processor)) in (None, "cpu"):
        return sent
    logger.info("engine_ext: resize does not act: SGLang resizes images on %s", device)
    return replace(sent, are_decoded=False)


def say_what_is_sent(server_args: Any, kinds: Sequence[str], as_before: Mapping[str, str]) -> None:
    """By this process, to the log and to the status file.

    Args:
        kinds: those that are sent as pixels.
        as_before: why each other is not.
    """
    how = {"image": "images are sent as uint8, one frame of each"}
    if_not = "; a node without the extension refuses them" if _nodes(server_args) > 1 else ""
    for kind in kinds:
        logger.info("engine_ext: %s%s", how.get(kind, f"{kind}s are sent as uint8"), if_not)
    for kind, reason in as_before.items():
        logger.info("engine_ext: %ss are sent as before: %s", kind, reason)
    line = {
        "engine": "sglang",
        "engine_version": sglang.__version__,
        "features": features(),
        "sends": kinds,
        "as_before": as_before,
        "expects": _expected(server_args),
    }
    status.record(status.SENDER, line, logger)


def _expected(launch: Any) -> dict[str, int]:
    """Processes of this node that hold a model, and that make requests ready."""
    sizes = {"tp_size": 1, "pp_size": 1, "dp_size": 1, "nnodes": 1, "tokenizer_worker_num": 1}
    tp, pp, dp, nodes, workers = (getattr(launch, n, None) or d for n, d in sizes.items())
    if getattr(launch, "enable_dp_attention", False):
        dp = 1  # within the ranks of tensor parallelism
    return {"models": tp * pp * dp // nodes, "senders": workers}


def _nodes(launch: Any) -> int:
    return getattr(launch, "nnodes", None) or 1


def _why_none(processor: Any) -> str:
    """Why nothing is sent as pixels by this process, or nothing."""
    from sglang.srt.utils import cpu_has_amx_support, is_cpu

    if is_cpu() and cpu_has_amx_support():
        return "SGLang processes images by itself on a CPU with AMX"
    if any(
        getattr(processor, name, False) for name in ("use_cuda_ipc", "keep_mm_features_on_device")
    ):
        return "they stay on the GPU (--mm-feature-transport)"
    launch = processor.server_args
    if getattr(launch, "use_ray", False):
        return "Ray's actors load no plugins (--use-ray)"
    if _nodes(launch) > 1 and not is_named("pixels"):
        return "another node may be without the extension (--nnodes); ENGINE_EXT can name pixels"
    return ""
