"""The replaced projections of one model in an engine process, from construction to every update.

An adapter makes a ``ServedModel`` when the engine has built a model, and calls ``seal`` for each
projection whenever the engine has put weights into it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn

from engine_ext import status
from engine_ext.patch_embed import Verification, VerificationError
from engine_ext.patch_embed.linear import PatchLinear
from engine_ext.served.delivered import Delivered, as_bytes
from engine_ext.served.last_good import LastGood
from engine_ext.served.line import Identity, status_line
from engine_ext.served.peers import BUILD_SECONDS, LOAD_SECONDS, Peers
from engine_ext.served.replace import linearize
from engine_ext.served.stills import Stills
from engine_ext.served.updating import Update
from engine_ext.served.verify import verify

_ATTRIBUTE = "_engine_ext_served"


class ServedModel:
    """Replaces the projections of a model and answers for them.

    It keeps names and results and no strong reference to the model, so the engine can free it.
    """

    def __init__(
        self,
        model: nn.Module,
        conv_types: Sequence[type[nn.Module]],
        identity: Identity,
        logger: logging.Logger,
        peers: Peers | None = None,
        stills: Stills | None = None,
    ) -> None:
        """Replace the projections of ``model``, whose weights are not loaded yet.

        Each replaced parameter is filled with NaN, so that one which the loader misses is seen
        when the projection is sealed.

        Args:
            peers: other processes that hold the same model.
            stills: what makes the projections take raw pixels too.

        Raises:
            VerificationError: a replacement does not hold the convolution's own parameters, or
                another process has replaced other modules.
        """
        vars(model)[_ATTRIBUTE] = self
        self._identity = identity
        self._logger = logger
        self._peers = peers
        self._stills = stills
        parameters = dict(model.named_parameters(remove_duplicate=False))
        self._report = linearize(model, conv_types=conv_types, check=False)
        self._layers = {f.name: f.layer for f in self._report.replaced}
        self._projections: WeakValueDictionary[str, PatchLinear] = WeakValueDictionary()
        for name in self._layers:
            projection = model.get_submodule(name)
            assert isinstance(projection, PatchLinear)
            self._projections[name] = projection
            if stills is not None:
                stills.accept(model, name)
        if stills is not None and not self._layers:
            raise VerificationError(
                f"{identity.architecture}: no projection was replaced, expected one to take the raw"
                " pixels that the processor gives: take pixels out of ENGINE_EXT"
            )
        taken = dict(self._parameters())
        _expect_taken_over(taken, parameters, self._layers)
        self._dtypes = {name: value.dtype for name, value in taken.items()}
        self._delivered = Delivered(taken.items())
        self._unsealed = set(self._layers)
        self._verified: dict[str, Verification] = {}
        self._last_good = LastGood()
        self._update: Update | None = None
        self._loads = 0
        for value in taken.values():
            _mark_unloaded(value)
        for finding in self._report.findings:
            if finding.outcome == "left alone":
                logger.info("engine_ext: %s", finding)
        if peers is not None:
            takes = "normalised patches" if stills is None else "raw pixels too"
            replaced = ", ".join(self._layers) or "nothing"
            peers.agree(f"replaced {replaced}, which takes {takes}", BUILD_SECONDS)
        # A tower built by a nested override is reported there.
        nested = any(f.outcome == "already linear" for f in self._report.findings)
        if not self._layers and not nested:
            logger.info("engine_ext: %s: nothing to replace here", identity.architecture)
            self._record(None)

    @property
    def names(self) -> tuple[str, ...]:
        """Qualified names of the replaced modules."""
        return tuple(self._layers)

    def delivering(self, weights: Any) -> Any:
        """The (name, tensor) pairs that a loader is about to read, watched on their way."""
        return self._delivered.watch(weights)

    def seal(self, name: str, projection: PatchLinear) -> None:
        """Make a loaded projection ready to serve: lay out its weight, verify it, report it.

        Idempotent; call it again after each update of the weights.

        Raises:
            VerificationError: these weights must not serve. Where others have served before, they
                have been put back.
        """
        self._projections[name] = projection
        if not projection.weight.is_contiguous():
            # The product wants the matrix in memory order; a copy beside it would hold it twice.
            projection.weight.data = projection.weight.data.contiguous()
        try:
            self._check(name, projection)
        except VerificationError as error:
            if self._peers is not None:
                self._peers.refuse(str(error))
            self._undo(error)
            raise
        self._unsealed.discard(name)
        if self._unsealed:
            return
        try:
            if self._peers is not None:
                self._peers.agree(f"weights {self._digest()}", LOAD_SECONDS)
        except VerificationError as error:
            self._undo(error)
            raise
        self._serve()

    def _check(self, name: str, projection: PatchLinear) -> None:
        for leaf, value in projection.named_parameters():
            built = self._dtypes[f"{name}.{leaf}"]
            if value.dtype != built:
                raise VerificationError(
                    f"{name}.{leaf}: found {value.dtype}, expected {built}, in which the engine "
                    f"built the convolution"
                )
        self._verified[name] = verify(projection, name)
        update = self._update
        self._delivered.check(name, projection, is_whole=update is not None and update.is_whole)
        if self._stills is not None:
            self._stills.fold(name, projection)
        if update is not None:
            update.sealed.add(name)

    def _undo(self, error: VerificationError) -> None:
        """Put back what served before, if anything has, and say so in the error."""
        self._unsealed = set(self._layers)
        self._delivered.forget()
        if self._last_good.put_back(self._projections):
            if self._stills is not None:
                for name, projection in self._projections.items():
                    self._stills.fold(name, projection)
            error.args = (f"{error}; the weights served before were put back",)

    def _serve(self) -> None:
        """Everything is sealed: keep it, say it, record it."""
        self._unsealed = set(self._layers)
        self._delivered.forget()
        self._last_good.keep(self._projections)
        self._loads += 1
        for name, projection in self._projections.items():
            self._logger.info(
                "engine_ext: %s: %s replaced by a matrix product, weight %s, "
                "verified relative difference %.1e in %s",
                name,
                self._layers[name],
                projection.geometry.weight_shape,
                self._verified[name].difference,
                self._verified[name].dtype,
            )
        self._record(projection)

    def awaits_weights(self, name: str, projection: PatchLinear) -> bool:
        """Whether no weight of a projection has arrived since the model was built.

        Some loaders call the hook that seals before they read the weights.
        """
        return self._awaits(name) and all(
            bool(parameter.isnan().all()) for parameter in projection.parameters()
        )

    def _awaits(self, name: str) -> bool:
        return self._loads == 0 and name in self._unsealed

    def seal_the_rest(self, model: nn.Module) -> None:
        """Seal what has never been sealed, once the engine says that the model is loaded.

        Raises:
            VerificationError: a projection must not serve.
        """
        self._seal_all(model, [name for name in self._layers if self._awaits(name)])

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
        return self._loads > 0 or not self._layers

    @property
    def is_updating(self) -> bool:
        """Whether the engine is inside an update that ends in its hook for loaded weights."""
        return self._update is not None

    @contextmanager
    def updating(
        self, on_failure: Callable[[], None] = lambda: None, *, is_whole: bool = False
    ) -> Iterator[Update]:
        """While the engine updates weights.

        Args:
            on_failure: called by ``update_failed``, before the engine rolls the update back.
            is_whole: the update brings a whole checkpoint.
        """
        self._update = Update(is_whole, on_failure)
        try:
            yield self._update
        finally:
            self._update = None

    def update_failed(self, error: Exception) -> None:
        """The update has failed, for whatever reason; nothing to do outside an update."""
        if self._update is None:
            return
        self._update.error = error
        self._update.on_failure()
        self._delivered.forget()
        if self._peers is not None and not isinstance(error, VerificationError):
            self._peers.refuse(str(error))  # of those that were refused the peers know

    def _parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        for name, projection in self._projections.items():
            for leaf, value in projection.named_parameters():
                yield f"{name}.{leaf}", value

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for name, value in self._parameters():
            digest.update(name.encode())
            digest.update(as_bytes(value).numpy().tobytes())
        return digest.hexdigest()[:16]

    def _record(self, projection: PatchLinear | None) -> None:
        line = status_line(self._identity, self._report, self._verified, self._loads, projection)
        try:
            status.record(line)
        except OSError as error:
            # Serving matters more than the record of it.
            self._logger.error("engine_ext: cannot write %s: %s", status.VARIABLE, error)


def served_model(model: nn.Module) -> ServedModel | None:
    """The ``ServedModel`` made for ``model``; None for a model without an override."""
    found: ServedModel | None = vars(model).get(_ATTRIBUTE)
    return found


def _expect_taken_over(
    taken: Mapping[str, Tensor], before: Mapping[str, Tensor], replaced: Iterable[str]
) -> None:
    """A copy would have lost what the engine attached, and its loader might fill the original.

    Raises:
        VerificationError: a replacement does not hold the very parameters of its convolution.
    """
    modules = set(replaced)
    for name, value in before.items():
        if name.rpartition(".")[0] in modules and taken.get(name) is not value:
            found = taken.get(name)
            held = "none" if found is None else f"another ({found.dtype} on {found.device})"
            raise VerificationError(
                f"{name}: the replacement holds {held}, expected the convolution's own parameter "
                f"({value.dtype} on {value.device}), which the engine loads"
            )


def _mark_unloaded(parameter: Tensor) -> None:
    with torch.no_grad():
        parameter.fill_(float("nan"))
