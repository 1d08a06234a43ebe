"""What loads with the extension, what holds no tower, and what must not load."""

import pytest
import torch

from evals import checkpoints
from tests.engines.damage import MISSHAPEN, MISSING, NAN, ZERO, damaged


@pytest.fixture(scope="module")
def refused(offline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    faults = [NAN, ZERO, MISSHAPEN, MISSING]
    runs = [
        {"model": damaged(folder, "qwen2_5_vl", fault), "family": "qwen2_5_vl", "ask": False}
        for fault in faults
    ]
    results, status_lines, _ = offline(runs, ENGINE_EXT="linear")
    assert status_lines == []
    return {fault: result.get("error", "loaded") for fault, result in zip(faults, results)}  # noqa: B905


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (NAN, "visual.patch_embed.proj.weight: 196 of 75264 values are not finite"),
        (ZERO, "visual.patch_embed.proj.weight: all 75264 values are zero"),
        (MISSHAPEN, "(64, 3, 2, 14, 14)"),
        (MISSING, "visual.patch_embed.proj.weight"),
    ],
)
def test_damaged_weights_stop_the_engine_with_the_reason(fault, message, refused):
    normalised = refused[fault].replace("torch.Size([64, 3, 2, 14, 14])", "(64, 3, 2, 14, 14)")
    assert message in normalised


@pytest.fixture(scope="module")
def unusual(offline):
    model = str(checkpoints.path("qwen2_5_vl"))
    no_images = {"limit_mm_per_prompt": {"image": 0, "video": 0}}
    runs = {
        "dummy": {"load_format": "dummy"},
        "language only": no_images,
        "transformers backend": {"model_impl": "transformers"},
    }
    results, status_lines, log = offline(
        [
            {"model": model, "family": "qwen2_5_vl", "ask": False, "engine": engine}
            for engine in runs.values()
        ],
        ENGINE_EXT="linear",
    )
    return dict(zip(runs, results, strict=True)), status_lines, log


@pytest.mark.shows("weight paths", "initial load, dummy weights")
def test_dummy_weights_load_and_verify(unusual, record_property):
    record_property("found", "loads and verifies")
    results, lines, _ = unusual
    assert results["dummy"]["modules"]["linear"] == ["visual.patch_embed.proj"]
    assert lines[0]["modules"][0]["difference"] < 1e-5


@pytest.mark.shows("layouts", "language only")
def test_an_engine_without_images_has_nothing_to_replace_and_says_so(unusual):
    results, lines, log = unusual
    assert results["language only"]["modules"]["linear"] == []
    assert lines[1]["modules"] == []
    assert "nothing to replace here" in log


@pytest.mark.shows("features", "transformers backend")
def test_the_transformers_backend_is_served_too(unusual):
    results, lines, _ = unusual
    modules = results["transformers backend"]["modules"]
    assert modules["convs"] == []
    assert modules["linear"] == ["model.visual.patch_embed.proj"]
    assert lines[2]["modules"][0]["difference"] < 1e-5


def test_weights_are_on_the_device_and_in_the_dtype_of_the_engine(unusual):
    _, lines, _ = unusual
    assert lines[0]["device"] == "cpu"
    assert lines[0]["dtype"] == str(torch.bfloat16).removeprefix("torch.")
