from dataclasses import replace

import pytest

from evals.mmmu_gate.validity import reasons
from tests.evals.mmmu_gate.arms import REPLACED, arm, sample


def found(baseline, candidate, **changes):
    settings = {"features": ["linear"], "trust_arms": False, "min_accuracy": None, **changes}
    return reasons(baseline, candidate, **settings)


def others(**changes):
    """The samples of an arm, the last of which is other."""
    return [*(sample(i) for i in range(4)), replace(sample(4), **changes)]


def test_two_arms_with_the_same_questions_are_valid():
    assert found(arm("baseline"), arm("candidate")) == []


@pytest.mark.parametrize("name", ["baseline", "candidate"])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"failure": "[LMMS_EVAL_REQUEST_FAILED after 1 retries]"}, "1 requests failed, the first"),
        ({"failure": "[LMMS_EVAL_BUDGET_EXCEEDED]"}, "BUDGET_EXCEEDED"),
        ({"question": "another"}, "1 questions are not the same in both arms: validation_Digit_4"),
        ({"prompt_tokens": 81}, "1 prompts have another number of tokens"),
        ({"position": 7}, "2 questions were asked of one arm only"),
    ],
)
def test_samples_that_cannot_be_compared_are_a_reason(name, changes, reason):
    pair = {"baseline": arm("baseline"), "candidate": arm("candidate")}
    pair[name] = arm(name, others(**changes))
    (said,) = found(**pair)
    assert reason in said


def test_another_data_set_is_a_reason():
    (said,) = found(arm("baseline"), arm("candidate", dataset="another"))
    assert said == "the data set changed between the arms"


def test_a_candidate_without_the_extension_is_a_reason():
    (said,) = found(arm("baseline"), arm("candidate", status=[]))
    assert "did not run the extension" in said


def test_a_baseline_with_the_extension_is_a_reason():
    (said,) = found(arm("baseline", status=[REPLACED]), arm("candidate"))
    assert "baseline ran the extension: it replaced visual.patch_embed.proj" in said


def test_a_candidate_without_a_feature_that_was_asked_for_is_a_reason():
    (said,) = found(arm("baseline"), arm("candidate"), features=["linear", "pixels"])
    assert said == "candidate ran without pixels"


@pytest.mark.parametrize(
    ("engine", "expected"), [("vllm", []), ("sglang", ["candidate ran without mrope"])]
)
def test_a_feature_that_the_engine_has_not_is_not_missed(engine, expected):
    status = [{**REPLACED, "engine": engine}]
    pair = arm("baseline"), arm("candidate", status=status)
    assert found(*pair, features=["linear", "mrope"]) == expected


def test_servers_nobody_knows_of_need_the_operators_word():
    pair = arm("baseline", status=None), arm("candidate", status=None)
    assert len(found(*pair)) == 2
    assert all("--trust-arms" in said for said in found(*pair))
    assert found(*pair, trust_arms=True) == []


def test_the_operators_word_does_not_outweigh_a_status_file():
    said = found(arm("baseline", status=None), arm("candidate", status=[]), trust_arms=True)
    assert "did not run the extension" in said[0]


@pytest.mark.parametrize("name", ["baseline", "candidate"])
def test_an_arm_at_chance_is_a_reason(name):
    pair = {"baseline": arm("baseline"), "candidate": arm("candidate")}
    pair[name] = arm(name, [sample(i, score=float(i == 0)) for i in range(5)])
    (said,) = found(**pair, min_accuracy=0.5)
    assert said == f"{name} scored 0.200, expected at least 0.500"
