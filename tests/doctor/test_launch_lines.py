"""What `engine-ext doctor --status` prints of a launch."""

from engine_ext.doctor.launch_lines import lines

BY = {"engine_ext": "0.1.0", "engine": "sglang", "engine_version": "0.5.23", "features": ["linear"]}
SENDER = {
    **BY,
    "pid": 7,
    "host": "here",
    "state": "running",
    "roles": ["sender"],
    "sends": ["image"],
    "as_before": {"video": "a reason"},
    "positions": ["qwen2_vl image"],
}
MODEL = {
    **BY,
    "pid": 8,
    "host": "there",
    "state": "ended",
    "roles": ["model"],
    "architecture": "AModel",
    "modules": [{"name": "proj"}],
    "positions": [],
}
LAUNCH = {"launch": "now", "processes": [SENDER, MODEL], "problems": [], "earlier": []}
WHO = "engine_ext 0.1.0 beside sglang 0.5.23, on: linear"


def test_each_process_is_said_with_what_it_does():
    sends = "sends images as uint8; sends videos as before (a reason)"
    assert list(lines(LAUNCH)) == [
        "launch    now",
        f"process   7: {WHO}; {sends}; positions by the extension: qwen2_vl image",
        f"process   8, ended (there): {WHO}; holds AModel, replaced: proj",
        "verdict   all that are known of are there, and agree",
    ]


def test_a_model_of_which_nothing_was_replaced():
    (_, said, _) = lines({**LAUNCH, "processes": [{**MODEL, "modules": []}]})
    assert said.endswith("replaced: nothing")


def test_problems_and_earlier_launches_come_last():
    earlier = [
        {"launch": "first", "processes": 3, "running": 0},
        {"launch": "second", "processes": 2, "running": 1},
    ]
    report = {**LAUNCH, "processes": [], "problems": ["one", "two"], "earlier": earlier}
    assert list(lines(report)) == [
        "launch    now",
        "problem   one",
        "problem   two",
        "earlier   first: 3 processes",
        "earlier   second: 2 processes, 1 still running",
        "verdict   see the problems",
    ]


def test_a_process_that_says_no_engine_is_said_so():
    bare = {"pid": 9, "host": "here", "state": "running", "roles": [], "positions": []}
    (_, said, _) = lines({**LAUNCH, "processes": [{**bare, "engine_ext": "0.1.0"}]})
    assert said == "process   9: engine_ext 0.1.0 beside ?, on: nothing"
