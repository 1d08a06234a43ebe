"""The registry of the installed SGLang: what is overridden, what is left, what is missing."""

import inspect
from pathlib import Path

import pytest
import sglang
from sglang.srt.models.registry import ModelRegistry, import_model_classes
from torch import nn

from engine_ext.sglang import plugin
from engine_ext.sglang.architectures import ARCHITECTURES
from engine_ext.sglang.overrides import is_override, register_overrides
from engine_ext.sglang.versions import EXTERNAL_PACKAGE
from tests.engines.sglang.coverage import architectures_with_conv3d, missing_overrides

STOCK = {
    name: (found.__module__, found.__name__)
    for name, found in import_model_classes("sglang.srt.models").items()
}
SGLANG_FOLDER = Path(next(iter(sglang.__path__)))
QWEN = "Qwen2_5_VLForConditionalGeneration"


def overridden(models):
    return {name for name, found in models.items() if is_override(found)}


def test_every_architecture_with_a_conv3d_has_an_override_or_a_reason():
    assert missing_overrides(STOCK, SGLANG_FOLDER) == []


def test_every_architecture_listed_has_a_conv3d_in_this_sglang():
    """No model is overridden for nothing."""
    with_conv3d = set(architectures_with_conv3d(STOCK, SGLANG_FOLDER))
    assert ARCHITECTURES & STOCK.keys() <= with_conv3d


def test_what_the_registry_holds_is_overridden(models):
    register_overrides(ModelRegistry, ARCHITECTURES)
    assert overridden(models) == ARCHITECTURES & STOCK.keys()
    assert len(overridden(models)) > 8


def test_registering_twice_changes_nothing(models):
    register_overrides(ModelRegistry, ARCHITECTURES)
    once = dict(models)
    register_overrides(ModelRegistry, ARCHITECTURES)
    assert models == once


def test_plugin_and_external_package_at_once_override_once(models):
    ModelRegistry.register(EXTERNAL_PACKAGE, overwrite=True)
    external = dict(models)
    assert overridden(external) == ARCHITECTURES & STOCK.keys()
    plugin.resolve_to_override((models[QWEN], QWEN))
    assert models == external
    assert [is_override(base) for base in models[QWEN].__mro__].count(True) == 1


def test_an_override_has_the_name_and_the_signature_of_the_engines_class(models):
    stock = models[QWEN]
    register_overrides(ModelRegistry, ARCHITECTURES)
    assert issubclass(models[QWEN], stock)
    assert models[QWEN] is not stock
    assert models[QWEN].__name__ == stock.__name__
    assert inspect.signature(models[QWEN]) == inspect.signature(stock)


def test_an_architecture_of_another_package_is_left_to_it(models, caplog):
    class Another(nn.Module):
        pass

    models[QWEN] = Another
    register_overrides(ModelRegistry, ARCHITECTURES)
    assert models[QWEN] is Another
    assert f"{QWEN} is a class of another package, left alone" in caplog.text


def test_a_resolved_class_becomes_its_override(models):
    stock = models[QWEN]
    found, architecture = plugin.resolve_to_override((stock, QWEN), "a model config")
    assert architecture == QWEN
    assert is_override(found)
    assert issubclass(found, stock)


def test_a_resolved_class_without_an_override_stays(models):
    assert plugin.resolve_to_override((models["LlamaForCausalLM"], "LlamaForCausalLM")) is None


def test_a_class_that_another_plugin_resolved_stays(models):
    assert plugin.resolve_to_override((nn.Linear, QWEN)) is None


@pytest.mark.parametrize("resolved", [None, ("a class",), 5])
def test_what_is_not_a_class_and_an_architecture_is_logged_and_left(resolved, models, caplog):
    assert plugin.resolve_to_override(resolved) is None
    assert "cannot override a model, left stock" in caplog.text


def test_off_leaves_sglang_stock(monkeypatch):
    monkeypatch.setenv("ENGINE_EXT", "off")
    assert plugin.active_features() == ()


def test_an_unknown_feature_stops_sglang(monkeypatch):
    """SGLang catches every Exception of a plugin, so it is none."""
    monkeypatch.setenv("ENGINE_EXT", "fast")
    with pytest.raises(SystemExit, match="'fast' not understood"):
        plugin.active_features()


@pytest.mark.parametrize("version", ["0.5.5", "0.5.99"])
def test_a_version_that_was_not_tried_stays_stock(version, monkeypatch, caplog):
    monkeypatch.setattr(sglang, "__version__", version)
    monkeypatch.setattr("engine_ext.sglang.features.is_read", False)
    assert plugin.active_features() == ()
    assert f"{version} has not been tried" in caplog.text


def test_unless_an_operator_asks_for_it(monkeypatch):
    monkeypatch.setattr(sglang, "__version__", "0.5.99")
    monkeypatch.setenv("ENGINE_EXT_UNTRIED", "1")
    assert plugin.active_features() == ("linear", "mrope", "pixels")
