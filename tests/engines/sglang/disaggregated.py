"""An encoder and a language model on two servers, and what they answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evals.checkpoints.questions import conversations
from evals.serving.asking import Reply, ask
from evals.serving.servers import Server
from tests.engines.deployed import started

FAMILY = "qwen2_5_vl"
"""Its model looks at the width of features."""
ENCODER, LANGUAGE = "encoder", "language"
"""Folders, in each of which are a log and a status file."""


@contextmanager
def two_servers(
    folder: Path, encoder: Mapping[str, str], language: Mapping[str, str], **of_encoder: Any
) -> Iterator[Server]:
    """The server that requests come to, beside one that encodes their images.

    Args:
        encoder, language: variables of each.
        of_encoder: settings of the one that encodes.
    """
    with started(FAMILY, folder / ENCODER, encoder, encoder_only=True, **of_encoder) as encodes:
        beside = {"language_only": True, "encoder_urls": encodes.url}
        with started(FAMILY, folder / LANGUAGE, language, **beside) as server:
            yield server


def answers(
    folder: Path, encoder: Mapping[str, str], language: Mapping[str, str], **of_encoder: Any
) -> dict[str, Reply]:
    """To requests with images and without. Arguments as of `two_servers`."""
    with two_servers(folder, encoder, language, **of_encoder) as server:
        client, asked = server.client(), conversations(FAMILY, video=False)
        return {name: ask(client, server.model, content) for name, content in asked.items()}
