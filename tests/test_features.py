"""ENGINE_EXT switches features, and a word it does not know is an error."""

import pytest

from engine_ext.features import UnknownFeature, enabled_features, features_of


@pytest.mark.parametrize(
    ("value", "features"),
    [
        (None, ("linear", "mrope")),
        ("", ("linear", "mrope")),
        ("mrope,linear", ("linear", "mrope")),
        ("mrope", ("mrope",)),
        ("linear", ("linear",)),
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
    ("engine", "features"), [("sglang", ("linear", "mrope")), ("vllm", ("linear",))]
)
def test_an_engine_has_the_features_that_there_are_for_it(engine, features):
    assert features_of(engine, {}) == features
