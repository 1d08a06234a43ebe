"""Models for text alone: as stock, and the status says that there is nothing to replace."""

import json
from pathlib import Path

import pytest

from engine_ext import status
from evals import checkpoints
from evals.checkpoints.copies import copy_with
from evals.serving import status_lines
from evals.serving.sglang_loader import load
from tests.engines.describe import describe
from tests.engines.limits import DEFAULT, HAS_PIXELS, OFF, VERSION, slow
from tests.engines.sglang.offline import run

FAMILY = "qwen3_vl"  # of which SGLang builds no tower then
PROMPT = "Which digit is shown?"
PROCESSORS = ("preprocessor_config.json", "video_preprocessor_config.json")
NAMED = {"ENGINE_EXT": "linear,mrope,pixels" if HAS_PIXELS else "linear,mrope"}

pytestmark = pytest.mark.skipif(VERSION < (0, 5, 21), reason="tried on newer ones")


def checkpoint_for_text(folder, family=FAMILY, has_processors=True):
    """A checkpoint that says ``language_model_only`` and has no weights of a tower."""

    def without_tower(weights):
        for name in [name for name in weights if ".visual." in name]:
            del weights[name]

    path = Path(copy_with(checkpoints.path(family), folder / f"{family}-text", without_tower))
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "language_model_only": True}))
    for name in () if has_processors else PROCESSORS:
        (path / name).unlink()
    return str(path)


def assert_nothing_to_replace(lines):
    (line,) = lines
    assert line["modules"] == line["left_alone"] == []


@pytest.mark.parametrize("family", checkpoints.FAMILIES)
@pytest.mark.parametrize("named", ["", NAMED["ENGINE_EXT"]])
def test_a_checkpoint_for_text_alone_loads(family, named, extended, tmp_path, status_lines, caplog):
    """SGLang builds towers of some families all the same, and loads no weights into them."""
    caplog.set_level("INFO")
    with extended(named):
        model = load(checkpoint_for_text(tmp_path, family))
    assert describe(model)["linear"] == []
    assert_nothing_to_replace(status_lines())
    assert "nothing to replace here: it is for text alone" in caplog.text


@pytest.mark.shows("layouts", "{only} only")
@pytest.mark.parametrize("named", ["", NAMED["ENGINE_EXT"]])
@pytest.mark.parametrize("only", ["language", "encoder"])
def test_a_launch_for_one_half_of_the_model_loads(only, named, extended, status_lines):
    """SGLang's disaggregated encoders: one server holds the tower, another answers."""
    settings = {f"{only}_only": True}
    if only == "language":
        settings["encoder_urls"] = ["http://127.0.0.1:9"]
    with extended(named):
        found = describe(load(str(checkpoints.path("qwen2_5_vl")), **settings))
    if only == "language":
        assert found["linear"] == []
        assert_nothing_to_replace(status_lines())
    else:
        assert found["linear"] == ["visual.patch_embed.proj"] * bool(named)
        (line,) = status_lines()
        assert len(line["modules"]) == bool(named)


@pytest.mark.parametrize(
    ("switch", "has_processors"),
    [
        pytest.param(NAMED, False, id="named, without processors"),
        pytest.param(NAMED, True, id="named, with processors", marks=slow),
        pytest.param(DEFAULT, False, id="default, without processors", marks=slow),
        pytest.param(DEFAULT, True, id="default, with processors", marks=slow),
    ],
)
@pytest.mark.shows("features", "a checkpoint that says language_model_only")
def test_an_engine_for_text_alone_answers_as_stock(switch, has_processors, tmp_path, say):
    model = checkpoint_for_text(tmp_path, has_processors=has_processors)
    steps = [["text", PROMPT], ["outcome", 0], ["text", PROMPT]]
    lines = tmp_path / "status.jsonl"
    say(f"SGLang, {FAMILY} for text alone, extension on and off (1 min)")
    found = run(FAMILY, model, steps, **{**switch, status.VARIABLE: str(lines)})
    assert found == run(FAMILY, model, steps, **OFF)
    assert_nothing_to_replace(status_lines.of_models(lines))
