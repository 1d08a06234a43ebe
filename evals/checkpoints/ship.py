"""The last step of a training: weights, report and checksums of a checkpoint folder."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import torch
from rich.console import Console
from safetensors.torch import save_file
from transformers import PreTrainedModel

from evals.checkpoints.batch import load
from evals.checkpoints.copies import WEIGHTS
from evals.checkpoints.measure import all_held_out, answers, batches, sensitivity, summary, table

REPORT, SUMS = "report.json", "SHA256SUMS"
TRAINED = (WEIGHTS, REPORT, SUMS)
"""Files that a training writes; the others it takes as they are."""
_PACKAGES = ("numpy", "pillow", "scikit-learn", "tokenizers", "torch", "transformers")


def save_weights(model: PreTrainedModel, family: str, folder: Path) -> None:
    """Writes `model.safetensors`: bfloat16, under the names the hub's checkpoints use.

    Qwen2-VL and Qwen2.5-VL were published before transformers moved the tower and the language
    model under `model`.
    """

    def hub_name(name: str) -> str:
        if family in ("qwen2_vl", "qwen2_5_vl"):
            name = name.replace("model.visual.", "visual.")
            name = name.replace("model.language_model.", "model.")
        return name

    tensors = {
        hub_name(name): tensor.detach().to(torch.bfloat16).contiguous()
        for name, tensor in model.state_dict().items()
    }
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def write_report(family: str, folder: Path, training: dict) -> None:
    """Measures the checkpoint as shipped, prints the result and writes `report.json`."""
    questions = all_held_out(family)
    report = {"family": family, "training": training}
    for dtype in (torch.bfloat16, torch.float32):
        name = str(dtype).removeprefix("torch.")
        model, processor = load(folder, dtype)
        encoded = batches(family, processor, questions)
        report[name] = summary(questions, answers(model, processor, encoded))
        Console().print(table(family, name, report[name]))
    report["parameters"] = sum(parameter.numel() for parameter in model.parameters())
    report["weight_bytes"] = (folder / WEIGHTS).stat().st_size
    report["sensitivity"] = sensitivity(model, processor, questions, encoded)
    report["versions"] = {package: version(package) for package in _PACKAGES}
    (folder / REPORT).write_text(json.dumps(report, indent=1) + "\n")


def write_sums(folder: Path) -> None:
    """Writes `SHA256SUMS` over every other file of the folder, as `sha256sum -c` reads it."""
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.name != SUMS)
    lines = (f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)
    (folder / SUMS).write_text("".join(lines))
