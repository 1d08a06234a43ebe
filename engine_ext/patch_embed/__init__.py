"""Patch projections as matrix products: plain torch, knows no engine."""

from engine_ext.patch_embed.geometry import NotAPatchProjection, PatchGeometry
from engine_ext.patch_embed.linear import PatchLinear
from engine_ext.patch_embed.linearize import Finding, Report, linearize
from engine_ext.patch_embed.verify import Verification, VerificationError, verify

__all__ = [
    "Finding",
    "NotAPatchProjection",
    "PatchGeometry",
    "PatchLinear",
    "Report",
    "Verification",
    "VerificationError",
    "linearize",
    "verify",
]
