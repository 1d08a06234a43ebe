"""What a projection and the stages of an image cost here, and the model they are sized by."""

import json
import re
import sys

import pytest
import torch

from engine_ext.cli import main
from engine_ext.doctor import examine as doctor
from engine_ext.doctor import stages
from engine_ext.doctor.checkpoint import NoProjection, Projection, folder_of, of_checkpoint
from engine_ext.doctor.lines import lines
from engine_ext.doctor.measure import NotKnown, advice, measure, rounded
from evals import checkpoints
from tests.doctor.test_examine import ENGINE

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
        ("[" * 100_000, "is no JSON"),
        (sizes(hidden_size=16384, patch_size=64), "402653184 values, expected at most 67108864"),
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


def test_what_is_gained_is_said_of_a_tower_and_of_a_request():
    slow = {"conv_ms": 31.0, "product_ms": 1.0, "ratio": 31.0}
    assert advice(slow, rest=970.0, before=200.0) == (
        "little to gain where the engine convolves (`stock runs` says whether yours does):"
        " 30 ms an image, of 1,000 ms in the tower, 1,000 ms of a request"
    )
    assert "much to gain" in advice(slow, rest=10.0)
    assert "--model says what part" in advice(slow)


@pytest.mark.parametrize(
    ("number", "said"), [(0.0347, "0.03"), (1.96, "2"), (43.0, "40"), (1234.0, "1,000"), (0, "0")]
)
def test_figures_are_rounded_to_one_that_counts(number, said):
    assert rounded(number) == said


def cached(folder, name, config):
    """A model as huggingface_hub keeps it."""
    model = folder / f"models--{name.replace('/', '--')}"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("c0ffee")
    snapshot = model / "snapshots" / "c0ffee"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(config)
    return snapshot


def test_a_model_of_the_local_cache_goes_by_its_id(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    snapshot = cached(tmp_path, "owner/a-model", sizes())
    assert folder_of("owner/a-model") == snapshot
    assert of_checkpoint(folder_of("owner/a-model")).side == 14


@pytest.mark.parametrize("name", ["owner/unknown", "unknown"])
def test_an_id_that_is_not_cached_is_said_with_the_command_that_gets_it(
    name, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--measure", "--model", name]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert f"{name}: no folder here, and not in the cache" in said
    assert f"`hf download {name} --include '*config.json'`" in said


def test_what_can_be_no_id_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoProjection, match=r"a--b/c: no folder here, and .* Cannot have --"):
        folder_of("a--b/c")


def test_without_huggingface_hub_there_is_no_cache(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(NoProjection, match=r"owner/model: .* not looked for in a cache: .*hugging"):
        folder_of("owner/model")


@pytest.mark.parametrize("name", ["/no/folder", "./owner/model", "a/b/c", "model.bin"])
def test_what_is_a_path_is_no_id(name, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.bin").write_bytes(bytes(range(256)))
    assert main(["doctor", "--measure", "--model", name]) == 2
    assert "expected the folder of a model" in capsys.readouterr().err


@pytest.fixture(scope="module")
def image():
    """The stages of an image, by the processor and the tower of a tiny checkpoint."""
    return stages.stages(checkpoints.path("qwen2_5_vl"))


def test_an_image_is_timed_by_stages(image):
    assert list(image) == ["decode", "process", "identity", "copy", "tower"]
    for name in ("decode", "process", "identity", "tower"):
        assert image[name]["ms"] > 0
    for name in ("process", "identity"):
        assert image[name]["pixels_ms"] > 0
    tower = image["tower"]
    assert 0 < tower["measured"] <= tower["patches"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="for a machine without a GPU")
def test_without_a_gpu_nothing_is_copied_to_it(image):
    assert image["copy"] == {"none": "there is no GPU"}


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen3_vl", "glm4v"])
def test_the_towers_of_the_other_families_are_built(family):
    assert stages.stages(checkpoints.path(family))["tower"]["ms"] > 0


def test_without_a_model_the_stages_before_the_tower_are_those_of_qwen3_vl_8b():
    found = stages.stages(None)
    assert found["identity"]["ms"] > 0
    assert found["tower"] == {"not_known": "--model names none"}


@pytest.mark.parametrize("library", ["transformers", "PIL"])
def test_where_a_library_is_missing_stages_are_not_known(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    found = stages.stages(None)
    assert library in found["process"]["not_known"]
    assert library in found["tower"]["not_known"]
    assert ("ms" in found["decode"]) is (library == "transformers")


def test_where_torch_is_missing_nothing_is_known(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "torch" in stages.measured(None)["not_known"]


def other(folder, **changed):
    """A copy of a tiny checkpoint's configuration, with other sizes."""
    source = checkpoints.path("qwen2_5_vl")
    config = json.loads((source / "config.json").read_text())
    config["vision_config"] |= changed.pop("vision", {})
    (folder / "config.json").write_text(json.dumps(config))
    processor = json.loads((source / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps(processor | changed))
    return folder


@pytest.mark.parametrize(
    ("changed", "stage", "said"),
    [
        ({"vision": {"depth": 10**9}}, "tower", "it has 1000000000 blocks, expected at most 128"),
        (
            {"vision": {"intermediate_size": 10**9}},
            "tower",
            "parameters, expected at most 1000000000",
        ),
        (
            {"min_pixels": 10**12, "max_pixels": 10**13},
            "process",
            "patches, expected at most 65536",
        ),
        (
            {"image_processor_type": "CLIPImageProcessor"},
            "process",
            "expected one of transformers'",
        ),
        ({"image_processor_type": "NoSuchProcessor"}, "process", ""),
    ],
)
def test_made_up_sizes_allocate_nothing(changed, stage, said, tmp_path):
    found = stages.stages(other(tmp_path, **changed))
    assert said in found[stage]["not_known"]


def test_each_stage_is_a_line_with_what_shortens_it(image):
    found = {**measure(SMALL), "image": image, "advice": "", "before_tower_ms": 90.0}
    engines = {"sglang": ENGINE}
    report = {
        **doctor.examine({}),
        "engines": engines,
        "measured": {**found, "pixels_save_ms": 70.0},
    }
    said = "\n".join(lines(report))
    assert re.search(
        r"  process +\S+ ms, with `pixels` \S+; on the CPU.*`resize`.*--mm-process-config", said
    )
    assert re.search(r"  identity +\S+ ms, with `pixels` \S+; SHA-256", said)
    assert "`pixels` saves 70 of 90 ms before the tower" in said


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

    def noted(projection):
        measured.append(projection)
        raise NotKnown("not timed in this test")

    monkeypatch.setattr(stages, "measure", noted)
    main(["doctor", "--measure", "--json"])
    main(["doctor", "--measure", "--json", "--model", str(tmp_path)])
    by_default, of_the_model = measured
    assert by_default == of_the_model
