"""Weights of a running engine: updated by every path, and refused without loss."""

from pathlib import Path

import pytest

from engine_ext import status
from evals import checkpoints
from tests.engines.damage import MISSHAPEN, NAN, TRUNCATED, changed, damaged
from tests.engines.limits import OFF, ON, VERSION, slow
from tests.engines.sglang.offline import assert_same_answers, failure, run

# The projections of one have a bias, those of the other none.
FAMILIES = ["glm4v", pytest.param("qwen2_5_vl", marks=slow)]
FORMATS = {
    "by the loader": None,
    "direct": "direct",
    "in a flattened bucket": "flattened_bucket",
}
BROADCAST = {how: FORMATS[how] for how in ("by the loader", "in a flattened bucket")}
HAS_GROUPS = VERSION >= (0, 5, 9)
"""SGLang 0.5.8 compares versions of torch as text: "2.13" comes before "2.6" for it."""
with_groups = pytest.mark.skipif(not HAS_GROUPS, reason="stock cannot set up a process group here")

DAMAGES = {
    "values that are not finite": NAN,
    "another shape": MISSHAPEN,
    "a truncated file": TRUNCATED,
}


class Arms:
    """An engine with the extension that is updated, and stock engines that are not."""

    def __init__(self, family, folder, say):
        original, other = str(checkpoints.path(family)), changed(folder, family)
        bad = {what: damaged(folder, family, damage) for what, damage in DAMAGES.items()}
        nan = bad["values that are not finite"]
        steps, labels, asked = [], [], {original: [], other: []}

        def add(label, step, served):
            """One step, and two images that nobody has seen about what serves then."""
            skip = 2 * sum(map(len, asked.values()))
            asked[served].append((label, skip))
            labels.extend([label, f"ask {label}"])
            steps.extend([step, ["ask", skip]])

        for how, load_format in FORMATS.items():
            add(f"tensors {how}", ["tensor", load_format, other], other)
            add(f"disk after {how}", ["disk", original], original)
        for how, load_format in BROADCAST.items() if HAS_GROUPS else ():
            add(f"broadcast {how}", ["distributed", load_format, other], other)
            add(f"disk after broadcast {how}", ["disk", original], original)
        for what, checkpoint in bad.items():
            add(f"disk: {what}", ["disk", checkpoint], original)
        add("tensors: not finite", ["tensor", None, nan], original)
        if HAS_GROUPS:
            add("broadcast: not finite", ["distributed", None, nan], original)
        add("memory", ["memory"], original)
        add("disk at last", ["disk", other], other)
        last = ["ask", asked[other][-1][1]]
        steps.append(last)
        labels.append("ask again")

        say(f"SGLang, {family}: {len(steps)} steps of an engine with the extension (1 min)")
        lines = folder / "status.jsonl"
        found = run(family, original, steps, **ON, **{status.VARIABLE: str(lines)})
        self.found = dict(zip(labels, found, strict=True))
        self.lines = status.read(lines)
        self.expected = {}
        for model, questions in asked.items():
            say(f"SGLang, {family}: stock over {Path(model).name} (30 s)")
            asks = [["ask", skip] for _, skip in questions]
            *replies, again, ipc = run(family, model, [*asks, asks[-1], ["ipc"]], **OFF)
            self.expected.update(zip((label for label, _ in questions), replies, strict=True))
            self.expected["again"], self.stock_ipc = again, ipc  # of the other checkpoint, at last


@pytest.fixture(scope="module", params=FAMILIES)
def arms(request, tmp_path_factory, say):
    return Arms(request.param, tmp_path_factory.mktemp(request.param), say)


def assert_answers_as_a_fresh_stock_engine(arms, label):
    assert_same_answers(arms.found[f"ask {label}"], arms.expected[label])


@pytest.mark.shows("weight paths", "update from tensors, {how}")
@pytest.mark.parametrize("how", FORMATS)
def test_an_update_from_tensors_gives_what_a_fresh_stock_engine_gives(how, arms):
    assert arms.found[f"tensors {how}"][0] is True
    assert_answers_as_a_fresh_stock_engine(arms, f"tensors {how}")


@with_groups
@pytest.mark.shows("weight paths", "update from a process group (gloo), {how}")
@pytest.mark.parametrize("how", BROADCAST)
def test_an_update_by_broadcast_gives_what_a_fresh_stock_engine_gives(how, arms):
    assert arms.found[f"broadcast {how}"][0] is True, arms.found[f"broadcast {how}"]
    assert_answers_as_a_fresh_stock_engine(arms, f"broadcast {how}")


@pytest.mark.skipif(HAS_GROUPS, reason="stock sets up a process group here")
@pytest.mark.shows("weight paths", "update from a process group (gloo)")
def test_stock_sets_up_no_process_group_with_this_torch(record_property):
    model = str(checkpoints.path("glm4v"))
    step = ["distributed", None, model]
    said = failure(
        r"_new_process_group_helper[^\n]*'pg_options'", "glm4v", model, {}, [step], **OFF
    )
    record_property("found", f"stock cannot here: TypeError: {said}")


@pytest.mark.shows("weight paths", "update from disk")
@pytest.mark.parametrize(
    "label",
    [
        *(f"disk after {how}" for how in FORMATS),
        *(f"disk after broadcast {how}" for how in BROADCAST if HAS_GROUPS),
        "disk at last",
    ],
)
def test_an_update_from_disk_gives_what_a_fresh_stock_engine_gives(label, arms):
    assert arms.found[label][0] is True
    assert_answers_as_a_fresh_stock_engine(arms, label)


@pytest.mark.shows("features", "cache of image embeddings")
def test_an_image_seen_before_gets_the_same_answer(arms):
    assert arms.found["ask again"]["cached"] == 0, "not by the cache of prefixes"
    assert arms.found["ask again"]["tokens"] == arms.found["ask disk at last"]["tokens"]
    assert_answers_as_a_fresh_stock_engine(arms, "again")


@pytest.mark.shows("refused updates", "from disk: {what}")
@pytest.mark.parametrize("what", DAMAGES)
def test_a_checkpoint_that_fails_is_refused_and_nothing_is_lost(what, arms):
    succeeded, said = arms.found[f"disk: {what}"]
    assert succeeded is False
    # The loader itself refuses another shape and a file that ends early.
    by_us = DAMAGES[what] == NAN
    assert ("visual.patch_embed.proj.weight: " if by_us else "Failed to update weights: ") in said
    assert_answers_as_a_fresh_stock_engine(arms, f"disk: {what}")


@pytest.mark.shows("refused updates", "from {path}: values that are not finite")
@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("tensors", "tensors: not finite"),
        pytest.param("a process group (gloo)", "broadcast: not finite", marks=with_groups),
    ],
)
def test_tensors_that_are_not_finite_are_refused_and_nothing_is_lost(path, label, arms):
    succeeded, said = arms.found[label]
    assert succeeded is False
    assert "visual.patch_embed.proj.weight: " in said
    assert "values are not finite" in said
    assert_answers_as_a_fresh_stock_engine(arms, label)


@pytest.mark.shows("weight paths", "release and resume memory, without the memory saver")
def test_memory_released_and_resumed_leaves_the_answers(arms, record_property):
    assert arms.found["memory"][0] is True
    assert_answers_as_a_fresh_stock_engine(arms, "memory")
    record_property("found", "without the memory saver SGLang keeps the weights where they are")


@pytest.mark.shows("weight paths", "release and resume memory, with the memory saver")
def test_stock_has_no_memory_saver_for_a_cpu(record_property):
    missing = r"ModuleNotFoundError: No module named 'torch_memory_saver'"
    model = str(checkpoints.path("glm4v"))
    said = failure(missing, "glm4v", model, {"enable_memory_saver": True}, **OFF)
    record_property("found", f"stock cannot here: {said}")


@pytest.mark.shows("weight paths", "update by IPC (checkpoint engine)")
def test_stock_has_no_checkpoint_engine_here(arms, record_property):
    succeeded, said = arms.stock_ipc
    assert succeeded is False
    assert "checkpoint-engine is not installed" in said
    record_property("found", "stock cannot here: ImportError: checkpoint-engine is not installed")


def test_every_update_has_a_verified_status_line(arms):
    assert all(line["modules"][0]["difference"] < 1e-5 for line in arms.lines)
    assert [line["loads"] for line in arms.lines] == list(range(1, len(arms.lines) + 1))
