"""A served model replaces before loading, seals after it, and refuses what was not loaded."""

import logging

import pytest
import torch
from torch import nn

from engine_ext import status
from engine_ext.patch_embed import VerificationError
from engine_ext.patch_embed.linear import PatchLinear
from engine_ext.served import Identity, ServedModel, served_model

IDENTITY = Identity("an engine", "1.0", "SomeForConditionalGeneration", ("linear",))
logger = logging.getLogger("served")


def model(convs=1):
    torch.manual_seed(0)
    return nn.ModuleDict({f"tower{n}": nn.Conv3d(3, 8, (2, 4, 4), (2, 4, 4)) for n in range(convs)})


def load(model):
    for parameter in model.parameters():
        nn.init.normal_(parameter)


@pytest.fixture
def status_lines(tmp_path, monkeypatch):
    path = tmp_path / "status.jsonl"
    monkeypatch.setenv(status.VARIABLE, str(path))
    return lambda: status.read(path)


def serve(model):
    return ServedModel(model, (nn.Conv3d,), IDENTITY, logger)


def test_the_status_line_tells_what_was_replaced_once_all_is_loaded(status_lines):
    towers = model(convs=2)
    served = serve(towers)
    assert served.names == ("tower0", "tower1")
    load(towers)
    served.seal("tower0", towers["tower0"])
    assert status_lines() == []
    served.seal("tower1", towers["tower1"])
    (line,) = status_lines()
    assert line["engine"] == "an engine"
    assert line["architecture"] == "SomeForConditionalGeneration"
    assert line["features"] == ["linear"]
    assert [m["name"] for m in line["modules"]] == ["tower0", "tower1"]
    assert line["modules"][0]["replaced"] == "torch.nn.modules.conv.Conv3d"
    assert line["modules"][0]["weight_shape"] == [8, 3, 2, 4, 4]
    assert 0 < line["modules"][0]["difference"] < 1e-5


def test_each_update_is_recorded(status_lines):
    tower = model()
    served = serve(tower)
    for _ in range(2):
        load(tower)
        served.seal("tower0", tower["tower0"])
    assert [line["loads"] for line in status_lines()] == [1, 2]


@pytest.mark.parametrize("loaded", [(), ("weight",), ("bias",)])
def test_a_parameter_the_loader_missed_stops_the_seal(loaded, status_lines):
    tower = model()
    served = serve(tower)
    for name in loaded:
        nn.init.normal_(getattr(tower["tower0"], name))
    with pytest.raises(VerificationError, match=r"tower0\.(weight|bias): .* never loaded"):
        served.seal("tower0", tower["tower0"])
    assert status_lines() == []


def test_a_projection_awaits_weights_until_one_arrives():
    tower = model()
    served = serve(tower)
    projection = tower["tower0"]
    assert served.awaits_weights("tower0", projection)
    nn.init.normal_(projection.bias)
    assert not served.awaits_weights("tower0", projection)


def test_a_sealed_projection_whose_weights_are_lost_awaits_none():
    """Or an update with NaN would pass for a load that has not begun."""
    tower = model()
    served = serve(tower)
    load(tower)
    served.seal("tower0", tower["tower0"])
    for parameter in tower.parameters():
        nn.init.constant_(parameter, float("nan"))
    assert not served.awaits_weights("tower0", tower["tower0"])


def test_the_rest_is_sealed_once(status_lines):
    towers = model(convs=2)
    served = serve(towers)
    load(towers)
    served.seal("tower0", towers["tower0"])
    served.seal_the_rest(towers)
    served.seal_the_rest(towers)
    assert [line["loads"] for line in status_lines()] == [1]


def test_the_rest_is_refused_where_it_was_never_loaded():
    towers = model(convs=2)
    served = serve(towers)
    load(towers["tower0"])
    served.seal("tower0", towers["tower0"])
    with pytest.raises(VerificationError, match=r"tower1\.weight: .* never loaded"):
        served.seal_the_rest(towers)


def spoil(tower, parameter="weight"):
    with torch.no_grad():
        getattr(tower["tower0"], parameter).flatten()[3] = float("nan")


@pytest.mark.parametrize("parameter", ["weight", "bias"])
def test_a_refused_update_puts_back_what_served(parameter, status_lines):
    tower = model()
    served = serve(tower)
    load(tower)
    served.seal("tower0", tower["tower0"])
    good = {name: value.clone() for name, value in tower.state_dict().items()}
    load(tower)
    spoil(tower, parameter)
    with pytest.raises(
        VerificationError, match=r"not finite.*; the weights served before were put"
    ):
        served.seal("tower0", tower["tower0"])
    assert all(torch.equal(value, good[name]) for name, value in tower.state_dict().items())
    served.seal("tower0", tower["tower0"])
    assert [line["loads"] for line in status_lines()] == [1, 2]


def test_a_refused_first_load_has_nothing_to_put_back():
    tower = model()
    served = serve(tower)
    load(tower)
    spoil(tower)
    with pytest.raises(VerificationError) as refused:
        served.seal("tower0", tower["tower0"])
    assert "put back" not in str(refused.value)


def test_what_was_put_back_is_the_last_that_verified():
    tower = model()
    served = serve(tower)
    for _ in range(2):
        load(tower)
        served.seal("tower0", tower["tower0"])
    last = tower["tower0"].weight.clone()
    spoil(tower)
    with pytest.raises(VerificationError):
        served.seal("tower0", tower["tower0"])
    assert torch.equal(tower["tower0"].weight, last)


def test_a_failing_update_is_told_while_it_runs():
    served, told = serve(model()), []
    error = RuntimeError("a truncated file")
    served.update_failed(error)
    with served.updating(on_failure=lambda: told.append("one")) as update:
        assert served.is_updating
        assert update.error is None
        served.update_failed(error)
    served.update_failed(error)
    assert told == ["one"]
    assert update.error is error
    assert not served.is_updating


def test_a_model_holds_what_answers_for_it():
    tower = model()
    assert served_model(tower) is None
    assert serve(tower) is served_model(tower)


def test_a_model_is_loaded_once_every_projection_is_sealed():
    towers = model(convs=2)
    served = serve(towers)
    load(towers)
    served.seal("tower0", towers["tower0"])
    assert not served.is_loaded
    served.seal("tower1", towers["tower1"])
    assert served.is_loaded
    served.seal_again(towers)
    assert served.is_loaded


def test_sealing_lays_the_weight_out_without_a_second_copy():
    tower = model()
    served = serve(tower)
    projection = tower["tower0"]
    load(tower)
    projection.to(memory_format=torch.channels_last_3d)
    values = projection.weight.detach().clone()
    assert not projection.weight.is_contiguous()
    served.seal("tower0", projection)
    assert projection.weight.is_contiguous()
    assert torch.equal(projection.weight, values)
    assert projection.weight.flatten(1).data_ptr() == projection.weight.data_ptr()


def test_a_model_without_a_tower_says_that_nothing_was_replaced(status_lines):
    assert serve(nn.Linear(2, 2)).names == ()
    (line,) = status_lines()
    assert line["modules"] == []


def test_convs_left_alone_are_recorded_with_their_reason(status_lines):
    serve(nn.Sequential(nn.Conv3d(3, 8, 4, 2)))
    (line,) = status_lines()
    assert "stride" in line["left_alone"][0]["reason"]


def test_a_model_inside_another_is_answered_for_once(status_lines):
    inner = model()
    serve(inner)
    outer = serve(nn.Sequential(inner))
    assert outer.names == ()
    assert isinstance(inner["tower0"], PatchLinear)
    assert status_lines() == []


def test_a_status_file_that_cannot_be_written_is_logged_and_serving_goes_on(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv(status.VARIABLE, str(tmp_path / "no" / "folder" / "status.jsonl"))
    tower = model()
    served = serve(tower)
    load(tower)
    served.seal("tower0", tower["tower0"])
    assert "cannot write ENGINE_EXT_STATUS" in caplog.text


def test_a_replacement_with_a_copy_of_the_parameters_is_refused(monkeypatch):
    """The engine's loader would fill the convolution's, or lack what the engine attached."""
    make = PatchLinear.from_conv

    def copying(conv):
        replacement = make(conv)
        replacement.weight = nn.Parameter(conv.weight.detach().clone())
        return replacement

    monkeypatch.setattr(PatchLinear, "from_conv", staticmethod(copying))
    with pytest.raises(VerificationError, match=r"tower0\.weight: the replacement holds another"):
        serve(model())


def test_another_dtype_than_the_engine_built_is_refused():
    tower = model()
    served = serve(tower)
    load(tower)
    tower.half()
    with pytest.raises(VerificationError, match=r"found torch\.float16, expected torch\.float32"):
        served.seal("tower0", tower["tower0"])


def test_weights_that_are_not_those_delivered_are_refused_and_what_served_is_put_back():
    tower = model()
    served = serve(tower)
    load(tower)
    served.seal("tower0", tower["tower0"])
    good = tower["tower0"].weight.clone()
    list(served.delivering([("tower0.weight", torch.randn_like(good))]))
    load(tower)
    with pytest.raises(VerificationError, match=r"not those that .* put back"):
        served.seal("tower0", tower["tower0"])
    assert torch.equal(tower["tower0"].weight, good)
    served.seal("tower0", tower["tower0"])


class Peer:
    """The other ranks, as a test wants them."""

    def __init__(self):
        self.said, self.refusal = [], None

    def agree(self, statement, seconds):
        self.said.append(statement)
        if self.refusal:
            raise VerificationError(self.refusal)

    def refuse(self, reason):
        self.said.append(f"refused: {reason}")


def test_ranks_are_told_what_was_replaced_and_what_serves():
    tower, peer = model(), Peer()
    served = ServedModel(tower, (nn.Conv3d,), IDENTITY, logger, peer)
    load(tower)
    served.seal("tower0", tower["tower0"])
    load(tower)
    served.seal("tower0", tower["tower0"])
    replaced, first, second = peer.said
    assert replaced == "replaced tower0, which takes normalised patches"
    assert first.startswith("weights ")
    assert first != second


def test_where_another_rank_refuses_this_one_goes_back_too():
    tower, peer = model(), Peer()
    served = ServedModel(tower, (nn.Conv3d,), IDENTITY, logger, peer)
    load(tower)
    served.seal("tower0", tower["tower0"])
    good = tower["tower0"].weight.clone()
    load(tower)
    peer.refusal = "rank 1 refused its weights"
    with pytest.raises(VerificationError, match=r"rank 1 refused .* put back"):
        served.seal("tower0", tower["tower0"])
    assert torch.equal(tower["tower0"].weight, good)


@pytest.mark.parametrize(
    ("error", "told"),
    [(RuntimeError("truncated"), ["refused: truncated"]), (VerificationError("known"), [])],
)
def test_ranks_hear_of_an_update_that_failed_before_it_was_sealed(error, told):
    tower, peer = model(), Peer()
    served = ServedModel(tower, (nn.Conv3d,), IDENTITY, logger, peer)
    with served.updating():
        served.update_failed(error)
    assert peer.said[1:] == told


def test_what_is_put_back_into_another_dtype_is_not_what_is_kept():
    """Or the next update, in place, would change what a later refusal goes back to."""
    tower = model()
    served = serve(tower)
    load(tower)
    served.seal("tower0", tower["tower0"])
    good = tower["tower0"].weight.clone()
    tower["tower0"].weight.data = tower["tower0"].weight.data.half()
    with pytest.raises(VerificationError, match=r"found torch\.float16"):
        served.seal("tower0", tower["tower0"])
    spoil(tower)
    with pytest.raises(VerificationError, match="not finite"):
        served.seal("tower0", tower["tower0"])
    assert torch.equal(tower["tower0"].weight, good)
