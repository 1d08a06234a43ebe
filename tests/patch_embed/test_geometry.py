"""Which convolutions are patch projections, and what is said of the others."""

import pytest
from torch import nn

from engine_ext.patch_embed import NotAPatchProjection, PatchGeometry


def test_reads_the_sizes_of_a_patch_projection():
    geometry = PatchGeometry.of(nn.Conv3d(3, 1280, (2, 14, 14), (2, 14, 14), bias=False))
    assert geometry == PatchGeometry(3, 1280, (2, 14, 14), has_bias=False)
    assert geometry.row_width == 1176
    assert geometry.weight_shape == (1280, 3, 2, 14, 14)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"kernel_size": 4, "stride": 4}, id="one int for three axes"),
        pytest.param({"kernel_size": (1, 14, 7), "stride": (1, 14, 7)}, id="not square"),
        pytest.param({"kernel_size": 4, "stride": 4, "padding": "valid"}, id="padding valid"),
    ],
)
def test_accepts_every_way_to_write_one(settings):
    assert PatchGeometry.of(nn.Conv3d(3, 8, **settings)).out_channels == 8


@pytest.mark.parametrize(
    ("conv", "reason"),
    [
        (nn.Conv3d(3, 8, 4, 2), r"stride \(2, 2, 2\) is not the kernel \(4, 4, 4\)"),
        (nn.Conv3d(3, 8, (2, 4, 4), (1, 4, 4)), r"stride \(1, 4, 4\) is not the kernel"),
        (nn.Conv3d(3, 8, 4, 4, padding=1), r"padding \(1, 1, 1\)"),
        (nn.Conv3d(3, 8, 4, 4, padding=(0, 0, 2)), r"padding \(0, 0, 2\)"),
        (nn.Conv3d(3, 8, 1, 1, padding="same"), "1x1x1 kernel"),
        (nn.Conv3d(3, 8, 4, 4, dilation=2), r"dilation \(2, 2, 2\)"),
        (nn.Conv3d(4, 8, 4, 4, groups=2), "groups 2"),
        (nn.LazyConv3d(8, 4, 4), "lazy"),
        (nn.ConvTranspose3d(3, 8, 4, 4), r"weight has shape \(3, 8, 4, 4, 4\), expected \(8, 3"),
    ],
)
def test_says_why_another_convolution_is_not_one(conv, reason):
    with pytest.raises(NotAPatchProjection, match=reason):
        PatchGeometry.of(conv)
