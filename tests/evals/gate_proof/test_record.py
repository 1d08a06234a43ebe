"""What is said of the gate is what was recorded."""

import pytest

from evals.checkpoints import FAMILIES
from evals.gate_proof.faults import CHANGES_ANSWERS, FAULTS, NO_BIAS, NO_FAULT
from evals.gate_proof.record import as_it_must_be, recorded

ENGINES = ("vllm", "sglang")


def test_every_run_went_as_it_must():
    assert [row for row in recorded() if not as_it_must_be(row)] == []


@pytest.mark.parametrize("engine", ENGINES)
def test_every_family_was_asked_with_the_extension_off_and_on(engine):
    assert {family for family, fault in asked(engine) if fault == NO_FAULT} == {*FAMILIES}


def test_every_fault_was_tried_on_every_family_that_can_have_it():
    expected = {(family, fault) for family in FAMILIES for fault in FAULTS}
    expected -= {(family, NO_BIAS) for family in ("qwen2_vl", "qwen2_5_vl")}
    assert {pair for pair in asked("vllm") if pair[1] != NO_FAULT} == expected


def test_every_fault_was_tried_on_both_engines():
    assert {fault for _, fault in asked("sglang")} == {NO_FAULT, *FAULTS}


def asked(engine):
    return {(row["family"], row["fault"]) for row in recorded() if row["engine"] == engine}


def test_the_faults_that_scores_must_see_are_those_that_they_saw():
    unseen = {row["fault"] for row in recorded() if "answers worse" not in row["reasons"]}
    assert {*CHANGES_ANSWERS} == {*FAULTS} - {NO_BIAS} - unseen
