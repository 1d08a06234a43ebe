"""Load for a server: photographs, sent by vLLM's load generator to any engine's OpenAI API."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.media.content import data_url
from evals.media.photographs import photograph

if TYPE_CHECKING:
    from evals.serving.servers import Server

QUESTION = "What is in this picture?"
TOKENS = 4  # of each answer
MOST = 1000  # pictures of a load


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


@dataclass(frozen=True)
class Measured:
    """What came of a load: milliseconds of each request, and how long all took in seconds."""

    first_token: list[float]
    end_to_end: list[float]
    seconds: float


class LoadFailed(RuntimeError):
    """The generator ended with an error, or requests failed."""


def send(load: Load, server: Server, tokenizer: Path, generator: Path, folder: Path) -> Measured:
    """Send a load and wait for its end.

    Args:
        tokenizer: folder of the model.
        generator: the executable ``vllm``.
        folder: for files of this run.

    Raises:
        LoadFailed: with the last lines of the generator, or the first error of a request.
    """
    questions = folder / f"{load.shown.replace(' ', '')}-{load.concurrency}.jsonl"
    if not questions.exists():
        questions.write_text("".join(json.dumps(one) + "\n" for one in _questions(load)))
    command = [
        *(str(generator), "bench", "serve", "--backend", "openai-chat"),
        *("--base-url", server.url, "--endpoint", "/v1/chat/completions"),
        *("--model", server.model, "--tokenizer", str(tokenizer)),
        *("--dataset-name", "custom_image", "--dataset-path", str(questions)),
        *("--custom-output-len", str(TOKENS), "--ignore-eos", "--temperature", "0"),
        *("--disable-shuffle", "--num-prompts", str(load.requests)),
        *("--max-concurrency", str(load.concurrency), "--ready-check-timeout-sec", "0"),
        *("--disable-tqdm", "--save-result", "--save-detailed"),
        *("--result-dir", str(folder), "--result-filename", "load.json"),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        said = ran.stderr[-2000:]
        raise LoadFailed(f"{generator} bench serve ended with {ran.returncode}: {said}")
    return _measured(json.loads((folder / "load.json").read_text()), load)


def _measured(result: dict[str, Any], load: Load) -> Measured:
    if result["completed"] != load.requests:
        error = next((error for error in result["errors"] if error), "no reason was given")
        raise LoadFailed(f"{result['completed']} of {load.requests} requests succeeded: {error}")
    return Measured(
        first_token=[1e3 * seconds for seconds in result["ttfts"]],
        end_to_end=[1e3 * seconds for seconds in result["latencies"]],
        seconds=result["duration"],
    )


def content(load: Load) -> list[dict[str, Any]]:
    """A request that warms the server, as content parts of OpenAI's API."""
    urls = _pictures(load, load.requests)
    pictures = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return [*pictures, {"type": "text", "text": QUESTION}]


def _questions(load: Load) -> Iterator[dict[str, Any]]:
    for number in range(load.requests):
        yield {"prompt": QUESTION, "image_files": _pictures(load, number)}


def _pictures(load: Load, request: int) -> list[str]:
    """Of one request. No two have the same, nor have two loads: nothing comes from a cache."""
    first = MOST * load.concurrency + load.images * request
    numbers = range(first, first + load.images)
    return [data_url("image/jpeg", photograph(number, load.size)) for number in numbers]
