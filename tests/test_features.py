"""ENGINE_EXT switches features, and a word it does not know is an error."""

import pytest

from engine_ext.features import UnknownFeature, enabled_features, features_of, is_named, untried


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
        ("off", ()),
    ],
)
def test_reads_the_features_that_are_on(value, features):
    environ = {} if value is None else {"ENGINE_EXT": value}
    assert enabled_features(environ) == features


@pytest.mark.parametrize("value", ["fast", "linear,fast", "off,linear", "OFF"])
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
    assert features_of(engine, version, environ) == features


def test_pixels_are_on_only_where_they_are_named_on_vllm():
    assert features_of("vllm", "0.32.0", {}) == ("linear",)
    assert features_of("sglang", "0.5.23", {}) == ("linear", "mrope", "pixels")


def test_what_was_asked_for_and_is_not_there_is_told_by_its_versions():
    environ = {"ENGINE_EXT": "linear,pixels"}
    assert untried("sglang", "0.5.9", environ) == {"pixels": "0.5.11 to 0.5.23"}
    assert untried("sglang", "0.5.23", environ) == {}
    assert untried("sglang", "0.5.9", {}) == {}


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
