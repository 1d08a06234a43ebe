"""Libraries that work on a model's modules do with a product what they do with a convolution."""

import copy
import os

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from engine_ext.patch_embed import PatchConv3d, linearize

KERNEL = (2, 4, 4)


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Conv3d(3, 8, KERNEL, stride=KERNEL)
        self.head = nn.Linear(8, 4)

    def forward(self, patches):
        return self.head(self.proj(patches).flatten(1))


@pytest.fixture
def stock():
    torch.manual_seed(0)
    return Tower().eval()


@pytest.fixture
def ours(stock):
    found = copy.deepcopy(stock)
    linearize(found)
    assert type(found.proj) is PatchConv3d
    return found


@pytest.fixture
def patches():
    return torch.randn(5, 3, *KERNEL)


def pruned(conv):
    prune.l1_unstructured(conv, "weight", amount=0.3)


@pytest.mark.parametrize(
    "change",
    [pruned, parametrizations.weight_norm, parametrizations.spectral_norm],
)
def test_torch_s_own_changes_of_a_weight_act_on_it(stock, ours, patches, change):
    before = stock(patches)
    for model in (stock, ours):
        torch.manual_seed(1)
        change(model.proj)
        model.eval()
    torch.testing.assert_close(ours(patches), stock(patches))
    if change is not parametrizations.weight_norm:  # which leaves the weight as it is
        assert not torch.allclose(stock(patches), before, atol=1e-3)


class TestPeft:
    """LoRA of ``peft`` on the projection."""

    @pytest.fixture
    def adapted(self):
        peft = pytest.importorskip("peft", reason="pip install peft accelerate psutil")
        config = peft.LoraConfig(r=2, target_modules=["proj"], init_lora_weights=False)

        def adapt(model):
            torch.manual_seed(1)
            return peft.get_peft_model(copy.deepcopy(model), config).eval()

        return adapt

    def test_its_output_is_that_of_stock(self, stock, ours, adapted, patches):
        with_stock, with_ours = adapted(stock), adapted(ours)
        assert not torch.allclose(with_stock(patches), stock(patches), atol=1e-3)
        torch.testing.assert_close(with_ours(patches), with_stock(patches))

    def test_it_learns_as_on_stock(self, stock, ours, adapted, patches):
        gradients = []
        for model in (adapted(stock), adapted(ours)):
            model(patches).square().sum().backward()
            gradients.append({n: p.grad for n, p in model.named_parameters() if p.requires_grad})
        assert len(gradients[0]) == 2
        torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-5)

    def test_an_adapter_made_on_stock_is_loaded(self, stock, ours, adapted, patches, tmp_path):
        import peft

        made = adapted(stock)
        made.save_pretrained(tmp_path)
        loaded = peft.PeftModel.from_pretrained(ours, tmp_path).eval()
        torch.testing.assert_close(loaded(patches), made(patches))

    def test_it_is_merged_and_taken_out_again(self, stock, ours, adapted, patches):
        made = adapted(ours)
        expected = made(patches)
        made.merge_adapter()
        torch.testing.assert_close(made(patches), expected)
        made.unmerge_adapter()
        torch.testing.assert_close(made(patches), expected)
        merged = made.merge_and_unload()
        assert isinstance(merged.proj, PatchConv3d)
        torch.testing.assert_close(merged(patches), expected)


class TestAccelerate:
    """Weights that ``accelerate`` keeps elsewhere and brings for each call."""

    @pytest.fixture
    def offloaded(self):
        hooks = pytest.importorskip("accelerate", reason="pip install accelerate psutil")
        return lambda model: hooks.cpu_offload(model, execution_device=torch.device("cpu"))

    def test_before(self, stock, ours, offloaded, patches):
        expected = stock(patches)
        found = offloaded(ours)
        assert found.proj.weight.is_meta
        torch.testing.assert_close(found(patches), expected)

    def test_after(self, stock, offloaded, patches):
        expected = stock(patches)
        found = offloaded(copy.deepcopy(stock))
        report = linearize(found)
        assert report.findings[0].outcome == "replaced"
        assert report.findings[0].verification is None
        torch.testing.assert_close(found(patches), expected)


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    """A process group of this process alone, on the CPU."""
    distributed = torch.distributed
    if not distributed.is_available() or distributed.is_initialized():
        pytest.skip("torch without distributed, or in use")
    store = distributed.FileStore(os.fspath(tmp_path_factory.mktemp("store") / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield torch.distributed.device_mesh.init_device_mesh("cpu", (1,))
    distributed.destroy_process_group()


class TestFsdp2:
    """``fully_shard`` puts itself into a module by its class too."""

    @pytest.fixture
    def sharded(self, one_process):
        from torch.distributed.fsdp import fully_shard

        def shard(model):
            fully_shard(model.proj, mesh=one_process)
            return fully_shard(model, mesh=one_process)

        return shard

    def test_before(self, stock, ours, sharded, patches):
        expected = stock(patches)
        expected.square().sum().backward()
        found = sharded(ours)
        assert isinstance(found.proj, PatchConv3d)
        made = found(patches)
        torch.testing.assert_close(made, expected)
        made.square().sum().backward()
        gradient = found.proj.weight.grad.full_tensor()
        torch.testing.assert_close(gradient, stock.proj.weight.grad, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("check", [True, False])
    @pytest.mark.parametrize("apart", [True, False])
    def test_after_it_is_left_alone_with_the_reason(
        self, stock, sharded, one_process, patches, apart, check
    ):
        """Sharded as a module of its own, or with all of the model."""
        from torch.distributed.fsdp import fully_shard

        expected, model = stock(patches), copy.deepcopy(stock)
        found = sharded(model) if apart else fully_shard(model, mesh=one_process)
        (finding,) = linearize(found, check=check).findings
        assert finding.outcome == "left alone"
        assert "sharded" in finding.reason or "overrides the computation" in finding.reason
        torch.testing.assert_close(found(patches), expected)
