"""Is a Parquet data set one that can be asked? Said before a server is started."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet

from evals.gate.subjects import unknown

MMMU_COLUMNS = {"id", "question", "options", "answer", "question_type", "image_1"}


class BadDataset(ValueError):
    """The files hold no questions, or not such questions."""


def parquet_files(path: Path) -> list[Path]:
    """A file itself, or those of a folder in a fixed order."""
    return sorted(path.glob("*.parquet")) if path.is_dir() else [path]


def check(path: Path, task: str, subjects: Sequence[str] = ()) -> int:
    """The number of questions of a file, or of the files of a folder.

    Raises:
        BadDataset: none, no Parquet, no such subjects, or columns of MMMU are missing where its
            task is asked.
    """
    files = parquet_files(path)
    if not files:
        raise BadDataset(f"no *.parquet in {path}")
    count, names = 0, []
    for file in files:
        try:
            found = pyarrow.parquet.ParquetFile(file)
        except (pyarrow.ArrowException, OSError) as error:
            raise BadDataset(f"{file} is no Parquet file: {error}") from error
        missing = MMMU_COLUMNS - set(found.schema_arrow.names)
        if task.startswith("mmmu") and missing:
            raise BadDataset(
                f"{file} has no {', '.join(sorted(missing))}; found"
                f" {', '.join(found.schema_arrow.names)}"
            )
        count += found.metadata.num_rows
        names += found.read(["id"])["id"].to_pylist() if subjects else []
    if not count:
        raise BadDataset(f"{path} holds no question")
    if said := unknown(subjects, names):
        raise BadDataset(said)
    return count
