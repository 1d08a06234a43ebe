"""Rope positions inside a real SGLang server: what the tokenizer's process spends on a request.

    python -m benchmarks.mrope.server

Two servers by turns, the feature `mrope` off and on, asked the same videos or images. What is timed
is SGLang's own function with whatever is hooked to it, in the tokenizer's process
(`benchmarks.stages`), and the whole request for one token. The first request of a server warms it,
and is what the feature proves itself by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks import stages
from benchmarks.command import parser, recording_in_folder
from benchmarks.record import OFF, ON, Row, compared
from benchmarks.serve.arms import STOCK, Arms, WrongArm
from benchmarks.serve.media import Part, picture, question, video
from evals import checkpoints
from evals.serving.asking import Reply, ask
from evals.serving.engines import SGLANG
from evals.serving.servers import Server

WHAT = "mrope_server"
SIZE, FRAMES = (384, 320), 32  # of a video: 16 in positions, 120 tokens each
ASKED = {"1 image": ("image", 1), "16 images": ("image", 16), "2 videos": ("video", 2)}


def main() -> None:
    options_of = parser(__doc__)
    add = options_of.add_argument
    add("--families", nargs="+", choices=checkpoints.FAMILIES, default=["qwen3_vl", "glm4v"])
    add("--asked", nargs="+", choices=tuple(ASKED), default=list(ASKED), help="kinds of requests")
    add("--requests", type=int, default=5, help="of each kind to each server (default 5)")
    options = options_of.parse_args()
    environ = {**STOCK, ON: {"ENGINE_EXT": "mrope"}}
    with recording_in_folder(WHAT, options.results) as (rows, folder):
        for family in options.families:
            found: dict[str, dict[str, Asked]] = {kind: {} for kind in options.asked}

            def measure(arm: str, server: Server, found: dict = found) -> None:  # type: ignore[type-arg]
                for kind in options.asked:
                    found[kind][arm] = asked(server, folder, kind, options.requests)

            shared = stages.environ(folder, is_stubbed=False)
            arms = Arms(SGLANG, checkpoints.path(family), folder, environ, shared)
            arms.by_turns(1, measure)
            for kind, by_arm in found.items():
                rows += rows_of(family, kind, by_arm)


@dataclass
class Asked:
    """What came of one kind of request to one server: milliseconds of each, and the replies."""

    positions: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)


def asked(server: Server, folder: Path, kind: str, requests: int) -> Asked:
    """Each request is another; of the first no time counts."""
    client, found = server.client(), Asked()
    for number in range(requests + 1):
        content = question(*media(*ASKED[kind], number))
        send = partial(ask, client, server.model, content, max_tokens=1)
        spent, reply = stages.of(folder, send)
        found.replies.append(reply)
        if number:
            found.positions.append(spent[stages.POSITIONS])
            found.whole.append(spent[stages.WHOLE])
    return found


def media(kind: str, count: int, number: int) -> Iterator[Part]:
    """Of one request, its pictures its own."""
    for each in range(count * number, count * (number + 1)):
        if kind == "image":
            yield picture(each, SIZE)
        else:
            yield video(range(each * FRAMES, (each + 1) * FRAMES), SIZE)


def rows_of(family: str, kind: str, found: dict[str, Asked]) -> Iterator[Row]:
    """Raises `WrongArm` where the servers do not answer the same."""
    off, on = (found[arm].replies for arm in (OFF, ON))
    if [one.tokens for one in off] != [one.tokens for one in on]:
        raise WrongArm(f"{family}, {kind}: the servers do not answer the same")
    pairs = zip(off, on, strict=True)
    # SGLang's function is not called for images of Qwen3-VL: they have another.
    parts = ("positions", "whole") if all(found[OFF].positions) else ("whole",)
    difference = max(abs(one.logprobs[0] - other.logprobs[0]) for one, other in pairs)
    for part in parts:
        yield from compared(
            {arm: getattr(each, part) for arm, each in found.items()},
            OFF,
            what=part,
            model=family,
            shape=kind,
            count=off[0].prompt_tokens,
            dtype="int64",
            difference=difference,
        )


if __name__ == "__main__":
    main()
