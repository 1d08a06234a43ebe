"""Rope positions inside a real SGLang server: what the tokenizer's process spends on a request.

    python -m benchmarks.mrope_server

Two servers by turns, the feature `mrope` off and on, asked the same videos or images. What is timed
is SGLang's own function, where its tokenizer's process calls it, and the whole request for one
token. The first request of a server warms it, and is what the feature proves itself by.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from PIL import Image
from rich.progress import Progress
from rich.table import Table

from benchmarks import device as devices
from benchmarks.command import parser, recording
from benchmarks.printed import by_arm
from benchmarks.record import Row, compared
from benchmarks.serve_arms import WrongArm
from benchmarks.serve_load import QUESTION
from benchmarks.serve_tables import OFF, ON
from benchmarks.timed_positions import FILE
from benchmarks.timing import Times
from evals import PROJECT, checkpoints
from evals.media.avi import encode_avi
from evals.media.content import part
from evals.media.photographs import photograph
from evals.serving.asking import Reply, ask
from evals.serving.engines import SGLANG
from evals.serving.servers import Server, cpu_server, end_on_sigterm

WHAT, FILE_NAME = "mrope in a server", "mrope_server"
ARMS = {OFF: "off", ON: "mrope"}
SETTINGS = {"context_length": 32768, "max_total_tokens": 65536, "disable_radix_cache": True}
ENVIRON = {"SGLANG_EXTERNAL_MM_PROCESSOR_PACKAGE": "benchmarks.timed_positions"}
SIZE, FRAMES = (384, 320), 32  # of a video: 16 in positions, 120 tokens each
ASKED = {"1 image": ("image", 1), "16 images": ("image", 16), "2 videos": ("video", 2)}


def main() -> None:
    end_on_sigterm()
    options_of = parser(__doc__)
    add = options_of.add_argument
    add("--families", nargs="+", choices=checkpoints.FAMILIES, default=["qwen3_vl", "glm4v"])
    add("--asked", nargs="+", choices=tuple(ASKED), default=list(ASKED), help="kinds of requests")
    add("--requests", type=int, default=5, help="of each kind to each server (default 5)")
    options = options_of.parse_args()
    with (
        recording(table, FILE_NAME, options.results) as rows,
        Progress(transient=True) as progress,
        tempfile.TemporaryDirectory() as folder,
    ):
        bar = progress.add_task(WHAT, total=len(options.families) * len(ARMS) * len(options.asked))
        for family in options.families:
            found: dict[tuple[str, str], Asked] = {}
            for arm, features in ARMS.items():
                file = Path(folder) / f"{family}-{arm}"
                with _server(family, features, file) as server:
                    for kind in options.asked:
                        progress.update(bar, description=f"{family}, mrope {arm}, {kind}")
                        found[kind, arm] = _ask(server, file, kind, options.requests)
                        progress.advance(bar)
            for kind in options.asked:
                rows += _rows(family, kind, {arm: found[kind, arm] for arm in ARMS})


@dataclass(frozen=True)
class Asked:
    """What came of one kind of request to one server: milliseconds of each, and the replies."""

    positions: Sequence[float]
    whole: Sequence[float]
    replies: Sequence[Reply]


@contextmanager
def _server(family: str, features: str, file: Path) -> Iterator[Server]:
    environ = {**ENVIRON, "ENGINE_EXT": features, FILE: str(file), "PYTHONPATH": str(PROJECT)}
    log = file.with_suffix(".log")
    with cpu_server(SGLANG, checkpoints.path(family), log, environ=environ, **SETTINGS) as server:
        yield server


def _ask(server: Server, file: Path, kind: str, requests: int) -> Asked:
    """Each request is another; of the first nothing counts."""
    client, replies, whole = server.client(), [], []
    already = len(_lines(file))
    for number in range(requests + 1):
        asked = content(*ASKED[kind], number)
        begun = perf_counter()
        replies.append(ask(client, server.model, asked, max_tokens=1))
        whole.append(1e3 * (perf_counter() - begun))
    positions = [float(line) for line in _lines(file)[already:]]
    if len(positions) not in (0, len(replies)):
        raise WrongArm(f"{len(replies)} requests computed positions {len(positions)} times")
    return Asked(positions[1:], whole[1:], replies)


def _lines(file: Path) -> list[str]:
    """None where SGLang's function was not called: images of Qwen3-VL have another."""
    return file.read_text().splitlines() if file.exists() else []


def content(kind: str, count: int, number: int) -> list[dict[str, Any]]:
    """Content parts of one request, its pictures its own."""
    parts = []
    for first in range(count * number, count * (number + 1)):
        if kind == "image":
            parts.append(part("image/jpeg", photograph(first, SIZE)))
        else:
            pictures = (photograph(first * FRAMES + frame, SIZE) for frame in range(FRAMES))
            frames = [Image.open(io.BytesIO(one)) for one in pictures]
            parts.append(part("video/avi", encode_avi(frames, fps=2)))
    return [*parts, {"type": "text", "text": QUESTION}]


def _rows(family: str, kind: str, found: Mapping[str, Asked]) -> Iterator[Row]:
    """Raises `WrongArm` where the arms do not answer the same."""
    replies = {arm: each.replies for arm, each in found.items()}
    if [one.tokens for one in replies[OFF]] != [one.tokens for one in replies[ON]]:
        raise WrongArm(f"{family}, {kind}: the arms do not answer the same")
    pairs = zip(replies[OFF], replies[ON], strict=True)
    difference = max(abs(off.logprobs[0] - on.logprobs[0]) for off, on in pairs)
    for timed in ("positions", "whole") if found[OFF].positions else ("whole",):
        yield from compared(
            {arm: Times.of(getattr(each, timed)) for arm, each in found.items()},
            OFF,
            what=f"{WHAT}, {timed}",
            shape=f"{family}, {kind}",
            count=replies[OFF][0].prompt_tokens,
            dtype="int64",
            device=devices.name("cpu"),
            difference=difference,
            engine=devices.engine(),
        )


def table(rows: Sequence[Row]) -> Table:
    title = ": one request, feature mrope off and on"
    heads = {"arm": "mrope", "median": "ms"}
    return by_arm(rows, title, "request", "tokens", **heads, value=".2f", ratio=".1f")


if __name__ == "__main__":
    main()
