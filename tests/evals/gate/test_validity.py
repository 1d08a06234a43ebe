from dataclasses import replace

import pytest

from engine_ext.status import MODEL, POSITIONS, SENDER
from evals.gate.validity import reasons, warnings
from tests.evals.gate.arms import REPLACED, arm, sample


def found(baseline, candidate, **changes):
    settings = {"features": ["linear"], "trust_servers": False, "min_accuracy": None, "limit": 128}
    settings |= changes
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
        (
            {"question": "another"},
            "1 questions are not the same at both servers: validation_Digit_4",
        ),
        ({"prompt_tokens": 81}, "1 prompts have another number of tokens"),
        ({"position": 7}, "2 questions were asked of one server only"),
    ],
)
def test_samples_that_cannot_be_compared_are_a_reason(name, changes, reason):
    pair = {"baseline": arm("baseline"), "candidate": arm("candidate")}
    pair[name] = arm(name, others(**changes))
    (said,) = found(**pair)
    assert reason in said


def test_another_data_set_is_a_reason():
    (said,) = found(arm("baseline"), arm("candidate", dataset="another"))
    assert said == "the data set changed between the servers"


SETTINGS = {"task": "mmmu_pro", "max_new_tokens": 9, "no_thinking": True, "score": "anls"}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_baseline_that_was_asked_in_another_way_is_a_reason(name):
    candidate = arm("candidate")
    other = {**candidate.asked, name: SETTINGS[name]}
    (said,) = found(arm("baseline", asked=other), candidate, is_other_model=True)
    assert said.startswith(f"the servers were asked with another {name}: baseline {other[name]!r}")


@pytest.mark.parametrize("where", ["asked", "environment"])
def test_another_model_is_a_reason_unless_it_is_meant(where):
    """By its name at the server, or by its path where both tell it."""
    name = {"asked": "model", "environment": "model_path"}[where]
    pair = [arm("baseline", environment={"model_path": "/m"}), arm("candidate")]
    changed = {**getattr(pair[1], where), name: "another"}
    pair[1] = replace(pair[1], **{where: changed})
    (said,) = found(*pair)
    assert said.startswith(f"the servers have other models ({name}): baseline ")
    assert "candidate 'another'; --candidate-model says that this is meant" in said
    assert found(*pair, is_other_model=True) == []


def test_what_a_server_runs_on_is_a_warning_where_it_differs():
    told = {"url": "http://a", "version": "0.5.23", "dtype": "bfloat16", "tp_size": 1}
    other = {"url": "http://b", "version": "0.5.22", "dtype": "float16"}
    pair = arm("baseline", environment=told), arm("candidate", environment=other)
    assert found(*pair) == []
    assert warnings(*pair) == [
        "the servers differ in version: baseline '0.5.23', candidate '0.5.22'",
        "the servers differ in dtype: baseline 'bfloat16', candidate 'float16'",
    ]


def test_samples_of_which_nobody_knows_how_they_were_asked_are_a_warning():
    pair = arm("baseline", asked=None), arm("candidate")
    assert found(*pair) == []
    (said,) = warnings(*pair)
    assert said.startswith("baseline: nothing beside its samples (arm.json) says for which model")


def test_a_candidate_without_the_extension_is_a_reason():
    (said,) = found(arm("baseline"), arm("candidate", status=[]))
    assert "did not run the extension" in said


def test_a_baseline_with_the_extension_is_a_reason():
    (said,) = found(arm("baseline", status=[REPLACED]), arm("candidate"))
    assert said == "baseline ran the extension: visual.patch_embed.proj"
    sends = {**REPLACED, "features": ["linear", "pixels"], "modules": []}
    (said,) = found(arm("baseline", status=[sends]), arm("candidate"))
    assert said == "baseline ran the extension: linear, pixels"


IDLE = {
    "role": MODEL,
    "engine": "vllm",
    "features": ["linear"],
    "modules": [],
    "left_alone": [{"name": "visual.patch_embed.proj", "reason": "multiplies already"}],
}


def test_an_extension_that_has_nothing_to_do_is_said_and_no_reason():
    pair = arm("baseline"), arm("candidate", status=[IDLE])
    assert found(*pair, features=None) == []
    (said,) = warnings(*pair)
    assert said == "the extension has nothing to do in candidate by linear: multiplies already"
    for status in ([REPLACED], None):
        assert warnings(arm("baseline"), arm("candidate", status=status)) == []


ALL_ON = {**REPLACED, "engine": "sglang", "features": ["linear", "mrope", "pixels", "resize"]}
SENDS = {**ALL_ON, "role": SENDER, "sends": ["image"], "as_before": {}}
COUNTS = {"role": POSITIONS, "in_use": ["qwen2_vl", "image"]}
STAYS = {**SENDS, "sends": [], "as_before": {"image": "one frame differs"}}
UNUSED = {
    "mrope": ([ALL_ON, SENDS], "no rope positions of a request were computed by it"),
    "pixels": ([ALL_ON, STAYS, COUNTS], "images are sent as before: one frame differs"),
    "resize": ([ALL_ON, {**SENDS, "sends": ["video"]}, COUNTS], "no process has said what it"),
    "linear": ([{**ALL_ON, "modules": []}, SENDS, COUNTS], "no convolution to replace"),
}


def test_features_that_have_done_something_are_used():
    pair = arm("baseline"), arm("candidate", status=[ALL_ON, STAYS, SENDS, COUNTS])
    assert pair[1].used == {"linear", "mrope", "pixels", "resize"}
    assert found(*pair, features=ALL_ON["features"]) == warnings(*pair) == []


@pytest.mark.parametrize("name", UNUSED)
def test_a_feature_that_is_on_and_does_nothing_is_a_warning_or_where_it_is_named_a_reason(name):
    status, why = UNUSED[name]
    pair = arm("baseline"), arm("candidate", status=status)
    assert found(*pair, features=None) == []
    assert f"has nothing to do in candidate by {name}: {why}" in "".join(warnings(*pair))
    (said,) = found(*pair, features=[name])
    assert said.startswith(f"candidate has done nothing by {name}, which --features names: {why}")
    assert f"by {name}:" not in "".join(warnings(*pair, [name]))


def test_processes_that_send_are_no_model_with_the_extension():
    (said,) = found(arm("baseline"), arm("candidate", status=[SENDS, COUNTS]), features=None)
    assert "no model of its was loaded with it" in said


SILENCE = [
    ({"reply": "", "unreadable": True}, "(4 replies empty or all thinking, 0 cut at 128 tokens, 4"),
    ({"reply": "<think>A or", "reply_tokens": 9}, "(4 replies empty or all thinking, 0 cut at 128"),
    ({"reply": "<think>A", "reply_tokens": 128}, "(4 replies empty or all thinking, 4 cut at 128"),
    ({"reply": "So A or", "reply_tokens": 128}, "(0 replies empty or all thinking, 4 cut at 128"),
    ({"reply": "?", "unreadable": True}, "0 cut at 128 tokens, 4 without a choice)"),
]


@pytest.mark.parametrize("silent", [["baseline"], ["candidate"], ["baseline", "candidate"]])
@pytest.mark.parametrize(("changes", "reason"), SILENCE)
def test_a_server_that_says_nothing_is_a_reason(silent, changes, reason):
    """Two that are silent alike would pass."""
    pair = {
        name: arm(
            name, [sample(i, **(changes if i < 4 and name in silent else {})) for i in range(20)]
        )
        for name in ("baseline", "candidate")
    }
    said = found(*pair.values())
    assert [one.split()[0] for one in said] == silent
    assert all("gave no answer to 4 of 20 questions" in one and reason in one for one in said)
    assert "wants --no-thinking or a larger --max-new-tokens" in said[0]
    assert found(*pair.values(), most_unanswered=0.2) == []


def test_a_few_replies_that_are_none_are_no_reason():
    pair = (
        arm(name, [sample(i, reply="" if i < 2 else "A") for i in range(20)])
        for name in ("baseline", "candidate")
    )
    assert found(*pair) == []


@pytest.mark.parametrize(("right", "told"), [(20, 0), (12, 0), (7, 2), (0, 2)])
def test_a_score_at_chance_is_a_warning(right, told):
    pair = [
        arm(name, [sample(i, score=float(i < right)) for i in range(20)])
        for name in ("baseline", "candidate")
    ]
    said = warnings(*pair)
    assert len(said) == told
    assert all("no better than chance (0.250)" in one for one in said)


def test_nothing_is_said_of_chance_where_it_is_not_known():
    samples = [sample(i, score=0.0, chance=None) for i in range(20)]
    assert warnings(arm("baseline", samples), arm("candidate", samples)) == []


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
    assert all("--trust-servers" in said for said in found(*pair))
    assert found(*pair, trust_servers=True) == []


def test_the_operators_word_does_not_outweigh_a_status_file():
    said = found(arm("baseline", status=None), arm("candidate", status=[]), trust_servers=True)
    assert "did not run the extension" in said[0]


@pytest.mark.parametrize("name", ["baseline", "candidate"])
def test_an_arm_at_chance_is_a_reason(name):
    pair = {"baseline": arm("baseline"), "candidate": arm("candidate")}
    pair[name] = arm(name, [sample(i, score=float(i == 0)) for i in range(5)])
    (said,) = found(**pair, min_accuracy=0.5)
    assert said == f"{name} scored 0.200, expected at least 0.500"
