"""What loads with the extension, and what must not load."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from engine_ext import status
from engine_ext.patch_embed import VerificationError
from evals import checkpoints
from evals.checkpoints.copies import copy_pickled, copy_without_weights, kernel_of
from evals.serving.engines import SGLANG
from evals.serving.servers import ServerFailed, cpu_server
from evals.serving.sglang_loader import load, server_args
from tests.engines.damage import HALF, MISSHAPEN, MISSING, NAN, RENAMED, ZERO, damaged
from tests.engines.describe import describe
from tests.engines.limits import NAME, ON, VERSION, families, slow
from tests.engines.quantized import QUANTIZED, quantized

EQUAL_WEIGHTS = "weights equal, and verified"


@pytest.mark.parametrize("family", families())
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (NAN, r"visual\.patch_embed\.proj\.weight: (196|256) of \d+ values are not finite"),
        (ZERO, r"visual\.patch_embed\.proj\.weight: all \d+ values are zero"),
        (MISSING, r"visual\.patch_embed\.proj\.weight: .* never loaded"),
    ],
)
def test_damaged_weights_stop_the_load_naming_the_module(
    damage, message, family, extended, tmp_path
):
    model = damaged(tmp_path, family, damage)
    with extended(), pytest.raises(VerificationError, match=message):
        load(model)


@pytest.mark.parametrize("family", families())
def test_a_renamed_weight_stops_the_load(family, extended, tmp_path):
    """Qwen2-VL's own loader refuses the name; the others skip it, and stock would serve noise."""
    model = damaged(tmp_path, family, RENAMED)
    stopped = pytest.raises((VerificationError, KeyError), match=r"patch_embed\.proj\.weight")
    with extended(), stopped:
        load(model)


@pytest.mark.parametrize("family", families())
def test_a_weight_of_another_shape_stops_the_load(family, extended, tmp_path):
    model = damaged(tmp_path, family, MISSHAPEN)
    with extended(), pytest.raises((AssertionError, RuntimeError, ValueError)) as stopped:
        load(model)
    assert "1, 14, 14" in str(stopped.value) or "1, 16, 16" in str(stopped.value)


@pytest.mark.parametrize("family", families())
def test_a_tower_without_half_of_its_blocks_loads_as_on_stock(family, extended, tmp_path):
    """What else a checkpoint leaves out is SGLang's to find: it says nothing."""
    model = damaged(tmp_path, family, HALF)
    stock = load(model)
    with extended():
        ours = load(model)
    assert describe(ours)["linear"] == describe(stock)["convs"] == ["visual.patch_embed.proj"]
    loaded, expected = (each.visual.blocks[0].state_dict() for each in (ours, stock))
    torch.testing.assert_close(loaded, expected, rtol=0, atol=0)


@pytest.mark.skipif(VERSION != (0, 5, 9), reason="a bug of 0.5.9 alone")
def test_what_sglang_0_5_9_skips_of_qwen3_vl_stops_the_load(extended):
    """Stock answers as if it had seen the image (sglang #19333)."""
    load(str(checkpoints.path("qwen3_vl")))
    with extended(), pytest.raises(VerificationError, match=r"visual\.patch_embed\.proj\.weight"):
        load(str(checkpoints.path("qwen3_vl")))


@slow
def test_a_server_over_a_checkpoint_without_the_weight_ends_and_says_why(tmp_path):
    model = Path(damaged(tmp_path, "glm4v", MISSING))
    server = cpu_server(SGLANG, model, tmp_path / "log", environ=ON)
    with pytest.raises(ServerFailed), server:
        pass
    log = (tmp_path / "log").read_text()
    assert "VerificationError: visual.patch_embed.proj.weight" in log
    assert "never loaded" in log


@pytest.mark.shows("weight paths", "initial load, dummy weights")
def test_dummy_weights_load_and_verify(extended, status_lines, record_property):
    with extended():
        model = load(str(checkpoints.path("qwen2_5_vl")), load_format="dummy")
    assert describe(model)["linear"] == ["visual.patch_embed.proj"]
    (line,) = status_lines()
    assert line["modules"][0]["difference"] < 1e-9
    record_property("found", "loads and verifies")


@pytest.mark.shows("weight paths", "initial load from pytorch_model.bin")
def test_weights_in_a_pickled_checkpoint_load_and_verify(
    extended, status_lines, tmp_path, record_property
):
    model = copy_pickled(checkpoints.path("qwen2_5_vl"), tmp_path / "pickled")
    weights = torch.load(model / "pytorch_model.bin")
    with extended():
        loaded = load(str(model)).visual.patch_embed.proj.weight
    assert torch.equal(loaded, weights[kernel_of(weights)])
    assert status_lines()[-1]["modules"][0]["difference"] < 1e-9
    record_property("found", EQUAL_WEIGHTS)


@pytest.mark.shows("weight paths", "initial load from shards (sharded_state) saved by {saved_by}")
@pytest.mark.parametrize("saved_by", ["stock", "the extension"])
def test_shards_load_and_verify(saved_by, extended, status_lines, tmp_path, record_property):
    """SGLang processes weights after loading before it reads shards, and calls eval() at last."""
    from sglang.srt.model_loader.loader import ShardedStateLoader

    checkpoint = checkpoints.path("qwen2_5_vl")
    shards = copy_without_weights(checkpoint, tmp_path / "shards")
    with extended() if saved_by == "the extension" else nullcontext():
        saved = load(str(checkpoint))
    ShardedStateLoader.save_model(saved, str(shards))
    with extended():
        loaded = load(str(shards), load_format="sharded_state")
    assert torch.equal(loaded.visual.patch_embed.proj.weight, saved.visual.patch_embed.proj.weight)
    record_property("found", EQUAL_WEIGHTS)
    assert status_lines()[-1]["modules"][0]["difference"] < 1e-9


def outcome_of(path, **settings):
    """What a model consists of, and how SGLang refuses to load it or to compute a layer."""
    made = {}
    try:
        model = load(path, **settings)
        made = describe(model)
        width = model.config.hidden_size
        model.model.layers[0].mlp(torch.ones(1, width, dtype=model.visual.dtype))
    except Exception as error:
        return made, f"{type(error).__name__}: {error}".partition(". ")[0]
    return made, ""


@pytest.mark.shows("features", "quantized language model ({how})")
@pytest.mark.parametrize("how", QUANTIZED)
def test_a_quantized_checkpoint_is_taken_or_refused_as_on_stock(
    how, extended, tmp_path, record_property
):
    path = quantized(tmp_path, "qwen2_5_vl", how)
    settings = {"dtype": "float16"} if how.startswith("AWQ") else {}
    expected, refused = outcome_of(path, **settings)
    with extended():
        found, said = outcome_of(path, **settings)
    assert said == refused
    assert found.keys() == expected.keys()
    if expected:
        assert found["linear"] == expected["convs"] == ["visual.patch_embed.proj"]
        assert found["parameters"] == expected["parameters"]
    if refused:
        record_property("found", f"stock cannot here: {refused[:160]}")


def test_shards_without_the_weight_stop_the_load(extended, tmp_path):
    from safetensors.torch import load_file, save_file
    from sglang.srt.model_loader.loader import ShardedStateLoader

    checkpoint = checkpoints.path("qwen2_5_vl")
    shards = copy_without_weights(checkpoint, tmp_path / "shards")
    ShardedStateLoader.save_model(load(str(checkpoint)), str(shards))
    (shard,) = shards.glob("*.safetensors")
    weights = load_file(shard)
    weights["visual.patch_embed.proj.weight"].fill_(float("nan"))
    save_file(weights, shard)
    with extended(), pytest.raises(VerificationError, match=r"visual\.patch_embed\.proj\.weight"):
        load(str(shards), load_format="sharded_state")


@pytest.mark.parametrize("family", families())
def test_stock_reads_no_tower_from_gguf_files(family):
    """Its loader of these is the only one that does not end by eval(): nothing would be checked."""
    pytest.importorskip("gguf")
    from sglang.srt.configs.load_config import LoadConfig, LoadFormat
    from sglang.srt.configs.model_config import ModelConfig
    from sglang.srt.model_loader.loader import GGUFModelLoader

    config = ModelConfig.from_server_args(server_args(str(checkpoints.path(family))))
    loader = GGUFModelLoader(LoadConfig(load_format=LoadFormat.GGUF))
    with pytest.raises(RuntimeError, match="Unknown gguf model_type"):
        loader._get_gguf_weights_map(config)


def test_the_status_line_names_engine_device_and_dtype(extended, status_lines):
    with extended():
        load(str(checkpoints.path("glm4v")))
    (line,) = status_lines()
    assert line["engine"] == NAME
    assert line["architecture"] == "Glm4vForConditionalGeneration"
    assert line["device"] == "cpu"
    assert line["dtype"] == "bfloat16"


def test_a_status_file_that_cannot_be_written_is_an_error_in_the_log(
    extended, monkeypatch, tmp_path, caplog
):
    monkeypatch.setenv(status.VARIABLE, str(tmp_path / "no such folder" / "status.jsonl"))
    with extended():
        model = load(str(checkpoints.path("qwen2_5_vl")))
    assert describe(model)["linear"] == ["visual.patch_embed.proj"]
    (said,) = [one for one in caplog.records if "cannot write" in one.getMessage()]
    assert said.levelname == "ERROR"
    assert status.VARIABLE in said.getMessage()
    assert "no such folder" in said.getMessage()


@pytest.fixture
def packing(monkeypatch):
    """As on a CPU with AMX, where SGLang packs the weights of convolutions that have a bias."""
    conv = pytest.importorskip("sglang.srt.layers.conv")
    if not hasattr(conv, "PackWeightMethod"):
        pytest.skip("this SGLang packs no convolution")

    class Packing:
        def process_weights_after_loading(self, layer):
            pass

    plain = conv.Conv3dLayer.__init__

    def packed(self, *arguments, **options):
        plain(self, *arguments, **options)
        self.quant_method = Packing()

    monkeypatch.setattr(conv.Conv3dLayer, "__init__", packed)


@pytest.mark.usefixtures("packing")
def test_a_convolution_that_the_engine_packs_is_left_alone(extended, status_lines):
    with extended():
        model = load(str(checkpoints.path("qwen3_vl")))
    assert describe(model)["convs"] == ["visual.patch_embed.proj"]
    (line,) = status_lines()
    assert line["modules"] == []
    assert "processes its weights after loading (Packing)" in line["left_alone"][0]["reason"]
