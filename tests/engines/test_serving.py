"""The stock command of the engine, over HTTP, with the extension and without: the same answers."""

import pytest

from engine_ext import status
from evals import checkpoints
from evals.asking import ask
from evals.engines import ENGINES
from evals.expected import LOGPROB_TOLERANCE
from evals.servers import ServerFailed, cpu_server
from tests.engines.limits import NAME, OFF, ON, families, serves_video, settings
from tests.engines.requests import conversations

engine = ENGINES[NAME]


@pytest.fixture(scope="module", params=families())
def arms(request, tmp_path_factory, say):
    """Replies, status lines and log of a server with the extension and one without."""
    family = request.param
    folder = tmp_path_factory.mktemp(family)
    found = {"family": family}
    for arm, switch in (("on", ON), ("off", OFF)):
        say(f"{engine.shown}, {family}, extension {arm} (40 s)")
        status_file = folder / f"{arm}.jsonl"
        with cpu_server(
            engine,
            checkpoints.path(family),
            folder / f"{arm}.log",
            environ={**switch, status.VARIABLE: str(status_file)},
            **settings(family),
        ) as server:
            client = server.client()
            replies = {
                name: ask(client, server.model, content)
                for name, content in conversations(family, video=serves_video(family)).items()
            }
        found[arm] = replies, status.read(status_file), server.log.read_text()
    return found


@pytest.mark.parametrize("kind", ["image", "another image", "two images", "text", "video"])
def test_the_extension_changes_no_answer(kind, arms):
    if kind not in arms["off"][0]:
        pytest.skip("stock cannot serve clips of this family here: tests/engines/limits.py")
    with_it, without = arms["on"][0][kind], arms["off"][0][kind]
    assert with_it.tokens == without.tokens
    assert with_it.prompt_tokens == without.prompt_tokens
    assert with_it.logprobs == pytest.approx(without.logprobs, abs=LOGPROB_TOLERANCE)


def test_the_process_that_holds_the_model_reports_what_it_replaced(arms):
    (line,) = arms["on"][1]
    assert line["engine"] == NAME
    (module,) = line["modules"]
    assert module["name"] == "visual.patch_embed.proj"
    assert module["replaced"].rpartition(".")[2] in ("Conv3d", "Conv3dLayer")
    assert module["difference"] < 1e-5
    assert module["verified_in"] == "float32"
    (logged,) = [text for text in arms["on"][2].splitlines() if "matrix product" in text]
    assert module["name"] in logged
    if NAME == "vllm":  # its log names the process
        assert f"pid={line['pid']})" in logged
        assert f"(APIServer pid={line['pid']})" not in logged


@pytest.mark.skipif(NAME != "sglang", reason="vLLM computes rope positions in numpy")
def test_rope_positions_of_every_kind_are_taken_over(arms):
    """Images of Qwen3-VL aside: SGLang has a function of its own for them, from 0.5.12 on."""
    replies, _, log = arms["on"]
    kinds = {"image", "video"} & replies.keys()
    if arms["family"] == "qwen3_vl":
        kinds.remove("image")
    taken_over = [line for line in log.splitlines() if "taken over" in line]
    for kind in kinds:
        assert any(f"'{kind}')" in line for line in taken_over)
    assert "left to SGLang" not in log


def test_switched_off_it_does_nothing(arms):
    assert arms["off"][1] == []
    assert "matrix product" not in arms["off"][2]
    assert "taken over" not in arms["off"][2]


def test_an_unknown_feature_keeps_the_server_from_starting(tmp_path):
    server = cpu_server(
        engine,
        checkpoints.path("qwen2_5_vl"),
        tmp_path / "log",
        environ={**ON, "ENGINE_EXT": "fast"},
        **settings("qwen2_5_vl"),
    )
    with pytest.raises(ServerFailed, match="'fast' not understood; expected a comma list"), server:
        pass
