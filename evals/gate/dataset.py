"""Is a Parquet data set one that can be asked? Said before a server is started."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet

MMMU_COLUMNS = {"id", "question", "options", "answer", "question_type", "image_1"}


class BadDataset(ValueError):
    """The files hold no questions, or not such questions."""


def parquet_files(path: Path) -> list[Path]:
    """A file itself, or those of a folder in a fixed order."""
    return sorted(path.glob("*.parquet")) if path.is_dir() else [path]


def digest(path: Path) -> str:
    """SHA-256 of a file, or of all in a folder."""
    found = hashlib.sha256()
    for file in parquet_files(path):
        found.update(file.name.encode() + os.fsencode("\0") + file.read_bytes())
    return found.hexdigest()


def subject(name: str) -> str:
    """`Art_Theory` of MMMU's `validation_Art_Theory_12`; "all" of a name of another kind."""
    match = re.fullmatch(r"[^_]+_(.+)_\d+", name)
    return match[1] if match else "all"


def unknown(wanted: Sequence[str], names: Iterable[str]) -> str | None:
    """What to say where none of the questions is of a subject that is wanted."""
    found = {subject(name) for name in names}
    missing = sorted(set(wanted) - found)
    if not missing:
        return None
    return f"no subject {', '.join(missing)}; found {', '.join(sorted(found))}"


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
        columns = found.schema_arrow.names
        if task.startswith("mmmu") and (missing := MMMU_COLUMNS - set(columns)):
            said = f"{file} has no {', '.join(sorted(missing))}; found {', '.join(columns)}"
            raise BadDataset(said)
        count += found.metadata.num_rows
        names += found.read(["id"])["id"].to_pylist() if subjects else []
    if not count:
        raise BadDataset(f"{path} holds no question")
    if said := unknown(subjects, names):
        raise BadDataset(said)
    return count
