"""Two nodes of one rank each, on this machine: the answers of stock in the same layout."""

import pytest

from evals.serving import status_lines
from evals.serving.engines import SGLANG
from evals.serving.servers import free_port
from tests.engines.deployed import another_command, deploy
from tests.engines.limits import DEFAULT, OFF, ON, VERSION, slow

pytestmark = [slow, pytest.mark.skipif(VERSION < (0, 5, 21), reason="tried on newer ones")]

FAMILY = "qwen2_5_vl"
BINDS = {"SGLANG_CPU_OMP_THREADS_BIND": "0|1"}
SIDES = {
    "by default on both": (DEFAULT, DEFAULT, []),
    "pixels named on both": (ON, ON, ["image", "video"]),
    "by default on the first, not loaded on the other": (DEFAULT, SGLANG.without_plugins, []),
}
"""Variables of each node, and what the first sends as pixels."""


def deploy_two(folder, first, second):
    """The first node, and the status lines of the second."""
    nodes = {"tp_size": 2, "nnodes": 2, "dist_init_addr": f"127.0.0.1:{free_port()}"}
    there = {**nodes, "node_rank": 1}
    with another_command(FAMILY, folder / "there", {**second, **BINDS}, **there) as lines:
        found = deploy(FAMILY, folder / "here", {**first, **BINDS}, **nodes, node_rank=0)
        return found, status_lines.of_models(lines)


@pytest.fixture(scope="module")
def stock(tmp_path_factory, say):
    say("SGLang, two nodes, stock (1 min)")
    return deploy_two(tmp_path_factory.mktemp("stock"), OFF, OFF)[0]


@pytest.mark.shows("layouts", "two nodes, {sides}")
@pytest.mark.parametrize("sides", SIDES)
def test_answers_are_those_of_stock_and_each_node_is_told(sides, stock, tmp_path, say):
    say(f"SGLang, two nodes, {sides} (1 min)")
    first, second, sends = SIDES[sides]
    found, there = deploy_two(tmp_path, first, second)
    assert found.rounds == stock.rounds
    assert found.report["problems"] == []
    (here,) = found.by_role("sender")
    assert here["sends"] == sends
    assert ("a node without the extension refuses them" in found.log) is bool(sends)
    assert len(found.by_role("model")) == 1
    assert len(there) == (second is not SGLANG.without_plugins)
