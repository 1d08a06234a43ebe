"""Weights of a running engine: updated by every path, and refused without loss."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine_ext import status
from evals import checkpoints
from tests.engines.damage import MISSHAPEN, NAN, TRUNCATED, changed, damaged
from tests.engines.limits import OFF, ON

PROJECT = Path(__file__).parents[3]
LOGPROB_TOLERANCE = 2e-2  # bf16

# The projections of one have a bias, those of the other none.
FAMILIES = ["glm4v", "qwen2_5_vl"]
FORMATS = [None, "direct", "flattened_bucket"]
REFUSED = [NAN, MISSHAPEN, TRUNCATED]


def run(family, model, steps, **environ):
    """What each step of one engine gave (tests/engines/sglang/updating.py)."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.engines.sglang.updating"],
        input=json.dumps({"family": family, "model": model, "steps": steps}),
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env={**os.environ, **environ},
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads(done.stdout.splitlines()[-1])
    assert len(results) == len(steps), done.stderr[-3000:]
    return results


class Arms:
    """An engine with the extension that is updated, and stock engines that are not."""

    def __init__(self, family, folder, say):
        original, other = str(checkpoints.path(family)), changed(folder, family)
        bad = {damage: damaged(folder, family, damage) for damage in REFUSED}
        steps, labels, asked = [], [], {original: [], other: []}

        def add(label, step, served):
            """One step, and two images that nobody has seen about what serves then."""
            skip = 2 * sum(map(len, asked.values()))
            asked[served].append((label, skip))
            labels.extend([label, f"ask {label}"])
            steps.extend([step, ["ask", skip]])

        for load_format in FORMATS:
            add(f"tensor {load_format}", ["tensor", load_format, other], other)
            add(f"disk after {load_format}", ["disk", original], original)
        for damage, checkpoint in bad.items():
            add(f"disk {damage}", ["disk", checkpoint], original)
        add("tensor nan", ["tensor", None, bad[NAN]], original)
        add("disk at last", ["disk", other], other)

        say(f"SGLang, {family}: {len(steps)} steps of an engine with the extension (1 min)")
        lines = folder / "status.jsonl"
        found = run(family, original, steps, **ON, **{status.VARIABLE: str(lines)})
        self.found = dict(zip(labels, found, strict=True))
        self.lines = status.read(lines)
        self.expected = {}
        for model, questions in asked.items():
            say(f"SGLang, {family}: stock over {Path(model).name} (30 s)")
            replies = run(family, model, [["ask", skip] for _, skip in questions], **OFF)
            self.expected.update(zip((label for label, _ in questions), replies, strict=True))


@pytest.fixture(scope="module", params=FAMILIES)
def arms(request, tmp_path_factory, say):
    return Arms(request.param, tmp_path_factory.mktemp(request.param), say)


def assert_answers_as_a_fresh_stock_engine(arms, label):
    found, expected = arms.found[f"ask {label}"], arms.expected[label]
    assert found["tokens"] == expected["tokens"]
    assert found["logprobs"] == pytest.approx(expected["logprobs"], abs=LOGPROB_TOLERANCE)


@pytest.mark.parametrize("load_format", FORMATS)
def test_an_update_from_tensors_gives_what_a_fresh_stock_engine_gives(load_format, arms):
    label = f"tensor {load_format}"
    assert arms.found[label][0] is True
    assert_answers_as_a_fresh_stock_engine(arms, label)


@pytest.mark.parametrize("label", [f"disk after {f}" for f in FORMATS] + ["disk at last"])
def test_an_update_from_disk_gives_what_a_fresh_stock_engine_gives(label, arms):
    assert arms.found[label][0] is True
    assert_answers_as_a_fresh_stock_engine(arms, label)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (NAN, "visual.patch_embed.proj.weight: "),
        (MISSHAPEN, "Failed to update weights: "),
        (TRUNCATED, "Failed to update weights: "),
    ],
)
def test_a_checkpoint_that_fails_is_refused_and_nothing_is_lost(damage, message, arms):
    succeeded, said = arms.found[f"disk {damage}"]
    assert succeeded is False
    assert message in said
    assert_answers_as_a_fresh_stock_engine(arms, f"disk {damage}")


def test_tensors_that_are_not_finite_are_refused_and_nothing_is_lost(arms):
    succeeded, said = arms.found["tensor nan"]
    assert succeeded is False
    assert "update refused: visual.patch_embed.proj.weight: " in said
    assert "values are not finite" in said
    assert_answers_as_a_fresh_stock_engine(arms, "tensor nan")


def test_every_update_has_a_verified_status_line(arms):
    assert all(line["modules"][0]["difference"] < 1e-5 for line in arms.lines)
    assert [line["loads"] for line in arms.lines] == list(range(1, len(arms.lines) + 1))
