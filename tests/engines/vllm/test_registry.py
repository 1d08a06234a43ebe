"""The registry of the installed vLLM: what is overridden, what is left, what is missing."""

import json
import logging
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import vllm
from vllm import ModelRegistry
from vllm.config import ModelConfig
from vllm.model_executor.model_loader import get_model_architecture
from vllm.model_executor.models import registry
from vllm.multimodal import MULTIMODAL_REGISTRY

from engine_ext.vllm import log, plugin
from engine_ext.vllm.architectures import ARCHITECTURES, LEFT_STOCK
from engine_ext.vllm.overrides import register_overrides
from evals.checkpoints import path
from tests.engines.limits import VERSION, slow
from tests.engines.vllm.coverage import architectures_with_conv3d, missing_overrides

STOCK = registry._VLLM_MODELS
VLLM_FOLDER = Path(next(iter(vllm.__path__)))


@pytest.fixture
def models(monkeypatch):
    """The registry's table as vLLM makes it, whatever was registered before; restored after."""
    stock = {
        name: registry._LazyRegisteredModel(module_of(file), class_name)
        for name, (file, class_name) in STOCK.items()
    }
    monkeypatch.setattr(ModelRegistry, "models", stock)
    return stock


def module_of(file):
    return file if "." in file else f"vllm.model_executor.models.{file}"


def is_overridden(entry):
    return getattr(entry, "module_name", "") == "engine_ext.vllm.overrides"


def test_every_architecture_with_a_conv3d_has_an_override_or_a_reason():
    assert missing_overrides(STOCK, VLLM_FOLDER) == []


def test_every_architecture_listed_has_a_conv3d_in_this_vllm():
    """No model is overridden for nothing.

    vLLM's classes of the transformers backend need not lead to one: the model they wrap does.
    """
    listed = {a for a in ARCHITECTURES if not a.startswith("Transformers")}
    assert listed & STOCK.keys() <= set(architectures_with_conv3d(STOCK, VLLM_FOLDER))


def test_register_overrides_what_the_registry_holds(models, monkeypatch):
    monkeypatch.delenv("ENGINE_EXT", raising=False)
    plugin.register()
    overridden = {name for name, entry in models.items() if is_overridden(entry)}
    assert overridden == ARCHITECTURES & STOCK.keys()
    assert len(overridden) > 5


def test_registering_twice_changes_nothing(models):
    plugin.register()
    once = dict(models)
    plugin.register()
    assert models == once


def test_off_leaves_the_registry_stock(models, monkeypatch):
    before = dict(models)
    monkeypatch.setenv("ENGINE_EXT", "off")
    plugin.register()
    assert models == before


def test_an_unknown_feature_stops_vllm(models, monkeypatch):
    monkeypatch.setenv("ENGINE_EXT", "fast")
    with pytest.raises(ValueError, match="'fast' not understood"):
        plugin.register()


@pytest.mark.parametrize("version", ["0.10.2", "0.99.0"])
def test_a_version_that_was_not_tried_stays_stock(version, models, monkeypatch):
    before, said = dict(models), []
    monkeypatch.setattr(vllm, "__version__", version)
    monkeypatch.setattr("engine_ext.vllm.features._is_read", False)
    monkeypatch.setattr(log.logger, "log", lambda level, text, *v: said.append((level, text % v)))
    plugin.register()
    assert models == before
    ((level, text),) = said
    assert level == logging.WARNING
    assert f"{version} has not been tried" in text


def test_unless_an_operator_asks_for_it(models, monkeypatch):
    monkeypatch.setattr(vllm, "__version__", "0.99.0")
    monkeypatch.setenv("ENGINE_EXT_UNTRIED", "1")
    plugin.register()
    assert any(map(is_overridden, models.values()))


@pytest.mark.skipif(VERSION < (0, 20), reason="copies none but its own")
@pytest.mark.parametrize("features", ["off", "linear"])
def test_variables_reach_actors_of_ray_and_no_compile_cache_is_another(
    features, models, monkeypatch, tmp_path
):
    from vllm import envs
    from vllm.ray.ray_env import get_env_vars_to_copy

    for name in [name for name in os.environ if name.startswith("ENGINE_EXT")]:
        monkeypatch.delenv(name)
    before = envs.compile_factors() if hasattr(envs, "compile_factors") else None
    ours = {"ENGINE_EXT": features, "ENGINE_EXT_STATUS": str(tmp_path / "status")}
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    plugin.register()
    plugin.register()
    copied = {name for name in get_env_vars_to_copy() if name.startswith("ENGINE_EXT")}
    assert copied == {*ours, "ENGINE_EXT_LAUNCH"}
    assert before == (envs.compile_factors() if before is not None else None)


def test_a_failure_to_register_is_logged_and_leaves_vllm_stock(models, monkeypatch):
    before, errors = dict(models), []
    monkeypatch.setattr(log.logger, "exception", lambda text, *values: errors.append(text % values))
    monkeypatch.setattr("engine_ext.vllm.overrides.register_overrides", lambda *arguments: 1 / 0)
    plugin.register()
    assert models == before
    assert "cannot register" in errors[0]


def test_an_architecture_of_another_plugin_is_left_to_it(models):
    name = "Qwen2VLForConditionalGeneration"
    ModelRegistry.register_model(name, "another_plugin.models:Qwen2VL")
    assert name not in register_overrides(ModelRegistry, ARCHITECTURES)
    assert models[name].module_name == "another_plugin.models"


def test_an_override_is_the_engines_class_with_its_name(models):
    plugin.register()
    override = models["Qwen2_5_VLForConditionalGeneration"].load_model_cls()
    from vllm.model_executor.models.qwen2_5_vl import Qwen2_5_VLForConditionalGeneration as stock

    assert issubclass(override, stock)
    assert override is not stock
    assert override.__name__ == stock.__name__


def test_vllm_makes_the_same_processor_for_an_override(models, tmp_path):
    """vLLM remembers the class of a model by its path, so the override gets a path of its own."""
    at_another_path = tmp_path / "model"
    at_another_path.symlink_to(path("qwen2_5_vl"))
    config = ModelConfig(str(path("qwen2_5_vl")))
    assert get_model_architecture(config)[0].__module__ == "vllm.model_executor.models.qwen2_5_vl"
    stock = MULTIMODAL_REGISTRY.create_processor(config)
    plugin.register()
    config = ModelConfig(str(at_another_path))
    assert get_model_architecture(config)[0].__module__ == "engine_ext.vllm.overrides"
    ours = MULTIMODAL_REGISTRY.create_processor(config)
    assert type(ours) is type(stock)
    assert type(ours.info) is type(stock.info)
    assert type(ours.dummy_inputs) is type(stock.dummy_inputs)


def test_vllm_finds_of_an_override_what_it_finds_of_stock(models, monkeypatch, tmp_path):
    """In a process of its own, in which it has to register the overrides first."""

    def noted():
        return json.dumps(asdict(models["Qwen2_5_VLForConditionalGeneration"].inspect_model_cls()))

    stock = noted()
    plugin.register()
    monkeypatch.setenv("VLLM_CACHE_ROOT", str(tmp_path))  # there it has no notes of it
    assert noted() == stock
    assert list(tmp_path.glob("modelinfos/engine_ext-vllm-overrides-*"))


@pytest.mark.skipif(
    not hasattr(registry._LazyRegisteredModel, "_get_cache_filename"),
    reason="this vLLM caches nothing it inspects",
)
def test_what_vllm_caches_of_an_override_names_the_version(models):
    plugin.register()
    file = models["Qwen2_5_VLForConditionalGeneration"]._get_cache_filename()
    assert vllm.__version__.replace(".", "_").replace("+", "_") in file


def doctor(**environ):
    done = subprocess.run(
        [sys.executable, "-m", "engine_ext.cli", "doctor", "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, **environ},
    )
    return done.returncode, json.loads(done.stdout)


def test_doctor_says_that_the_extension_is_active():
    status, report = doctor()
    assert status == 0
    assert report["active"] is True
    engine = report["engines"]["vllm"]
    assert set(engine["overrides"]) == ARCHITECTURES & STOCK.keys()
    assert engine["left_stock"] == {n: LEFT_STOCK[n] for n in LEFT_STOCK.keys() & STOCK.keys()}
    assert "--mm-processor-cache-gb" in engine["options"]["process"]
    assert engine["entry_point_found"]
    assert engine["entry_point_allowed"]


@slow
def test_doctor_says_that_vllm_plugins_keeps_us_out():
    status, report = doctor(VLLM_PLUGINS="another_plugin")
    assert status == 1
    assert any("VLLM_PLUGINS='another_plugin'" in problem for problem in report["problems"])


@slow
def test_doctor_says_that_the_extension_is_off():
    status, report = doctor(ENGINE_EXT="off")
    assert status == 1
    assert report["engines"]["vllm"]["features"] == []
    assert report["engines"]["vllm"]["overrides"] == []
