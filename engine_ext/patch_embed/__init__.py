"""Patch projections as matrix products: plain torch, knows no engine."""

from engine_ext.patch_embed.conv import PatchConv3d, patch_product
from engine_ext.patch_embed.geometry import NotAPatchProjection, PatchGeometry
from engine_ext.patch_embed.linearize import Finding, Report, linearize
from engine_ext.patch_embed.verify import Verification, VerificationError, verify

__all__ = [
    "Finding",
    "NotAPatchProjection",
    "PatchConv3d",
    "PatchGeometry",
    "Report",
    "Verification",
    "VerificationError",
    "linearize",
    "patch_product",
    "verify",
]
