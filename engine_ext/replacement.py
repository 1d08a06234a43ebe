"""The replaced projections of one model in an engine process, until it is loaded.

An adapter makes a ``Replacement`` when the engine has built a model, and calls ``check_loaded``
when the engine says that loading has ended. After that nothing here runs again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from engine_ext import status
from engine_ext.patch_embed import Report, Verification, VerificationError, linearize, verify
from engine_ext.pixels.resize import make_ready

_ATTRIBUTE = "_engine_ext_replacement"


@dataclass(frozen=True)
class Identity:
    """Which model of which engine a status line speaks of."""

    engine: str
    engine_version: str
    architecture: str
    features: tuple[str, ...]
    part: int = 0
    """Of a data-parallel engine: which."""
    expects: Mapping[str, int] = field(default_factory=dict)
    """As an engine's settings have it: "models", processes with one of this part, and
    "senders", those that make requests ready."""


class Replacement:
    """What was replaced in a model whose weights are not loaded yet.

    Each parameter of a replaced projection is filled with NaN, so that one which the loader misses
    is seen when the model is checked.
    """

    def __init__(
        self,
        model: nn.Module,
        conv_types: Sequence[type[nn.Module]],
        identity: Identity,
        logger: logging.Logger,
        *,
        everywhere: bool,
        why_not: str = "",
    ) -> None:
        """Replace what convolves in ``model``, or with ``everywhere`` every patch projection.

        Args:
            why_not: for what reason nothing is to be looked at; the model is only reported then.
        """
        self._identity = identity
        self._logger = logger
        self._is_checked = False
        self._why_not = why_not
        self.report = Report(())
        if not why_not:
            try:
                self.report = linearize(
                    model, conv_types=conv_types, check=False, everywhere=everywhere
                )
            except Exception:
                # Nothing has been changed, and the engine goes on with stock.
                logger.exception("engine_ext: %s: left stock", identity.architecture)
                self._why_not = "it could not be looked at"
        for finding in self.report.replaced:
            for parameter in model.get_submodule(finding.name).parameters():
                with torch.no_grad():
                    parameter.fill_(float("nan"))
        vars(model)[_ATTRIBUTE] = self

    def check(self, model: nn.Module) -> None:
        """Verify every replaced projection, once; say and record what serves.

        Raises:
            VerificationError: a projection whose weights are not loaded, or that does not compute
                the convolution. A check that fails for another reason stops nothing.
        """
        if self._is_checked:
            return
        self._is_checked = True
        verified = {}
        for finding in self.report.replaced:
            projection = model.get_submodule(finding.name)
            try:
                verified[finding.name] = verify(projection, finding.name)
            except VerificationError:
                raise
            except Exception:
                self._logger.exception(
                    "engine_ext: %s could not be checked; it is used as it is", finding.name
                )
        self._say(verified)
        if "resize" in self._identity.features:
            for device in {parameter.device for parameter in model.parameters()}:
                make_ready(device)
        if not self.report.replaced and any(
            finding.outcome == "already linear" for finding in self.report.findings
        ):
            return  # a tower that an override inside this one has built, which reports it
        status.record(status.MODEL, self._status_line(model, verified), self._logger)

    def _say(self, verified: dict[str, Verification]) -> None:
        for finding in self.report.findings:
            found = verified.get(finding.name)
            more = "" if found is None else f", verified difference {found.difference:.1e}"
            if finding.outcome == "replaced" and finding.geometry is not None:
                self._logger.info(
                    "engine_ext: %s: %s replaced by a matrix product, weight %s%s",
                    *(finding.name, finding.layer, finding.geometry.weight_shape, more),
                )
            elif finding.outcome == "left alone":
                self._logger.info("engine_ext: %s", finding)
        if not self.report.findings:
            why = f": {self._why_not}" if self._why_not else ""
            self._logger.info(
                "engine_ext: %s: nothing to replace here%s", self._identity.architecture, why
            )

    def _status_line(self, model: nn.Module, verified: dict[str, Verification]) -> dict[str, Any]:
        """What was replaced in this process and how well it verified."""
        replaced = self.report.replaced
        weight: Any = model.get_submodule(replaced[0].name).weight if replaced else None
        return {
            "torch": torch.__version__,
            **asdict(self._identity),
            "device": None if weight is None else str(weight.device),
            "dtype": None if weight is None else str(weight.dtype).removeprefix("torch."),
            "modules": [
                {
                    "name": finding.name,
                    "replaced": finding.layer,
                    "weight_shape": finding.geometry.weight_shape,
                    "difference": verified[finding.name].difference
                    if finding.name in verified
                    else None,
                }
                for finding in replaced
                if finding.geometry is not None
            ],
            "left_alone": [
                {"name": f.name, "layer": f.layer, "reason": f.reason}
                for f in self.report.findings
                if f.outcome == "left alone"
            ],
        }


def check_loaded(model: nn.Module) -> None:
    """Once the engine says that ``model`` is loaded; nothing to do for one without a replacement.

    Raises:
        VerificationError: a projection must not be used.
    """
    found: Replacement | None = vars(model).get(_ATTRIBUTE)
    if found is not None:
        found.check(model)
