"""A checkpoint without its weights: every other file, as the hub lays them out."""

import json
from pathlib import Path

from evals.checkpoints.configs import CONFIGS
from evals.checkpoints.processors import image_processor, video_processor
from evals.checkpoints.tokenizer import stop_token, write_tokenizer


def write_skeleton(family: str, folder: Path) -> None:
    """Writes every file of the checkpoint but its weights; `folder` is created."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = write_tokenizer(family, folder)
    token = tokenizer.token_to_id
    stops = [token(stop_token(family)), token("<|endoftext|>")]
    generation = {
        "do_sample": False,
        "eos_token_id": stops,
        "pad_token_id": token("<|endoftext|>"),
    }
    files = {
        "config.json": CONFIGS[family](tokenizer),
        "generation_config.json": generation,
        "preprocessor_config.json": image_processor(family),
        "video_preprocessor_config.json": video_processor(family),
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=1) + "\n")
