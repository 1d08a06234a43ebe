"""A task of lmms-eval and what the gate adds to it, found and read by lmms-eval's own code.

lmms-eval is imported where it is called: it imports torch and every model library that it finds,
which takes seconds, and what is wrong with the options is to be said before.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from loguru import logger

from evals.gate.dataset import parquet_files

ADDED = Path(__file__).parent / "gate_task.py"
GATE_TASK = "engine_ext_gate"

logger.disable("lmms_eval")  # it says of each file of its own that holds no task


class NoTask(ValueError):
    """lmms-eval has no such task, or none that the gate can add to."""


def write(options: argparse.Namespace, folder: Path) -> None:
    """The task of the options with what the gate adds, as lmms-eval reads it.

    Raises:
        NoTask: there is no such task.
    """
    from lmms_eval.tasks import TaskManager
    from lmms_eval.utils import load_yaml_config

    found = TaskManager().task_index.get(options.task, {})
    if found.get("type") != "task":
        raise NoTask(
            f"lmms-eval has no task {options.task!r}: python -m lmms_eval tasks lists them"
        )
    packaged = found["yaml_path"]
    config = load_yaml_config(str(packaged), mode="simple")
    # Functions are named by a tag of YAML, which lmms-eval's loader knows; the rest is JSON.
    lines = [f"include: {json.dumps(str(packaged))}", f"task: {GATE_TASK}", "tag: []"]
    lines += ["process_results_use_image: true", "process_docs: !function gate_task.process_docs"]
    if "process_results" in config:
        lines.append("process_results: !function gate_task.process_results")
    if options.dataset is not None:
        split = config.get("test_split") or config.get("validation_split")
        if split is None:
            raise NoTask(f"{packaged} names no split")
        files = {split: [str(file) for file in parquet_files(options.dataset.resolve())]}
        lines += ["dataset_path: parquet", "dataset_name: null"]
        lines.append(f"dataset_kwargs: {json.dumps({'data_files': files})}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{GATE_TASK}.yaml").write_text("\n".join(lines) + "\n")
    shutil.copy(ADDED, folder / ADDED.name)
    settings = {
        "packaged": str(packaged),
        "subjects": list(options.subjects),
        "max_new_tokens": options.max_new_tokens,
    }
    (folder / "gate.json").write_text(json.dumps(settings) + "\n")


def load(folder: Path) -> tuple[Any, Any]:
    """The task that was written there, and its questions, as lmms-eval asks them."""
    from lmms_eval.tasks import TaskManager, get_task_dict

    manager = TaskManager(include_path=str(folder), include_defaults=False)
    task = get_task_dict([GATE_TASK], manager, "chat")[GATE_TASK]
    return task, task.test_docs() if task.has_test_docs() else task.validation_docs()
