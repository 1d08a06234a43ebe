"""Are the weights that serve those that the engine's loader was given?

``verify`` shows that the product is the convolution over the weights in place; it cannot know
whether those are the ones of the checkpoint. So what passes into ``load_weights`` for a projection
is kept until the projection is sealed, and compared with what has arrived in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from engine_ext.patch_embed import VerificationError

COMPONENTS = 3
"""A checkpoint names a parameter as the model does, up to what stands before its last three
components: ``model.visual.patch_embed.proj.weight`` and ``visual.patch_embed.proj.weight``."""


class Delivered:
    """What loaders have handed over for the parameters of some projections."""

    def __init__(self, parameters: Iterable[tuple[str, Tensor]]) -> None:
        """``parameters``: qualified name and parameter, as the model has them."""
        self._shapes = {name: value.shape for name, value in parameters}
        self._places = {name: _place(name) for name in self._shapes}
        self._found: dict[str, dict[str, Tensor]] = defaultdict(dict)
        self._known: set[str] = set()

    def watch(self, weights: Any) -> Any:
        """``weights`` as they are, (name, tensor) pairs; each is looked at when it is read."""
        if isinstance(weights, (list, tuple)):  # a loader may read those twice
            for pair in weights:
                self._note(pair)
            return weights
        return self._noting(weights)

    def _noting(self, weights: Iterable[Any]) -> Iterator[Any]:
        for pair in weights:
            self._note(pair)
            yield pair

    def _note(self, pair: Any) -> None:
        name, value = pair
        place = _place(name)
        for parameter, expected in self._places.items():
            if place == expected and value.shape == self._shapes[parameter]:
                # A copy, because loaders reuse their buffers; a projection has 4 to 8 MB.
                self._found[parameter][name] = value.detach().to("cpu", copy=True)

    def check(self, name: str, projection: nn.Module, *, is_whole: bool) -> None:
        """Compare what a projection holds with what was delivered for it, and forget that.

        Args:
            is_whole: the delivery is a whole checkpoint: what the first one held must be in it.

        Raises:
            VerificationError: a parameter holds other values, or was not delivered.
        """
        parameters = {f"{name}.{leaf}": value for leaf, value in projection.named_parameters()}
        found = {parameter: self._found.pop(parameter, {}) for parameter in parameters}
        for parameter, value in parameters.items():
            # Under two names it may be of another part of the model: nothing can be said then.
            if len(found[parameter]) == 1:
                (delivered,) = found[parameter].values()
                _expect_equal(parameter, value.detach(), delivered)
            elif is_whole and not found[parameter] and parameter in self._known:
                raise VerificationError(
                    f"{parameter}: not among the weights of this update, expected a checkpoint "
                    f"with weights of shape {tuple(value.shape)} for it, as the first one had"
                )
        self._known.update(parameter for parameter in parameters if found[parameter])

    def forget(self) -> None:
        """Nothing is expected of what was delivered so far."""
        self._found.clear()


def _place(name: str) -> tuple[str, ...]:
    return tuple(name.split(".")[-COMPONENTS:])


def _expect_equal(parameter: str, value: Tensor, delivered: Tensor) -> None:
    value = value.cpu()
    expected = delivered.to(value.dtype)
    # As bytes: a value that is not a number equals itself here, and is reported as what it is.
    if torch.equal(as_bytes(value), as_bytes(expected)):
        return
    differing = int((value != expected).sum())
    raise VerificationError(
        f"{parameter}: {differing} of {value.numel()} values are not those that the loader was "
        f"given for it, expected all to be equal after the cast to {value.dtype}"
    )


def as_bytes(value: Tensor) -> Tensor:
    """The values as they lie in memory: (bytes,) of uint8 on the CPU."""
    return value.detach().cpu().contiguous().flatten().view(torch.uint8)
