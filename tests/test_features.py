"""ENGINE_EXT switches features, and a word it does not know is an error."""

import logging

import pytest

from engine_ext.features import (
    FEATURES,
    UnknownFeature,
    enabled_features,
    features_of,
    is_named,
    is_untried,
    say_features,
    why_off,
)
from engine_ext.sglang.versions import TRIED as SGLANG
from engine_ext.vllm.versions import TRIED as VLLM

TRIED = {"sglang": SGLANG, "vllm": VLLM}
UNTRIED = {"ENGINE_EXT_UNTRIED": "1"}


@pytest.mark.parametrize(
    ("value", "features"),
    [
        (None, ("linear", "mrope", "pixels")),
        ("", ("linear", "mrope", "pixels")),
        ("mrope,linear", ("linear", "mrope")),
        ("mrope", ("mrope",)),
        ("linear", ("linear",)),
        ("pixels,mrope", ("mrope", "pixels")),
        (" linear , ", ("linear",)),
        ("resize,pixels", ("pixels", "resize")),
        ("off", ()),
        ("OFF", ()),
        ("0", ()),
        ("none", ()),
    ],
)
def test_reads_the_features_that_are_on(value, features):
    environ = {} if value is None else {"ENGINE_EXT": value}
    assert enabled_features(environ) == features


@pytest.mark.parametrize("value", ["fast", "linear,fast", "off,linear", "0,linear", "Linear"])
def test_an_unknown_word_is_an_error_that_lists_the_known_ones(value):
    with pytest.raises(UnknownFeature) as error:
        enabled_features({"ENGINE_EXT": value})
    assert repr(value) in str(error.value)
    assert "linear" in str(error.value)
    assert "off alone" in str(error.value)


@pytest.mark.parametrize(
    ("engine", "version", "features"),
    [
        ("sglang", "0.5.23", ("linear", "mrope", "pixels")),
        ("sglang", "0.5.11", ("linear", "mrope", "pixels")),
        ("sglang", "0.5.10", ("linear", "mrope")),
        ("vllm", "0.32.0+cpu", ("linear", "pixels")),
        ("vllm", "0.28.0", ("linear", "pixels")),
        ("vllm", "0.11.0", ("linear",)),
    ],
)
def test_an_engine_has_the_features_that_there_are_for_its_version(engine, version, features):
    environ = {"ENGINE_EXT": "linear,mrope,pixels"}
    assert features_of(engine, version, TRIED[engine], environ) == features


def test_pixels_are_on_only_where_they_are_named_on_vllm():
    assert features_of("vllm", "0.32.0", VLLM, {}) == ("linear",)
    assert features_of("sglang", "0.5.23", SGLANG, {}) == ("linear", "mrope", "pixels")


@pytest.mark.parametrize("engine", ["sglang", "vllm"])
def test_images_are_resized_where_the_model_is_with_pixels_where_it_is_named(engine):
    version = {"sglang": "0.5.23", "vllm": "0.32.0"}[engine]

    def of(value):
        environ = {"ENGINE_EXT": value} if value else {}
        return features_of(engine, version, TRIED[engine], environ)

    assert "resize" not in of("")
    assert of("pixels,resize") == ("pixels", "resize")
    assert of("resize") == ()
    off = why_off(engine, version, TRIED[engine], {"ENGINE_EXT": "resize"})
    assert off["resize"] == "there is none without pixels"


def test_of_each_feature_that_is_off_it_is_known_why():
    off = why_off("vllm", "0.27.0", VLLM, {"ENGINE_EXT": "mrope,pixels"})
    assert off["linear"] == "ENGINE_EXT=mrope,pixels"
    assert off["mrope"] == "the engine does it so already"
    assert off["pixels"].startswith("0.27.0 has not been tried (tried: 0.28 to 0.33)")
    assert why_off("vllm", "0.32.0", VLLM, {})["pixels"] == "only where ENGINE_EXT names it"


ALL = ("linear", "mrope", "pixels")


@pytest.mark.parametrize(
    ("version", "features"),
    [
        ("0.5.23rc1", ALL),
        ("0.5.23.dev123+g1a2b3c4", ALL),
        ("0.5.24rc1", ()),
        ("0.5.24.dev1", ()),
        ("0.5.10rc0", ("linear", "mrope")),
        ("unknown", ()),
        ("", ()),
        ("dev", ()),
        ("0.0.0.dev0", ()),
    ],
)
def test_what_comes_before_a_release_counts_as_it_and_no_release_as_not_tried(version, features):
    assert features_of("sglang", version, SGLANG, {}) == features
    assert features_of("sglang", version, SGLANG, UNTRIED) == ALL


@pytest.mark.parametrize("version", ["0.34.0rc1", "0.34.0", "dev", "", "0.10.2"])
def test_an_operator_can_have_it_act_on_what_was_not_tried(version):
    named = {"ENGINE_EXT": "linear,pixels"}
    assert features_of("vllm", version, VLLM, named) == ()
    assert features_of("vllm", version, VLLM, {**named, "ENGINE_EXT_UNTRIED": "0"}) == ()
    assert features_of("vllm", version, VLLM, {**named, **UNTRIED}) == ("linear", "pixels")
    assert is_untried("vllm", version, "pixels")


def test_off_is_off_wherever():
    environ = {"ENGINE_EXT": "off", **UNTRIED}
    assert features_of("vllm", "0.34.0", VLLM, environ) == ()


def said(engine, version, environ, caplog):
    logger = logging.getLogger("tests.features")
    caplog.set_level(logging.INFO, logger.name)
    say_features(engine, version, TRIED[engine], logger, environ)
    (record,) = caplog.records
    return record.levelname, record.getMessage()


@pytest.mark.parametrize(
    ("engine", "version", "environ", "level", "text"),
    [
        ("sglang", "0.5.23", {}, "INFO", "beside sglang 0.5.23, on: linear, mrope, pixels"),
        ("vllm", "0.32.0", {}, "INFO", "on: linear; off: mrope: the engine does it so already"),
        ("vllm", "0.32.0", {"ENGINE_EXT": "off"}, "INFO", "on: nothing"),
        ("sglang", "0.5.9", {}, "INFO", "off: pixels: 0.5.9 has not been tried"),
        ("sglang", "0.5.9", {"ENGINE_EXT": "pixels"}, "WARNING", "tried: 0.5.11 to 0.5.23"),
        ("sglang", "0.5.24", {}, "WARNING", "ENGINE_EXT_UNTRIED=1 lets it act"),
        ("sglang", "0.5.24", {"ENGINE_EXT": "off"}, "INFO", "ENGINE_EXT=off"),
        ("sglang", "0.5.24", UNTRIED, "INFO", "on: linear, mrope, pixels"),
        ("vllm", "", {}, "WARNING", "'' names no release, so it counts as not tried"),
    ],
)
def test_a_process_says_in_one_line_what_is_on_and_why_the_rest_is_not(
    engine, version, environ, level, text, caplog
):
    found, line = said(engine, version, environ, caplog)
    assert found == level
    assert text in line
    assert all(name in line for name in FEATURES)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (None, False),
        ("", False),
        ("off", False),
        ("mrope", False),
        ("linear", True),
        ("mrope,linear", True),
        ("linear,pixels", True),
    ],
)
def test_a_feature_that_is_on_by_default_is_not_named(value, named):
    environ = {} if value is None else {"ENGINE_EXT": value}
    assert is_named("linear", environ) is named


def test_an_unknown_word_is_an_error_here_too():
    with pytest.raises(UnknownFeature, match="'fast' not understood"):
        is_named("linear", {"ENGINE_EXT": "fast"})
