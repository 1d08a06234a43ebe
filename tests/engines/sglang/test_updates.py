"""Weights of a running engine: updated by every path, and refused without loss."""

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
    """The same steps of an engine with the extension and of a stock engine.

    Stock takes no update that is to be refused, it would serve it: its caches are emptied instead.
    """

    def __init__(self, family, folder, say):
        original, other = str(checkpoints.path(family)), changed(folder, family)
        bad = {what: damaged(folder, family, damage) for what, damage in DAMAGES.items()}
        nan = bad["values that are not finite"]
        steps, refused = {}, set()

        def add(label, step, refuse=False):
            """One step, and two images that nobody has seen about what serves then."""
            steps[label] = step
            steps[f"ask {label}"] = ["ask", len(steps) - 1]
            if refuse:
                refused.add(label)

        for how, load_format in FORMATS.items():
            add(f"tensors {how}", ["tensor", load_format, other])
            add(f"disk after {how}", ["disk", original])
        for how, load_format in BROADCAST.items() if HAS_GROUPS else ():
            add(f"broadcast {how}", ["distributed", load_format, other])
            add(f"disk after broadcast {how}", ["disk", original])
        for what, checkpoint in bad.items():
            add(f"disk: {what}", ["disk", checkpoint], refuse=True)
        add("tensors: not finite", ["tensor", None, nan], refuse=True)
        if HAS_GROUPS:
            add("broadcast: not finite", ["distributed", None, nan], refuse=True)
        add("memory", ["memory"])
        add("disk at last", ["disk", other])
        last = steps["ask disk at last"]
        steps |= {"flush": ["flush"], "ask flush": last, "ask again": last, "ipc": ["ipc"]}

        say(f"SGLang, {family}: {len(steps)} steps of an engine with the extension (1 min)")
        lines = folder / "status.jsonl"
        found = run(family, original, list(steps.values()), **ON, **{status.VARIABLE: str(lines)})
        self.found = dict(zip(steps, found, strict=True))
        self.lines = status.read(lines)
        say(f"SGLang, {family}: the same steps of stock (1 min)")
        spared = [["flush"] if label in refused else step for label, step in steps.items()]
        self.expected = dict(zip(steps, run(family, original, spared, **OFF), strict=True))


@pytest.fixture(scope="module", params=FAMILIES)
def arms(request, tmp_path_factory, say):
    return Arms(request.param, tmp_path_factory.mktemp(request.param), say)


def assert_answers_as_stock(arms, label):
    assert_same_answers(arms.found[f"ask {label}"], arms.expected[f"ask {label}"])


def assert_taken_as_by_stock(arms, label):
    assert arms.expected[label][0] is True, arms.expected[label]
    assert arms.found[label][0] is True, arms.found[label]
    assert_answers_as_stock(arms, label)


@pytest.mark.shows("weight paths", "update from tensors, {how}")
@pytest.mark.parametrize("how", FORMATS)
def test_an_update_from_tensors_gives_what_it_gives_on_stock(how, arms):
    assert_taken_as_by_stock(arms, f"tensors {how}")


@with_groups
@pytest.mark.shows("weight paths", "update from a process group (gloo), {how}")
@pytest.mark.parametrize("how", BROADCAST)
def test_an_update_by_broadcast_gives_what_it_gives_on_stock(how, arms):
    assert_taken_as_by_stock(arms, f"broadcast {how}")


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
def test_an_update_from_disk_gives_what_it_gives_on_stock(label, arms):
    assert_taken_as_by_stock(arms, label)


@pytest.mark.shows("features", "cache of image embeddings")
def test_an_image_seen_before_gets_the_same_answer(arms):
    """Where the cache of prefixes has been emptied, which would answer before this one."""
    assert arms.found["ask flush"]["cached"] == arms.found["ask disk at last"]["cached"]
    assert arms.found["ask flush"]["tokens"] == arms.found["ask disk at last"]["tokens"]
    assert_answers_as_stock(arms, "flush")


@pytest.mark.shows("features", "cache of prefixes (radix cache)")
def test_a_prefix_in_the_cache_gives_the_same_answer(arms):
    assert arms.found["ask again"]["cached"] > arms.found["ask flush"]["cached"]
    assert arms.found["ask again"]["tokens"] == arms.found["ask flush"]["tokens"]
    assert_answers_as_stock(arms, "again")


def test_the_cache_of_prefixes_holds_what_it_holds_on_stock(arms):
    found, expected = (
        {label: came["cached"] for label, came in arm.items() if label.startswith("ask ")}
        for arm in (arms.found, arms.expected)
    )
    assert found == expected


@pytest.mark.shows("refused updates", "from disk: {what}")
@pytest.mark.parametrize("what", DAMAGES)
def test_a_checkpoint_that_fails_is_refused_and_nothing_is_lost(what, arms):
    succeeded, said = arms.found[f"disk: {what}"]
    assert succeeded is False
    # The loader itself refuses another shape and a file that ends early.
    by_us = DAMAGES[what] == NAN
    assert ("visual.patch_embed.proj.weight: " if by_us else "Failed to update weights: ") in said
    assert_answers_as_stock(arms, f"disk: {what}")


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
    assert_answers_as_stock(arms, label)


@pytest.mark.shows("weight paths", "release and resume memory, without the memory saver")
def test_memory_released_and_resumed_leaves_the_answers(arms, record_property):
    assert arms.found["memory"][0] is True
    assert_answers_as_stock(arms, "memory")
    record_property("found", "without the memory saver SGLang keeps the weights where they are")


@slow
@pytest.mark.shows("weight paths", "release and resume memory, with the memory saver")
def test_stock_has_no_memory_saver_for_a_cpu(record_property):
    missing = r"ModuleNotFoundError: No module named 'torch_memory_saver'"
    model = str(checkpoints.path("glm4v"))
    said = failure(missing, "glm4v", model, {"enable_memory_saver": True}, **OFF)
    record_property("found", f"stock cannot here: {said}")


@pytest.mark.shows("weight paths", "update by IPC (checkpoint engine)")
def test_stock_has_no_checkpoint_engine_here(arms, record_property):
    assert arms.found["ipc"] == arms.expected["ipc"]
    succeeded, said = arms.expected["ipc"]
    assert succeeded is False
    assert "checkpoint-engine is not installed" in said
    record_property("found", "stock cannot here: ImportError: checkpoint-engine is not installed")


def test_every_update_has_a_verified_status_line(arms):
    assert all(line["modules"][0]["difference"] < 1e-5 for line in arms.lines)
    assert [line["loads"] for line in arms.lines] == list(range(1, len(arms.lines) + 1))
