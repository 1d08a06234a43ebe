"""Features of SGLang beside the extension: the answers of stock, or what stock itself says."""

import json
from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import save_file

from evals import checkpoints
from tests.engines.limits import IS_OLD_SGLANG, OFF, ON, slow
from tests.engines.sglang.offline import assert_same_answers, failure, run

FAMILY = "glm4v"
MODEL = str(checkpoints.path(FAMILY))

without_amx = pytest.mark.skipif(torch.cpu._is_amx_tile_supported(), reason="this CPU has AMX")


@slow
@without_amx
@pytest.mark.shows("features", "language model quantised online, {quantization}")
@pytest.mark.parametrize("quantization", ["fp8", "w8a8_int8"])
def test_stock_quantises_nothing_on_this_cpu(quantization, record_property):
    said = failure(
        # The second is of older ones, whose kernels for fp8 are Triton's.
        r"AssertionError: \w+ on CPU [^\n]*AMX[^\n]*|RuntimeError: 0 active drivers[^\n]*",
        FAMILY,
        MODEL,
        {"quantization": quantization},
        **OFF,
    )
    record_property("found", f"stock cannot here: {said}")


@slow
@pytest.mark.skipif(not find_spec("torchao"), reason="this SGLang has no torchao")
@pytest.mark.shows("features", "language model quantised by torchao, int8wo")
def test_a_model_quantised_by_torchao_answers_as_stock(say):
    """Stock leaves an ``nn.Conv3d`` out. Of GLM-4V it takes a norm for a layer, and fails."""
    family, settings = "qwen2_5_vl", {"torchao_config": "int8wo"}
    say(f"SGLang, {family}, {settings}, extension on and off (1 min)")
    found, expected = (
        run(family, str(checkpoints.path(family)), [["ask", 0]], settings, **switch)
        for switch in (ON, OFF)
    )
    assert_same_answers(found[0], expected[0])


@slow
@without_amx
@pytest.mark.skipif(IS_OLD_SGLANG, reason="tried on newer ones")
@pytest.mark.shows("features", "torch.compile")
def test_stock_compiles_nothing_on_this_cpu(record_property):
    """Its graphs for a CPU want the attention backend for AMX."""
    said = failure(
        r"AttributeError: 'TorchNativeAttnBackend' object has no attribute '\w*cpu_graph\w*'",
        FAMILY,
        MODEL,
        {"enable_torch_compile": True, "disable_cuda_graph": False, "torch_compile_max_bs": 1},
        **OFF,
    )
    record_property("found", f"stock cannot here: {said}")


def random_adapter(folder):
    """A LoRA adapter of rank 4 for the attention of the tiny language model."""
    outputs = {"q_proj": 128, "k_proj": 64, "v_proj": 64, "o_proj": 128}
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for layer in range(2):
        for name, width in outputs.items():
            at = f"base_model.model.model.language_model.layers.{layer}.self_attn.{name}"
            weights[f"{at}.lora_A.weight"] = torch.randn(4, 128, generator=generator)
            weights[f"{at}.lora_B.weight"] = torch.randn(width, 4, generator=generator)
    save_file(weights, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": 4,
        "lora_alpha": 8,
        "bias": "none",
        "target_modules": list(outputs),
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return {
        "enable_lora": True,
        "lora_paths": [f"adapter={folder}"],
        "lora_backend": "torch_native",
        "lora_target_modules": list(outputs),
        "max_lora_rank": 4,
    }


@slow
@pytest.mark.shows("features", "LoRA on the language model")
def test_stock_runs_no_lora_without_an_accelerator(tmp_path, record_property):
    said = failure(
        # Older ones want to adapt the tower too, and find no layer number in its names.
        r"RuntimeError: pin_memory=True requires [^\n]*|TypeError: list indices must be [^\n]*",
        FAMILY,
        MODEL,
        random_adapter(tmp_path),
        **OFF,
    )
    record_property("found", f"stock cannot here: {said}")
