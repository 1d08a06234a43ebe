"""A model over several processes: the answers, the status lines and the updates of each layout."""

import pytest

from engine_ext import status
from evals import checkpoints
from tests.engines.damage import NAN, changed, damaged
from tests.engines.limits import IS_OLD_SGLANG, OFF, ON, slow
from tests.engines.sglang.offline import assert_same_answers, failure, run

pytestmark = [slow, pytest.mark.skipif(IS_OLD_SGLANG, reason="tried on newer ones")]


FAMILY = "glm4v"  # its projection has a bias
TWO_PROCESSES = {"SGLANG_CPU_OMP_THREADS_BIND": "0|1"}
TENSOR_PARALLEL = {"tp_size": 2}
OTHERS = {
    "tensor parallel 2, the tower data-parallel": {"tp_size": 2, "mm_enable_dp_encoder": True},
    "pipeline parallel 2": {"pp_size": 2},
}


class Arms:
    """The same steps of an engine with the extension and of one without, in one layout.

    Stock takes no update that is to be refused: it would serve it.
    """

    def __init__(self, settings, steps, folder, say):
        """``steps``: label to (step, whether it is to be refused)."""
        model = str(checkpoints.path(FAMILY))
        lines = folder / "status.jsonl"
        self.found, self.expected = {}, {}
        for arm, switch in ((self.found, ON), (self.expected, OFF)):
            say(f"SGLang, {FAMILY}, {settings}, {switch} (40 s)")
            stock = arm is self.expected
            taken = {name: s for name, (s, refused) in steps.items() if not (refused and stock)}
            environ = {**TWO_PROCESSES, **switch, status.VARIABLE: str(lines)}
            results = run(FAMILY, model, list(taken.values()), settings, **environ)
            arm.update(zip(taken, results, strict=True))
        self.lines = status.read(lines)

    def ranks(self):
        """The processes that have written status lines, and the loads that each has verified."""
        loads = {}
        for line in self.lines:
            assert line["modules"][0]["difference"] < 1e-5
            loads.setdefault(line["pid"], []).append(line["loads"])
        return loads


@pytest.fixture(scope="module")
def arms(tmp_path_factory, say):
    folder = tmp_path_factory.mktemp("tensor-parallel")
    original, other = str(checkpoints.path(FAMILY)), changed(folder, FAMILY)
    nan = damaged(folder, FAMILY, NAN)
    steps = {
        "ask at first": (["ask", 0], False),
        "disk": (["disk", other], False),
        "ask disk": (["ask", 2], False),
        "disk, not finite": (["disk", nan], True),
        "ask disk, not finite": (["ask", 4], False),
        "tensors, not finite": (["tensor", None, nan], True),
        "ask tensors, not finite": (["ask", 6], False),
        "tensors": (["tensor", None, original], False),
        "ask tensors": (["ask", 8], False),
        "broadcast": (["distributed", None, other], False),
        "ask broadcast": (["ask", 10], False),
    }
    return Arms(TENSOR_PARALLEL, steps, folder, say)


@pytest.mark.shows("layouts", "tensor parallel 2")
def test_a_tensor_parallel_engine_answers_as_stock(arms):
    assert_same_answers(arms.found["ask at first"], arms.expected["ask at first"])


@pytest.mark.shows("layouts", "tensor parallel 2: each rank reports what it replaced")
def test_each_rank_writes_its_status_lines(arms):
    first, second = arms.ranks().values()
    assert first == second == list(range(1, len(first) + 1))


@pytest.mark.shows("layouts", "tensor parallel 2: update from {path}")
@pytest.mark.parametrize(
    ("path", "label"),
    [("disk", "disk"), ("tensors", "tensors"), ("a process group (gloo)", "broadcast")],
)
def test_an_update_of_all_ranks_gives_what_it_gives_on_stock(path, label, arms):
    assert arms.expected[label][0] is True
    assert arms.found[label][0] is True, arms.found[label]
    assert_same_answers(arms.found[f"ask {label}"], arms.expected[f"ask {label}"])


@pytest.mark.shows("refused updates", "from {path}, tensor parallel 2: values that are not finite")
@pytest.mark.parametrize("path", ["disk", "tensors"])
def test_all_ranks_refuse_weights_that_are_not_finite_and_go_on(path, arms):
    succeeded, said = arms.found[f"{path}, not finite"]
    assert succeeded is False
    assert "visual.patch_embed.proj.weight: " in said
    label = f"ask {path}, not finite"
    assert_same_answers(arms.found[label], arms.expected[label])


@pytest.mark.shows("layouts", "{layout}")
@pytest.mark.parametrize("layout", OTHERS)
def test_other_layouts_answer_as_stock_before_and_after_an_update(
    layout, tmp_path, say, record_property
):
    steps = {
        "at first": (["ask", 0], False),
        "update": (["disk", changed(tmp_path, FAMILY)], False),
        "updated": (["ask", 2], False),
    }
    arms = Arms(OTHERS[layout], steps, tmp_path, say)
    assert arms.expected["update"][0] is True
    assert arms.found["update"][0] is True, arms.found["update"]
    for label in ("at first", "updated"):
        assert_same_answers(arms.found[label], arms.expected[label])
    ranks = arms.ranks()
    assert list(ranks.values()) == [[1, 2], [1, 2]]
    record_property("found", f"{len(ranks)} processes hold the tower, each reports both loads")


@pytest.mark.shows("layouts", "tensor parallel 2, attention data-parallel")
def test_stock_runs_no_data_parallel_attention_on_this_cpu(record_property):
    said = failure(
        r"AttributeError: 'TorchNativeAttnBackend' object has no attribute '\w*cpu_graph\w*'",
        FAMILY,
        str(checkpoints.path(FAMILY)),
        {"tp_size": 2, "dp_size": 2, "enable_dp_attention": True},
        **TWO_PROCESSES,
        **OFF,
    )
    record_property("found", f"stock cannot here: {said}")
