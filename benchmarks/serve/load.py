"""Load for a server: photographs, sent by vLLM's load generator to any engine's OpenAI API."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from evals import ENVIRONMENTS
from evals.soak.memory import sample

if TYPE_CHECKING:
    from evals.serving.asking import Reply
    from evals.serving.servers import Server

from benchmarks.record import OFF, Row, compared
from benchmarks.serve.arms import WrongArm
from benchmarks.serve.media import QUESTION, picture, question

TOKENS = 4  # of each answer
MOST = 1000  # pictures of a load
TOLERANCE = 0.03  # of the first token's log-probability between servers, in bf16


@dataclass(frozen=True)
class Load:
    """Requests of ``images`` pictures each, so many at a time.

    Args:
        size: pixels, width and height.
        requests: measured.
    """

    size: tuple[int, int]
    images: int
    concurrency: int
    requests: int

    @property
    def shown(self) -> str:
        width, height = self.size
        return f"{self.images} x {width}x{height}"

    def pictures(self, request: int) -> list[dict[str, Any]]:
        """Of one request. No two have the same, nor have two loads: nothing is in a cache."""
        first = MOST * self.concurrency + self.images * request
        return [picture(number, self.size) for number in range(first, first + self.images)]


@dataclass(frozen=True)
class Measured:
    """What came of a load: milliseconds to each first token, and seconds of all together."""

    first_token: list[float]
    seconds: float


class LoadFailed(RuntimeError):
    """The generator ended with an error, or requests failed."""


def add_generator(options_of: argparse.ArgumentParser) -> None:
    """The option ``--generator``."""
    options_of.add_argument(
        "--generator",
        type=_executable,
        default=str(ENVIRONMENTS / "vllm" / "bin" / "vllm"),
        help="executable of vLLM with its benchmarks",
    )


def _executable(path: str) -> Path:
    if not Path(path).exists():
        raise argparse.ArgumentTypeError(f"no {path}: build the environment vllm, or name one")
    return Path(path)


@dataclass
class Loads:
    """Sends loads to servers, and keeps what came of each.

    Args:
        model: folder of the checkpoint, for its tokenizer.
        folder: for files of the load.
        generator: the executable ``vllm``.
        measured: by server and load, a run for each of its starts.
        memory: MiB of a server's processes behind its last load.
        asked: replies to the first request of a load.
    """

    loads: Sequence[Load]
    model: Path
    folder: Path
    generator: Path
    measured: dict[tuple[str, Load], list[Measured]] = field(default_factory=dict)
    memory: dict[str, list[float]] = field(default_factory=dict)
    asked: dict[Load, list[Reply]] = field(default_factory=dict)

    def send(self, arm: str, server: Server) -> None:
        """Every load, each behind a request whose answer must be that of all servers before.

        Raises:
            WrongArm: it is not.
            LoadFailed: with the last lines of the generator, or the first error of a request.
        """
        from evals.serving.asking import ask

        for load in self.loads:
            replies = self.asked.setdefault(load, [])
            first = question(*load.pictures(load.requests))
            replies.append(ask(server.client(), server.model, first, max_tokens=1))
            if not self.difference(load) <= TOLERANCE:
                found = f"{self.difference(load):.3g}, expected {TOLERANCE} at most"
                raise WrongArm(f"log-probabilities of first tokens differ by {found}")
            self.measured.setdefault((arm, load), []).append(self._sent(load, server))
        mib = sample(psutil.Process(server.process.pid), 0).mib
        self.memory.setdefault(arm, []).append(mib)

    def _sent(self, load: Load, server: Server) -> Measured:
        asked = self.folder / f"{load.shown.replace(' ', '')}-{load.concurrency}.jsonl"
        if not asked.exists():
            asked.write_text("".join(json.dumps(one) + "\n" for one in questions(load)))
        command = [
            *(str(self.generator), "bench", "serve", "--backend", "openai-chat"),
            *("--base-url", server.url, "--endpoint", "/v1/chat/completions"),
            *("--model", server.model, "--tokenizer", str(self.model)),
            *("--dataset-name", "custom_image", "--dataset-path", str(asked)),
            *("--custom-output-len", str(TOKENS), "--ignore-eos", "--temperature", "0"),
            *("--disable-shuffle", "--num-prompts", str(load.requests)),
            *("--max-concurrency", str(load.concurrency), "--ready-check-timeout-sec", "0"),
            *("--disable-tqdm", "--save-result", "--save-detailed"),
            *("--result-dir", str(self.folder), "--result-filename", "load.json"),
        ]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            said = ran.stderr[-2000:]
            raise LoadFailed(f"{self.generator} bench serve ended with {ran.returncode}: {said}")
        return measured(json.loads((self.folder / "load.json").read_text()), load)

    def difference(self, load: Load) -> float:
        """Of the first token's log-probability, at most between two servers."""
        first = [reply.logprobs[0] for reply in self.asked[load]]
        return max(first) - min(first)

    def rows(self, arms: Iterable[str], **common: Any) -> Iterator[Row]:
        """Of each load that all servers have had: first tokens, and rates of its rounds."""
        for load in self.asked:
            runs = {arm: self.measured.get((arm, load), []) for arm in arms}
            if not all(found and self.memory.get(arm) for arm, found in runs.items()):
                continue
            firsts = {
                a: [ms for run in found for ms in run.first_token] for a, found in runs.items()
            }
            rates = {a: [load.requests / run.seconds for run in found] for a, found in runs.items()}
            for what, found, unit in (
                ("first token", firsts, "ms"),
                ("requests/s", rates, "requests/s"),
            ):
                yield from compared(
                    found,
                    OFF,
                    what=what,
                    shape=load.shown,
                    count=load.concurrency,
                    unit=unit,
                    difference=self.difference(load),
                    peak_mib={arm: statistics.median(each) for arm, each in self.memory.items()},
                    **common,
                )


def questions(load: Load) -> Iterator[dict[str, Any]]:
    """As the generator reads them."""
    for number in range(load.requests):
        urls = [part["image_url"]["url"] for part in load.pictures(number)]
        yield {"prompt": QUESTION, "image_files": urls}


def measured(result: dict[str, Any], load: Load) -> Measured:
    """What the generator wrote."""
    if result["completed"] != load.requests:
        error = next((error for error in result["errors"] if error), "no reason was given")
        raise LoadFailed(f"{result['completed']} of {load.requests} requests succeeded: {error}")
    return Measured([1e3 * seconds for seconds in result["ttfts"]], result["duration"])
