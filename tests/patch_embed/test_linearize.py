"""linearize replaces what it may, leaves the rest with a reason, and never half of a model."""

import copy

import pytest
import torch
from torch import nn

import engine_ext
from engine_ext.patch_embed import PatchConv3d, VerificationError


class Tower(nn.Module):
    """A patch embedding as the Qwen classes write it, and convolutions that are none."""

    def __init__(self):
        super().__init__()
        self.proj = nn.Conv3d(3, 16, (2, 4, 4), (2, 4, 4))
        self.overlapping = nn.Conv3d(3, 16, 4, 2)
        self.flat = nn.Conv2d(3, 16, 4, 4)
        self.blocks = nn.Sequential(nn.Linear(16, 16), nn.Conv3d(3, 8, 2, 2, bias=False))

    def forward(self, rows):
        return self.proj(rows.view(-1, 3, 2, 4, 4)).view(-1, 16)


@pytest.fixture
def tower():
    torch.manual_seed(0)
    return Tower()


def outcomes(report):
    return {finding.name: finding.outcome for finding in report.findings}


def test_replaces_patch_projections_and_reports_every_3d_conv(tower):
    report = engine_ext.linearize(tower)
    assert outcomes(report) == {
        "proj": "replaced",
        "overlapping": "left alone",
        "blocks.1": "replaced",
    }
    assert "stride (2, 2, 2) is not the kernel (4, 4, 4)" in str(report)
    assert all(f.verification.difference < 1e-5 for f in report.replaced)
    assert type(tower.proj) is PatchConv3d
    assert type(tower.blocks[1]) is PatchConv3d
    assert type(tower.flat) is nn.Conv2d


class EngineConv(nn.Conv3d):
    """An engine's layer with a class method among its forward methods, as SGLang's have."""

    @classmethod
    def register_oot_forward(cls):
        pass


def test_an_engines_own_layer_is_replaced():
    model = nn.Sequential(EngineConv(3, 8, 2, 2))
    report = engine_ext.linearize(model, conv_types=[nn.Conv3d, EngineConv])
    assert outcomes(report) == {"0": "replaced"}


def test_a_layer_whose_weights_the_engine_packs_is_left_alone(tower):
    tower.proj.quant_method = object()
    report = engine_ext.linearize(tower)
    assert outcomes(report)["proj"] == "left alone"
    assert "processes its weights after loading (object)" in str(report)


def test_output_and_state_dict_stay(tower):
    stock = copy.deepcopy(tower)
    engine_ext.linearize(tower)
    rows = torch.randn(10, 96)
    torch.testing.assert_close(tower(rows), stock(rows))
    assert list(tower.state_dict()) == list(stock.state_dict())


def test_a_second_call_changes_nothing(tower):
    engine_ext.linearize(tower)
    proj = tower.proj
    assert outcomes(engine_ext.linearize(tower))["proj"] == "already linear"
    assert tower.proj is proj


def test_one_replacement_for_a_layer_registered_under_two_names(tower):
    tower.alias = tower.proj
    report = engine_ext.linearize(tower)
    assert [f.name for f in report.replaced] == ["proj", "blocks.1"]
    assert tower.alias is tower.proj
    assert type(tower.alias) is PatchConv3d


class StandardizedConv(nn.Conv3d):
    def _conv_forward(self, input, weight, bias):
        return super()._conv_forward(input, weight - weight.mean(), bias)


class RenamedConv(nn.Conv3d):
    """A subclass that computes what its base computes."""


def hooked_subclass(tower):
    tower.proj = RenamedConv(3, 16, 4, 4)
    tower.proj.register_forward_hook(lambda *_: None)


def integer_weights(conv):
    conv.weight = nn.Parameter(torch.ones(conv.weight.shape, dtype=torch.int8), requires_grad=False)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: setattr(t.proj, "forward", lambda x: x), "its forward has been replaced"),
        (hooked_subclass, "forward hooks"),
        (lambda t: t.proj.to(torch.float8_e4m3fn), "torch computes no products"),
        (lambda t: integer_weights(t.proj), "torch computes no products"),
        (lambda t: setattr(t.proj.weight, "ds_id", 1), "ZeRO-3"),
        (lambda t: nn.utils.parametrizations.weight_norm(t.proj), "parametrized"),
        (lambda t: setattr(t, "proj", StandardizedConv(3, 16, 4, 4)), "overrides the computation"),
    ],
)
def test_leaves_a_conv_that_computes_something_more(tower, change, reason):
    change(tower)
    finding = engine_ext.linearize(tower).findings[0]
    assert finding.outcome == "left alone"
    assert reason in finding.reason


def test_replaces_a_subclass_that_computes_the_same(tower):
    tower.proj = RenamedConv(3, 16, 4, 4)
    assert outcomes(engine_ext.linearize(tower))["proj"] == "replaced"


def test_takes_an_engines_own_layer_when_told_its_type(tower):
    class EngineConv(nn.Module):
        def __init__(self):
            super().__init__()
            self.in_channels, self.out_channels, self.groups = 3, 16, 1
            self.kernel_size = self.stride = (2, 4, 4)
            self.padding, self.dilation = (0, 0, 0), (1, 1, 1)
            self.weight = nn.Parameter(torch.randn(16, 3, 2, 4, 4))
            self.register_parameter("bias", None)

        def forward(self, x):
            return nn.functional.conv3d(x, self.weight, stride=self.stride)

    tower.proj = EngineConv()
    stock = copy.deepcopy(tower)
    assert "proj" not in outcomes(engine_ext.linearize(copy.deepcopy(tower)))
    report = engine_ext.linearize(tower, conv_types=(nn.Conv3d, EngineConv))
    assert outcomes(report)["proj"] == "replaced"
    rows = torch.randn(10, 96)
    torch.testing.assert_close(tower(rows), stock(rows))


def test_a_conv_that_is_the_model_itself():
    conv = nn.Conv3d(3, 8, 2, 2)
    assert "the model itself (torch.nn.modules.conv.Conv3d): replaced" in str(
        engine_ext.linearize(conv)
    )
    assert type(conv) is PatchConv3d
    assert "PatchConv3d.sharing" in str(engine_ext.linearize(RenamedConv(3, 8, 2, 2)))


@pytest.mark.parametrize("what", [None, "model", torch.zeros(1), nn.Conv3d])
def test_what_is_no_module_is_an_error(what):
    with pytest.raises(TypeError, match=f"got {type(what).__name__}, expected a torch.nn.Module"):
        engine_ext.linearize(what)


def test_hooks_stay(tower):
    seen = []
    tower.proj.register_forward_hook(lambda *_: seen.append("forward"))
    tower.proj.register_full_backward_hook(lambda *_: seen.append("backward"))
    assert outcomes(engine_ext.linearize(tower))["proj"] == "replaced"
    tower(torch.randn(2, 96, requires_grad=True)).sum().backward()
    assert seen == ["forward", "backward"]


def test_a_model_without_a_3d_conv_says_so():
    said = str(engine_ext.linearize(nn.Linear(2, 2)))
    assert said.startswith("no 3-D convolution found: a patch embedding of nn.Linear")


def test_broken_weights_stop_it_and_leave_the_model_as_it_was(tower):
    with torch.no_grad():
        tower.blocks[1].weight[0, 0, 0, 0, 0] = float("nan")
    with pytest.raises(VerificationError, match=r"blocks\.1\.weight: 1 of 192 values"):
        engine_ext.linearize(tower)
    assert type(tower.proj) is nn.Conv3d


def test_before_loading_on_the_meta_device():
    trained = Tower()
    with torch.device("meta"):
        tower = Tower()
    report = engine_ext.linearize(tower)
    assert report.replaced[0].verification is None
    assert "not verified yet" in str(report.replaced[0])
    tower.load_state_dict(trained.state_dict(), assign=True)
    assert engine_ext.verify(tower.proj, "proj").difference < 1e-5
    rows = torch.randn(10, 96)
    torch.testing.assert_close(tower(rows), trained(rows))
