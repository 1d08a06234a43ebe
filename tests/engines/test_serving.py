"""The stock command of the engine, over HTTP, with the extension and without: the same answers."""

import re

import pytest

from engine_ext.patch_embed.linearize import MULTIPLIES
from evals import checkpoints
from evals.serving.engines import ENGINES
from evals.serving.servers import ServerFailed, cpu_server
from tests.engines.answers import assert_same_answers, prefixes_of_sglang
from tests.engines.limits import DEFAULT, HAS_PIXELS, NAME, serves_video, settings, slow
from tests.engines.served import SERVED

PROJECTION = "visual.patch_embed.proj"


@pytest.fixture(scope="module", params=["default", pytest.param("on", marks=slow)])
def features(request):
    """Those that are on by default, or those of `limits.ON` by their names."""
    return request.param


@pytest.fixture(scope="module", params=SERVED)
def arms(request, features, served):
    """A server with the extension, and one without."""
    return {"on": served(request.param, features), "off": served(request.param, "off")}


def lines_of_the_extension(log):
    return [line for line in log.splitlines() if "engine_ext: " in line]


@pytest.mark.parametrize("kind", ["image", "another image", "two images", "text", "video"])
def test_the_extension_changes_no_answer(kind, arms):
    found, expected = arms["on"], arms["off"]
    if kind == "video" and not serves_video(expected.family):
        pytest.skip("stock cannot serve videos of this family here: tests/engines/limits.py")
    assert_same_answers({kind: found.replies[kind]}, {kind: expected.replies[kind]})


def test_nor_one_about_odd_sizes_and_modes(arms):
    assert_same_answers(arms["on"].replies, arms["off"].replies)


@pytest.mark.skipif(NAME != "sglang", reason="vLLM's log does not say it")
def test_requests_find_in_the_cache_of_prefixes_what_they_find_on_stock(arms):
    found, expected = (prefixes_of_sglang(arms[one].log) for one in ("on", "off"))
    assert max(expected) > 15, "no request has more than the start of the template in common"
    assert found[: len(expected)] == expected[: len(found)]


def test_the_process_that_holds_the_model_says_what_computes_the_projection(arms, features):
    """A layer that multiplies already is left alone by default."""
    (line,) = arms["on"].lines
    assert line["engine"] == NAME
    (entry,) = [*line["modules"], *line["left_alone"]]
    assert entry["name"] == PROJECTION
    logged = next(text for text in arms["on"].log.splitlines() if PROJECTION in text)
    if entry in line["modules"]:
        assert entry["replaced"].rpartition(".")[2] in ("Conv3d", "Conv3dLayer")
        assert entry["difference"] < 1e-9
        assert "replaced by a matrix product" in logged
    else:
        assert features == "default"
        assert entry["reason"] == MULTIPLIES
        assert MULTIPLIES in logged
    if NAME == "vllm":  # its log names the process
        assert f"pid={line['pid']})" in logged
        assert f"(APIServer pid={line['pid']})" not in logged


@pytest.mark.skipif(NAME != "sglang", reason="vLLM computes rope positions in numpy")
def test_rope_positions_of_every_kind_are_computed(arms):
    """Images of Qwen3-VL aside: SGLang has a function of its own for them, from 0.5.12 on."""
    kinds = r"\('\w+', (.*?)(?:, 'seconds [^']*')?\): equal to SGLang's, in use"
    in_use = re.findall(kinds, arms["on"].log)
    asked = {"'image'", *(("'video'", "'image', 'video'") * serves_video(arms["on"].family))}
    if arms["on"].family == "qwen3_vl":
        asked.remove("'image'")
    assert set(in_use) == asked


@pytest.mark.skipif(not HAS_PIXELS, reason="what older ones send is not said")
def test_the_status_file_of_a_running_server_tells_its_processes(arms, features):
    report = arms["on"].report
    assert report["problems"] == report["earlier"] == []
    by_role = {role: one for one in report["processes"] for role in one["roles"]}
    assert {one["state"] for one in report["processes"]} == {"running"}
    assert len(report["processes"]) == 2
    assert set(by_role) == {"sender", "model"}
    sends = {"sglang": ["image", "video"], "vllm": ["image"] if features == "on" else []}
    assert by_role["sender"]["sends"] == sends[NAME]
    assert (by_role["sender"]["positions"] != []) is (NAME == "sglang")
    assert arms["off"].report is None


def test_processes_say_in_the_log_what_is_on(arms):
    said = [line for line in lines_of_the_extension(arms["on"].log) if " beside " in line]
    assert len(said) >= 2
    assert all(f"beside {NAME} " in line and ", on: linear" in line for line in said)


def test_switched_off_it_does_nothing(arms):
    """All that it does it says in the log, as the other server shows."""
    did = {
        arm: [line for line in lines_of_the_extension(arms[arm].log) if "on: nothing" not in line]
        for arm in ("off", "on")
    }
    assert did["on"]
    assert did["off"] == []
    assert arms["off"].lines == []


def test_an_unknown_feature_keeps_the_server_from_starting(tmp_path):
    server = cpu_server(
        ENGINES[NAME],
        checkpoints.path("qwen2_5_vl"),
        tmp_path / "log",
        environ={**DEFAULT, "ENGINE_EXT": "fast"},
        **settings("qwen2_5_vl"),
    )
    with pytest.raises(ServerFailed, match="'fast' not understood; expected a comma list"), server:
        pass
