"""The held-out questions as a data set of MMMU's schema, for the accuracy gate.

    python -m evals.checkpoints.mmmu FAMILY FILE.parquet

Subjects see different faults: Digit the rows and columns of the kernel, Color its channels, the
Large ones (more than one attention window) also the order of patches. Every digit is asked for
twice, by letter and in one word: MMMU has both kinds of question. Needs `datasets`.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Image, Value

from evals.checkpoints import FAMILIES, side
from evals.checkpoints.questions import ASKED, Question, held_out

PICTURES = 7
"""Columns for pictures in MMMU."""
TEXTS = (
    "id", "question", "options", "explanation", "img_type", "answer", "topic_difficulty",
    "question_type", "subfield",
)  # fmt: skip


def rows(family: str) -> Iterator[dict[str, Any]]:
    """The rows, in an order that mixes the subjects: the first N are a fair sample."""
    small = side(family)
    number = 0
    for question in held_out(side=small):
        if question.is_video:  # MMMU has none
            continue
        large = question.images[0].width > small
        topic = question.kind.capitalize() + ("_Large" if large else "")
        number += 1
        yield _row(f"validation_{topic}_{number}", question, is_open=False)
        if question.kind == "digit":
            number += 1
            yield _row(f"validation_{topic}_Open_{number}", question, is_open=True)


def dataset(family: str) -> Dataset:
    """All of them, as the hub's MMMU has its columns."""
    columns = {name: Value("string") for name in TEXTS}
    pictures = {f"image_{i}": Image() for i in range(1, PICTURES + 1)}
    return Dataset.from_list(list(rows(family)), features=Features({**columns, **pictures}))


def _row(name: str, question: Question, is_open: bool) -> dict[str, Any]:
    right = question.shown[0] if question.kind == "digit" else question.shown[1]
    return {
        "id": name,
        "question": f"<image 1>{ASKED[question.kind]}",
        "options": "[]" if is_open else str(list(question.options)),
        "explanation": question.name,
        "img_type": "['Drawings']",
        "answer": right if is_open else question.answer,
        "topic_difficulty": "Easy",
        "question_type": "open" if is_open else "multiple-choice",
        "subfield": question.kind,
        "image_1": question.images[0],
        **{f"image_{i}": None for i in range(2, PICTURES + 1)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    options.file.parent.mkdir(parents=True, exist_ok=True)
    made = dataset(options.family)
    made.to_parquet(options.file)
    print(f"{options.file}: {len(made)} questions, {options.file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
