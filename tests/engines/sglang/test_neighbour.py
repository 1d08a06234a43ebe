"""A second plugin that hooks whatever the extension hooks: both act, and answers are stock's."""

import os

import pytest

from engine_ext import status
from engine_ext.sglang.interventions import INTERVENTIONS
from evals import checkpoints
from evals.serving import status_lines
from tests.engines.limits import HAS_PIXELS, IS_OLD_SGLANG, OFF, ON, slow
from tests.engines.sglang.offline import assert_same_answers, run

pytestmark = [slow, pytest.mark.skipif(IS_OLD_SGLANG, reason="this SGLang loads no plugins")]

FAMILY = "qwen2_5_vl"
FEATURES = "linear,mrope,pixels" if HAS_PIXELS else ON["ENGINE_EXT"]
TARGETS = [row.target.replace(":", ".") for row in INTERVENTIONS if row.hooked]
CALLED = ("get_model_architecture", "get_rope_index") + ("get_mm_processor",) * HAS_PIXELS
"""Of those, some that a request by this family calls."""

PLUGIN = """
import os

def register():
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType
    for target in os.environ["NEIGHBOUR_TARGETS"].split(","):
        HookRegistry.register(target, noting(target), HookType.AROUND)

def noting(target):
    def around(original, *args, **kwargs):
        with open(os.environ["NEIGHBOUR_CALLED"], "a") as file:
            print(target, file=file)
        return original(*args, **kwargs)
    return around
"""


@pytest.fixture
def neighbour(tmp_path):
    """Variables for an engine beside which another plugin is installed."""
    info = tmp_path / "neighbour-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: neighbour\nVersion: 1.0\n")
    entry_point = "[sglang.srt.plugins]\nneighbour = neighbour:register\n"
    (info / "entry_points.txt").write_text(entry_point)
    (tmp_path / "neighbour.py").write_text(PLUGIN)
    return {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
        "NEIGHBOUR_TARGETS": ",".join(TARGETS),
        "NEIGHBOUR_CALLED": str(tmp_path / "called"),
    }


@pytest.mark.shows("features", "another plugin that hooks the same functions")
def test_both_act_and_answers_are_those_of_stock(neighbour, tmp_path, say):
    say("SGLang beside another plugin, and stock (1 min)")
    model, lines = str(checkpoints.path(FAMILY)), tmp_path / "status.jsonl"
    ours = {"ENGINE_EXT": FEATURES, status.VARIABLE: str(lines)}
    found, expected = (
        run(FAMILY, model, [["ask", 0]], **environ) for environ in ({**neighbour, **ours}, OFF)
    )
    assert_same_answers(found[0], expected[0])
    (line,) = status_lines.of_models(lines)
    assert line["modules"][0]["difference"] < 1e-9
    called = (tmp_path / "called").read_text().split()
    for name in CALLED:
        assert any(target.endswith(f".{name}") for target in called), name
