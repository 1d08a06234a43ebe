"""Two processes that share a tower of transformers: after ``linearize`` as stock, before and after.

Tensor parallelism and FSDP in each form that torch has, over gloo.
"""

import copy
import os

import pytest
import torch

from engine_ext.patch_embed import linearize
from evals import checkpoints

pytest.importorskip("transformers")
if not torch.distributed.is_available():
    pytest.skip("torch without distributed", allow_module_level=True)

from torch.distributed.tensor import distribute_module
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    RowwiseParallel,
    SequenceParallel,
    parallelize_module,
)

RANKS, SECONDS = 2, 60
FAMILY, PROJECTION = "qwen2_5_vl", "patch_embed.proj"
GRIDS = [[1, 8, 8], [2, 4, 4]]
BLOCKS = {
    "blocks.*.mlp.gate_proj": ColwiseParallel(),
    "blocks.*.mlp.up_proj": ColwiseParallel(),
    "blocks.*.mlp.down_proj": RowwiseParallel(),
}


def by(plan):
    return lambda tower, mesh: parallelize_module(tower, mesh, plan)


def fsdp2(tower, mesh):
    from torch.distributed.fsdp import fully_shard

    return fully_shard(tower, mesh=mesh)


def fsdp1(keeps_parameters):
    def shard(tower, mesh):
        from torch.distributed.fsdp import FullyShardedDataParallel

        cpu = torch.device("cpu")
        return FullyShardedDataParallel(tower, use_orig_params=keeps_parameters, device_id=cpu)

    return shard


SHARDED = {
    "its blocks": by(BLOCKS),
    "the projection along the sequence": by(
        {**BLOCKS, PROJECTION: SequenceParallel(sequence_dim=0, use_local_output=True)}
    ),
    "the projection by columns": by({PROJECTION: ColwiseParallel()}),
    "all of it replicated": distribute_module,
    "FSDP2": fsdp2,
    "FSDP1": fsdp1(True),
    "FSDP1, flat parameters": fsdp1(False),
}
REPLACED_AFTER = {"its blocks", "the projection by columns", "FSDP1, flat parameters"}
"""What leaves the projection as it is, and what keeps its parameter as a view."""
REFUSED = {
    "the projection by columns": "NotImplementedError: ColwiseParallel currently only support",
    "all of it replicated": "RuntimeError: aten.",
}
"""By torch, which has no such way, or is given plain tensors beside those of a mesh."""
ORDERS = ("stock", "before", "after", "after, unchecked")


def what_comes(tower, mesh, shard, order, rows):
    """The output of a tower of a rank and the squares of its gradients, or what is refused."""
    if order == "before":
        linearize(tower)
    said = ""
    try:
        made = shard(tower, mesh)
    except NotImplementedError as error:
        made, said = tower, f"NotImplementedError: {error}"
    outcome = ""
    if order.startswith("after"):
        (finding,) = linearize(made, check=order == "after").findings
        outcome = finding.outcome
    try:
        output = made(rows, grid_thw=torch.tensor(GRIDS)).pooler_output
        output.square().mean().backward()
    except RuntimeError as error:
        return f"RuntimeError: {error}", outcome
    squares = sum(p.grad.square().sum() for p in made.parameters() if p.grad is not None)
    squares = squares.full_tensor() if hasattr(squares, "full_tensor") else squares
    return said or (output.detach(), float(squares)), outcome


def work(rank, store, results):
    from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as qwen

    torch.set_num_threads(1)
    distributed = torch.distributed
    distributed.init_process_group(
        "gloo", store=distributed.FileStore(store, RANKS), rank=rank, world_size=RANKS
    )
    mesh = distributed.device_mesh.init_device_mesh("cpu", (RANKS,))
    torch.manual_seed(0)
    config = qwen.Qwen2_5_VLConfig.from_pretrained(checkpoints.path(FAMILY)).vision_config
    tower = qwen.Qwen2_5_VisionTransformerPretrainedModel(config).eval()
    width = tower.get_submodule(PROJECTION).weight[0].numel()
    rows = torch.randn(int(torch.tensor(GRIDS).prod(1).sum()), width)
    found = {
        (how, order): what_comes(copy.deepcopy(tower), mesh, shard, order, rows)
        for how, shard in SHARDED.items()
        for order in ORDERS
    }
    if rank == 0:
        torch.save(found, results)
    distributed.barrier()
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What comes of each way, in each order."""
    folder = tmp_path_factory.mktemp("ranks")
    store, results = (os.fspath(folder / name) for name in ("store", "results"))
    torch.multiprocessing.spawn(work, (store, results), nprocs=RANKS)
    return torch.load(results)


@pytest.mark.parametrize("order", ORDERS[1:])
@pytest.mark.parametrize("how", SHARDED)
def test_a_tower_of_two_ranks_gives_what_it_gives_on_stock(how, order, outcomes):
    (expected, _), (found, outcome) = outcomes[how, "stock"], outcomes[how, order]
    if how in REFUSED:
        assert expected.startswith(REFUSED[how])
        assert found.startswith(REFUSED[how])
    else:
        torch.testing.assert_close(found[0], expected[0], rtol=1e-4, atol=1e-5)
        assert found[1] == pytest.approx(expected[1], rel=1e-4)
    if order != "before":
        assert outcome == ("replaced" if how in REPLACED_AFTER else "left alone")
