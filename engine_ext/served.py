"""The replaced projections of one model in an engine process, from construction to every update.

Engine-neutral: an adapter makes a ``ServedModel`` when the engine has built a model, and calls
``seal`` for each projection whenever the engine has put weights into it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

import torch
from torch import nn

from engine_ext import __version__, status
from engine_ext.last_good import LastGood
from engine_ext.patch_embed import (
    PatchLinear,
    Report,
    Verification,
    VerificationError,
    linearize,
    verify,
)

_ATTRIBUTE = "_engine_ext_served"


@dataclass(frozen=True)
class Identity:
    """Which model of which engine a status line speaks of."""

    engine: str
    engine_version: str
    architecture: str
    features: tuple[str, ...]


@dataclass
class Update:
    """An update of a served model by its engine, and what made it fail, if anything has."""

    on_failure: Callable[[], None]
    error: Exception | None = None


class ServedModel:
    """Replaces the projections of a model and answers for them.

    It keeps names and results and no reference to the model, so the engine can free it.
    """

    def __init__(
        self,
        model: nn.Module,
        conv_types: Sequence[type[nn.Module]],
        identity: Identity,
        logger: logging.Logger,
    ) -> None:
        """Replace the projections of ``model``, whose weights are not loaded yet.

        Each replaced parameter is filled with NaN, so that one which the loader misses is seen
        when the projection is sealed.
        """
        vars(model)[_ATTRIBUTE] = self
        self._identity = identity
        self._logger = logger
        self._report: Report = linearize(model, conv_types=conv_types, check=False)
        self._verified: dict[str, Verification] = {}
        self._last_good = LastGood()
        self._update: Update | None = None
        self._loads = 0
        self._layers = {f.name: f.layer for f in self._report.replaced}
        self._unsealed = set(self._layers)
        for name in self._layers:
            _mark_unloaded(model.get_submodule(name))
        for finding in self._report.findings:
            if finding.outcome == "left alone":
                logger.info("engine_ext: %s", finding)
        # A tower built by a nested override is reported there.
        nested = any(f.outcome == "already linear" for f in self._report.findings)
        if not self._layers and not nested:
            logger.info("engine_ext: %s: nothing to replace here", identity.architecture)
            self._record(device=None, dtype=None)

    @property
    def names(self) -> tuple[str, ...]:
        """Qualified names of the replaced modules."""
        return tuple(self._layers)

    def seal(self, name: str, projection: PatchLinear) -> None:
        """Make a loaded projection ready to serve: lay out its weight, verify it, report it.

        Idempotent; call it again after each update of the weights.

        Raises:
            VerificationError: these weights must not serve. Where others have served before, they
                have been put back.
        """
        if not projection.weight.is_contiguous():
            # The product wants the matrix in memory order; a copy beside it would hold it twice.
            projection.weight.data = projection.weight.data.contiguous()
        try:
            verification = self._verified[name] = verify(projection, name)
        except VerificationError as error:
            if not self._last_good.put_back(name, projection):
                raise
            self._unsealed = set(self._layers)
            raise VerificationError(f"{error}; the weights served before were put back") from error
        self._last_good.keep(name, projection)
        self._logger.info(
            "engine_ext: %s: %s replaced by a matrix product, weight %s, "
            "verified relative difference %.1e in %s",
            name,
            self._layers[name],
            projection.geometry.weight_shape,
            verification.difference,
            verification.dtype,
        )
        self._unsealed.discard(name)
        if not self._unsealed:
            self._loads += 1
            self._unsealed = set(self._layers)
            weight = projection.weight
            self._record(device=str(weight.device), dtype=str(weight.dtype).removeprefix("torch."))

    def awaits_weights(self, name: str, projection: PatchLinear) -> bool:
        """Whether no weight of a projection has arrived since the model was built.

        Some loaders call the hook that seals before they read the weights.
        """
        return name not in self._verified and all(
            bool(parameter.isnan().all()) for parameter in projection.parameters()
        )

    def seal_the_rest(self, model: nn.Module) -> None:
        """Seal what has never been sealed, once the engine says that the model is loaded.

        Raises:
            VerificationError: a projection must not serve.
        """
        self._seal_all(model, [name for name in self._layers if name not in self._verified])

    def seal_again(self, model: nn.Module) -> None:
        """Seal everything after an update for which the engine calls no hook.

        Raises:
            VerificationError: a projection must not serve.
        """
        self._seal_all(model, self.names)

    def _seal_all(self, model: nn.Module, names: Sequence[str]) -> None:
        for name in names:
            projection = model.get_submodule(name)
            assert isinstance(projection, PatchLinear)
            self.seal(name, projection)

    @property
    def is_loaded(self) -> bool:
        """Whether every projection has been sealed since the model was built."""
        return self._layers.keys() <= self._verified.keys()

    @property
    def is_updating(self) -> bool:
        """Whether the engine is inside an update that ends in its hook for loaded weights."""
        return self._update is not None

    @contextmanager
    def updating(self, on_failure: Callable[[], None] = lambda: None) -> Iterator[Update]:
        """While the engine updates weights.

        Args:
            on_failure: called by ``update_failed``, before the engine rolls the update back.
        """
        self._update = Update(on_failure)
        try:
            yield self._update
        finally:
            self._update = None

    def update_failed(self, error: Exception) -> None:
        """The update has failed, for whatever reason; nothing to do outside an update."""
        if self._update is not None:
            self._update.error = error
            self._update.on_failure()

    def _record(self, **weights: str | None) -> None:
        line = {
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "pid": os.getpid(),
            "engine_ext": __version__,
            "torch": torch.__version__,
            **asdict(self._identity),
            **weights,
            "loads": self._loads,
            "modules": self._modules(),
            "left_alone": [
                {"name": f.name, "layer": f.layer, "reason": f.reason}
                for f in self._report.findings
                if f.outcome == "left alone"
            ],
        }
        try:
            status.record(line)
        except OSError as error:
            # Serving matters more than the record of it.
            self._logger.error("engine_ext: cannot write %s: %s", status.VARIABLE, error)

    def _modules(self) -> list[dict[str, Any]]:
        return [
            {
                "name": finding.name,
                "replaced": finding.layer,
                "weight_shape": finding.geometry.weight_shape,
                "difference": self._verified[finding.name].difference,
                "verified_in": self._verified[finding.name].dtype,
            }
            for finding in self._report.replaced
            if finding.geometry is not None
        ]


def served_model(model: nn.Module) -> ServedModel | None:
    """The ``ServedModel`` made for ``model``; None for a model without an override."""
    found: ServedModel | None = vars(model).get(_ATTRIBUTE)
    return found


def _mark_unloaded(projection: nn.Module) -> None:
    with torch.no_grad():
        for parameter in projection.parameters():
            parameter.fill_(float("nan"))
