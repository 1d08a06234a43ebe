"""What a client of SGLang can send in place of an image or a video that it has processed itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

Given = dict[str, Any]
Form = Callable[[Given], list[Given]]
WIDTH = 128
"""Of what the tiny towers give of a token."""
SPREAD, MIDDLE = 50, 120
"""Of bytes that rows of about -2 to 2 are written as."""


def output(**changed: Any) -> Form:
    """What a processor gives, with some of it changed: a function of what it was, or None."""

    def make(given: Given) -> list[Given]:
        made = {**given, "format": "processor_output"}
        for name, change in changed.items():
            value = change(given) if callable(change) else change
            made[name] = value
        return [{name: value for name, value in made.items() if value is not None}]

    return make


def rows(change: Callable[[torch.Tensor], Any]) -> Form:
    return output(pixel_values=lambda given: change(given["pixel_values"]))


def grid(change: Callable[[torch.Tensor], Any]) -> Form:
    return output(image_grid_thw=lambda given: change(given["image_grid_thw"]))


def as_bytes(values: torch.Tensor) -> torch.Tensor:
    """As a processor that does not normalise might give them: whole, and of full width."""
    return (values.float() * SPREAD + MIDDLE).clamp(0, 255).to(torch.uint8)


def embedding(change: Callable[[torch.Tensor], Any], **changed: Any) -> Form:
    """What the tower would give of each token, here any values."""

    def make(given: Given) -> list[Given]:
        count = int(given["image_grid_thw"].prod()) // 4
        draw = torch.Generator().manual_seed(0)
        feature = change(torch.randn(count, WIDTH, generator=draw).bfloat16())
        made = {"image_grid_thw": given["image_grid_thw"], "feature": feature, **changed}
        kept = {name: value for name, value in made.items() if value is not None}
        return [{**kept, "format": "precomputed_embedding"}]

    return make


AS_THE_IMAGE: Mapping[str, Form] = {
    "float32": output(),
    "bfloat16": rows(torch.Tensor.bfloat16),
    "float64": rows(torch.Tensor.double),
    "numpy": rows(torch.Tensor.numpy),
    "a grid of lists": grid(torch.Tensor.tolist),
    "a grid of numpy": grid(torch.Tensor.numpy),
    "the format in capitals": output(format="PROCESSOR_OUTPUT"),
    "its modality named": output(modality="image"),
    "words of ours": output(
        modality="image", engine_ext_values=[1, 2], engine_ext_row_width=3, engine_ext_cut=[4, 5]
    ),
}
"""Forms that are answered as the image itself."""
OTHERWISE: Mapping[str, Form] = {
    "float16": rows(torch.Tensor.half),
    "uint8, of full width": rows(as_bytes),
    "integers": rows(lambda values: as_bytes(values).long()),
    "another identity": output(hash=12345),
    "an embedding": embedding(lambda values: values),
    "an embedding, float32": embedding(torch.Tensor.float),
    "an embedding, uint8": embedding(as_bytes),
    "an embedding, numpy": embedding(lambda values: values.float().numpy()),
    "an embedding of more dimensions": embedding(lambda values: values[None]),
    "an embedding without a grid": embedding(lambda values: values, image_grid_thw=None),
    "another grid": grid(lambda _: torch.tensor([[1, 2, 2]])),
    "no grid": output(image_grid_thw=None),
}
"""Forms that stock answers, whatever comes of them."""
REFUSED: Mapping[str, tuple[Form, str]] = {
    "rows as lists": (rows(torch.Tensor.tolist), "TypeError: object supporting the buffer API"),
    "a flat grid": (grid(lambda grids: grids[0].tolist()), "TypeError: 'int' object is not"),
    "a ragged grid": (grid(lambda _: [[1, 4], [4]]), "IndexError: list index out of range"),
    "no rows": (output(pixel_values=None), "TypeError: object supporting the buffer API"),
    "two at once": (lambda given: 2 * output()(given), "ValueError: For Modality.IMAGE, when"),
    "an embedding as lists": (embedding(torch.Tensor.tolist), "TypeError: object supporting"),
    "an embedding without a feature": (embedding(lambda _: None), "KeyError: 'feature'"),
    "no format": (output(format=None), "ValueError: An exception occurred while loading IMAGE"),
}
"""Forms that stock refuses, and how what it says begins."""
FORMS: Mapping[str, Form] = {
    **AS_THE_IMAGE,
    **OTHERWISE,
    **{name: form for name, (form, _) in REFUSED.items()},
}
