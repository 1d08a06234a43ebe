"""What a projection costs here, and the model it is sized by."""

import json

import pytest

from engine_ext.cli import main
from engine_ext.measure import (
    NoProjection,
    Projection,
    advice,
    measure,
    of_checkpoint,
)
from evals import checkpoints

SMALL = Projection(width=8, channels=3, frames=2, side=108)


def test_both_are_timed_over_an_image():
    found = measure(SMALL)
    assert found["patches"] == 10 * 17
    assert found["measured"] <= found["patches"]
    assert found["conv_ms"] > 0
    assert found["ratio"] == pytest.approx(found["conv_ms"] / found["product_ms"])
    assert found["path"]


@pytest.mark.parametrize(("family", "side"), [("qwen2_vl", 14), ("qwen3_vl", 16), ("glm4v", 14)])
def test_a_checkpoint_says_its_sizes(family, side):
    assert of_checkpoint(checkpoints.path(family)) == Projection(64, 3, 2, side)


def test_qwen2_vl_calls_the_width_embed_dim(tmp_path):
    vision = {"embed_dim": 1280, "hidden_size": 3584, "patch_size": 14, "temporal_patch_size": 2}
    (tmp_path / "config.json").write_text(json.dumps({"vision_config": vision}))
    assert of_checkpoint(tmp_path).width == 1280


def sizes(**other):
    vision = {"hidden_size": 64, "patch_size": 14, "temporal_patch_size": 2, **other}
    return json.dumps({"vision_config": vision})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file or directory; expected the folder of a model"),
        ("{", "is no JSON"),
        ('{"model_type": "llama"}', "has no vision_config; found model_type"),
        ('{"vision_config": {"patch_size": 14}}', "no embed_dim or hidden_size, no temporal_patch"),
        ("[]", "holds a list, expected an object of JSON"),
        ("\x00\udc80", "is no JSON"),
        (sizes(patch_size=5000), "says side 5000, expected 1 to 64"),
        (sizes(patch_size=-14), "says side -14, expected 1 to 64"),
        (sizes(hidden_size=10**9), "says width 1000000000, expected 1 to 16384"),
        (sizes(in_channels="3"), "says channels '3', expected 1 to 16"),
        (sizes(temporal_patch_size=True), "says frames True, expected 1 to 16"),
    ],
)
def test_a_folder_without_a_projection_is_said(tmp_path, text, said, capsys):
    if text is not None:
        (tmp_path / "config.json").write_text(text, errors="surrogateescape")
    with pytest.raises(NoProjection, match=said):
        of_checkpoint(tmp_path)
    assert main(["doctor", "--measure", "--model", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("conv", "said"), [(1.0, "nothing to gain"), (3.0, "something to gain"), (30.0, "much to gain")]
)
def test_the_advice_goes_by_the_ratio(conv, said):
    assert said in advice({"conv_ms": conv, "product_ms": 1.0, "ratio": conv})


def test_a_model_without_measure_is_a_mistake(capsys):
    with pytest.raises(SystemExit):
        main(["doctor", "--model", "."])
    assert "--model is for --measure" in capsys.readouterr().err


def test_without_a_model_the_sizes_are_those_of_qwen3_vl_8b(tmp_path, monkeypatch):
    """As its published ``config.json`` has them."""
    published = {
        "depth": 27,
        "hidden_size": 1152,
        "in_channels": 3,
        "out_hidden_size": 4096,
        "patch_size": 16,
        "temporal_patch_size": 2,
    }
    (tmp_path / "config.json").write_text(json.dumps({"vision_config": published}))
    measured = []
    monkeypatch.setattr("engine_ext.measure.measure", lambda sizes: measured.append(sizes))
    main(["doctor", "--measure", "--json"])
    main(["doctor", "--measure", "--json", "--model", str(tmp_path)])
    by_default, of_the_model = measured
    assert by_default == of_the_model
