"""What an adapter does with a model: replace when it is built, check once when it is loaded."""

import json
import logging

import pytest
import torch
from torch import nn

from engine_ext import replacement as module_under_test
from engine_ext.patch_embed import PatchConv3d, VerificationError
from engine_ext.replacement import Identity, Replacement, check_loaded

LOGGER = logging.getLogger("tests.replacement")
IDENTITY = Identity("an engine", "1.2.3", "AModel", ("linear",))
KERNEL = (2, 4, 4)


class Tower(nn.Module):
    def __init__(self, proj=None):
        super().__init__()
        self.proj = proj or nn.Conv3d(3, 8, KERNEL, stride=KERNEL)

    def forward(self, patches):
        return self.proj(patches)


class Model(nn.Module):
    """As engines build one, and then load its weights into it."""

    def __init__(self, visual=None):
        super().__init__()
        self.visual = visual or Tower()
        self.language_model = nn.Linear(8, 8)


class EngineConv(nn.Module):
    """As `Conv3dLayer` of the engines: it multiplies or convolves by a switch."""

    def __init__(self, multiplies):
        super().__init__()
        self.in_channels, self.out_channels, self.kernel_size = 3, 8, KERNEL
        self.stride, self.padding, self.dilation, self.groups = KERNEL, (0, 0, 0), (1, 1, 1), 1
        self.weight = nn.Parameter(torch.randn(8, 3, *KERNEL))
        self.bias = nn.Parameter(torch.randn(8))
        self.multiplies = multiplies

    def forward(self, patches):
        if self.multiplies:
            rows = patches.flatten(1)
            made = nn.functional.linear(rows, self.weight.flatten(1), self.bias)
            return made.view(*made.shape, 1, 1, 1)
        return nn.functional.conv3d(patches, self.weight, self.bias, stride=KERNEL)


@pytest.fixture(autouse=True)
def logged(caplog):
    caplog.set_level(logging.DEBUG, LOGGER.name)
    return caplog


@pytest.fixture
def lines(tmp_path, monkeypatch):
    """The status lines written so far."""
    file = tmp_path / "status.jsonl"
    monkeypatch.setenv("ENGINE_EXT_STATUS", str(file))

    def read():
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    return read


def replaced(model, everywhere=False):
    types = (nn.Conv3d, EngineConv)
    return Replacement(model, types, IDENTITY, LOGGER, everywhere=everywhere)


def weights(model):
    """As a checkpoint has them."""
    torch.manual_seed(0)
    return {name: torch.randn_like(value) for name, value in model.state_dict().items()}


@pytest.fixture
def model():
    """Replaced, and not loaded."""
    found = Model()
    replaced(found)
    return found


def said(logged, level=logging.INFO):
    return [record.getMessage() for record in logged.records if record.levelno >= level]


def test_parameters_of_a_projection_are_not_numbers_until_they_are_loaded(model):
    assert isinstance(model.visual.proj, PatchConv3d)
    assert model.visual.proj.weight.isnan().all()
    assert model.visual.proj.bias.isnan().all()
    assert model.language_model.weight.isfinite().all()


def test_a_loaded_model_serves_and_says_what_was_replaced(model, lines, logged):
    model.load_state_dict(weights(model))
    check_loaded(model)
    (line,) = lines()
    assert (line["engine"], line["engine_version"]) == ("an engine", "1.2.3")
    assert (line["architecture"], line["features"]) == ("AModel", ["linear"])
    assert (line["device"], line["dtype"]) == ("cpu", "float32")
    (module,) = line["modules"]
    assert module["name"] == "visual.proj"
    assert module["replaced"] == "torch.nn.modules.conv.Conv3d"
    assert module["weight_shape"] == [8, 3, *KERNEL]
    assert module["difference"] < 1e-9
    (text,) = said(logged)
    assert "visual.proj: torch.nn.modules.conv.Conv3d replaced by a matrix product" in text


@pytest.mark.parametrize("missing", ["visual.proj.weight", "visual.proj.bias"])
def test_weights_that_the_loader_missed_stop_it_with_the_tensor_s_name(model, missing, lines):
    model.load_state_dict({n: v for n, v in weights(model).items() if n != missing}, strict=False)
    with pytest.raises(VerificationError, match=f"{missing}: .* not finite, .* never loaded"):
        check_loaded(model)
    assert lines() == []


def test_so_do_weights_of_which_some_were_loaded(model):
    loaded = weights(model)
    loaded["visual.proj.weight"][3] = float("nan")
    model.load_state_dict(loaded)
    with pytest.raises(VerificationError, match=r"visual\.proj\.weight: 96 of 768 values are not"):
        check_loaded(model)


def test_and_weights_that_are_zero(model):
    model.load_state_dict({**weights(model), "visual.proj.weight": torch.zeros(8, 3, *KERNEL)})
    with pytest.raises(VerificationError, match=r"visual\.proj\.weight: all 768 values are zero"):
        check_loaded(model)


def test_and_a_product_that_is_not_the_convolution(model):
    model.load_state_dict(weights(model))
    model.visual.proj.padding = (1, 1, 1)
    with pytest.raises(VerificationError, match=r"visual\.proj: "):
        check_loaded(model)


def test_a_model_is_checked_once_and_never_again(model, lines, logged):
    model.load_state_dict(weights(model))
    check_loaded(model)
    with torch.no_grad():
        model.visual.proj.weight.zero_()  # as an engine does when it sleeps
    check_loaded(model)
    assert len(lines()) == 1
    assert len(said(logged)) == 1


def test_a_load_that_was_stopped_is_not_checked_again(model):
    with pytest.raises(VerificationError):
        check_loaded(model)
    check_loaded(model)


def test_a_check_that_cannot_run_is_an_error_in_the_log_and_the_model_is_used(
    model, lines, logged, monkeypatch
):
    def fails(*_):
        raise MemoryError("no room for a probe")

    monkeypatch.setattr(module_under_test, "verify", fails)
    model.load_state_dict(weights(model))
    check_loaded(model)
    (text,) = said(logged, logging.ERROR)
    assert "visual.proj could not be checked; it is used as it is" in text
    (line,) = lines()
    assert line["modules"][0]["difference"] is None


def test_a_status_file_that_cannot_be_written_is_an_error_in_the_log(
    model, logged, monkeypatch, tmp_path
):
    monkeypatch.setenv("ENGINE_EXT_STATUS", str(tmp_path / "no folder" / "status.jsonl"))
    model.load_state_dict(weights(model))
    check_loaded(model)
    (text,) = said(logged, logging.ERROR)
    assert "cannot write ENGINE_EXT_STATUS" in text


def test_a_model_with_nothing_to_replace_says_so(lines, logged):
    model = nn.Sequential(nn.Linear(2, 2))
    replaced(model)
    check_loaded(model)
    assert said(logged) == ["engine_ext: AModel: nothing to replace here"]
    (line,) = lines()
    assert (line["modules"], line["left_alone"], line["device"]) == ([], [], None)


def test_a_model_that_is_not_to_be_looked_at_is_reported_with_the_reason(lines, logged):
    model = Model()
    Replacement(
        *(model, (nn.Conv3d,), IDENTITY, LOGGER), everywhere=True, why_not="it is for text alone"
    )
    check_loaded(model)
    assert type(model.visual.proj) is nn.Conv3d
    assert said(logged) == ["engine_ext: AModel: nothing to replace here: it is for text alone"]
    assert lines()[0]["modules"] == []


def test_a_layer_that_multiplies_already_is_left_alone(lines, logged):
    model = Model(Tower(EngineConv(multiplies=True)))
    before = model.visual.proj
    replaced(model)
    check_loaded(model)
    assert model.visual.proj is before
    assert before.weight.isfinite().all()
    (line,) = lines()
    assert line["modules"] == []
    assert line["left_alone"][0]["reason"] == "it computes a product already"
    assert "visual.proj" in said(logged)[0]


def test_one_of_the_same_class_that_convolves_is_replaced():
    model = Model(Tower(EngineConv(multiplies=False)))
    parameters = [*model.visual.proj.parameters()]
    replaced(model)
    assert isinstance(model.visual.proj, PatchConv3d)
    assert all(a is b for a, b in zip(model.visual.proj.parameters(), parameters, strict=True))


def test_where_it_is_named_it_is_done_everywhere(lines):
    model = Model(Tower(EngineConv(multiplies=True)))
    replaced(model, everywhere=True)
    assert isinstance(model.visual.proj, PatchConv3d)
    model.load_state_dict(weights(model))
    check_loaded(model)
    assert lines()[0]["modules"][0]["replaced"].endswith("EngineConv")


def test_a_projection_that_is_no_patch_embedding_is_left_alone_and_keeps_its_weights(lines):
    model = Model(Tower(nn.Conv3d(3, 8, KERNEL, stride=KERNEL, padding=1)))
    replaced(model)
    check_loaded(model)
    assert model.visual.proj.weight.isfinite().all()
    assert "padding" in lines()[0]["left_alone"][0]["reason"]


def test_of_a_model_within_a_model_the_inner_one_reports(lines):
    """Overrides nest: a tower of one architecture may be built by the class of another."""
    inner = Model()
    replaced(inner)
    outer = nn.ModuleDict({"thinker": inner})
    replaced(outer)
    inner.load_state_dict(weights(inner))
    check_loaded(inner)
    check_loaded(outer)
    (line,) = lines()
    assert line["modules"][0]["name"] == "visual.proj"


def test_a_module_of_which_nothing_is_known_is_no_error(lines):
    check_loaded(Model())
    assert lines() == []


def test_a_model_that_cannot_be_looked_at_is_left_stock(monkeypatch, caplog):
    def fails(*_, **__):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("engine_ext.replacement.linearize", fails)
    model = nn.Sequential(nn.Conv3d(3, 8, 2, 2))
    made = Replacement(model, (nn.Conv3d,), IDENTITY, logging.getLogger("test"), everywhere=True)
    assert type(model[0]) is nn.Conv3d
    assert made.report.findings == ()
    assert "left stock" in caplog.text
    check_loaded(model)
