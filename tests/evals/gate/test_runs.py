"""Whole runs of the gate, as an operator starts them, against real vLLM servers on the CPU."""

import ast
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest

from engine_ext import status
from evals import ENVIRONMENTS, checkpoints
from evals.checkpoints.mmmu import dataset
from evals.gate.client import API_KEY
from evals.gate_proof.faults import faulty_copies
from evals.serving.engines import ENGINES
from evals.serving.servers import cpu_server
from tests.evals.gate.forward import forwarded

FAMILY = "qwen3_vl"
COUNT = 40
PYTHON = ENVIRONMENTS / "vllm" / "bin" / "python"
MODEL = str(checkpoints.path(FAMILY))
STARTED = ["--engine", "vllm", "--engine-python", str(PYTHON), "--cpu", "--model", MODEL]

MARK = "GATE_RUN_OF_A_TEST"
KEY = "key-of-a-test"

slow = pytest.mark.slow


def command(out, *given):
    fixed = ["--max-new-tokens", "8", "--out", str(out)]
    return [sys.executable, "-m", "evals.gate", *fixed, *map(str, given)]


def marked(out):
    """Variables by which whatever a run has started is known."""
    return {**os.environ, API_KEY: KEY, MARK: str(out)}


def gate(out, *given, **environ):
    """The exit status, what was said, and the report if there is one."""
    asked, environ = command(out, *given), {**marked(out), **environ}
    ran = subprocess.run(asked, capture_output=True, text=True, check=False, env=environ)
    file = out / "report.json"
    report = json.loads(file.read_text()) if file.exists() else None
    return ran.returncode, ran.stderr, report


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gate")


@pytest.fixture(scope="module")
def all_questions():
    return dataset(FAMILY)


@pytest.fixture(scope="module")
def questions(folder, all_questions):
    file = folder / "questions.parquet"
    all_questions.select(range(COUNT)).to_parquet(file)
    return file


@pytest.fixture(scope="module")
def server(folder):
    """A server with the extension that wants a key, and the file of its status lines."""
    written = folder / "status.jsonl"
    environ = {"ENGINE_EXT": "linear", status.VARIABLE: str(written)}
    engine = ENGINES["vllm"].of(PYTHON)
    log = folder / "server.log"
    given = {"environ": environ, "api_key": KEY}
    with cpu_server(engine, checkpoints.path(FAMILY), log, **given) as running:
        yield running, written


@pytest.fixture(scope="module")
def baseline(server):
    """Another address of the same server, which spares a second one."""
    with forwarded(server[0].url) as url:
        yield url


@pytest.fixture
def arms(server, baseline, tmp_path):
    """Options that take the one server for both arms, the baseline's status file being empty."""
    running, written = server
    (tmp_path / "off.jsonl").touch()
    urls = ["--baseline-url", baseline, "--candidate-url", running.url]
    return [*urls, "--baseline-status", tmp_path / "off.jsonl", "--candidate-status", written]


@pytest.fixture(scope="module")
def passed(folder, server, baseline, questions):
    """A run whose arms are the same server: its exit status, what was said, report and folder."""
    running, written = server
    out, nothing = folder / "stored", folder / "nothing.jsonl"
    nothing.touch()
    given = ["--baseline-url", baseline, "--candidate-url", running.url]
    given += ["--baseline-status", nothing, "--candidate-status", written]
    given += ["--dataset", questions, "--smoke", "--logprobs", 5]
    return *gate(out, *given), out


@pytest.fixture(scope="module")
def stored(passed):
    """The samples of a baseline that was asked before."""
    code, said, _, out = passed
    assert code == 0, said
    return out / "baseline" / "samples.jsonl"


def candidate(server):
    running, written = server
    return ["--candidate-url", running.url, "--candidate-status", written, "--trust-servers"]


def test_servers_that_run_pass_with_the_same_answers(passed):
    code, said, report, out = passed
    assert code == 0, said
    assert (report["verdict"], report["overall"]["identical"]) == ("PASS", 1)
    assert report["overall"]["count"] == COUNT
    assert {one["kind"] for one in report["logprobs"]} == {"image", "video"}
    assert (out / "report.html").exists()


def test_log_probabilities_that_moved_fail_the_run(tmp_path, server, stored, questions):
    before = tmp_path / "before"
    shutil.copytree(stored.parent, before)
    rows = [json.loads(line) for line in (before / "logprobs.jsonl").read_text().splitlines()]
    for row in rows:
        row["tokens"] = {token: one - 1 for token, one in row["tokens"].items()}
    (before / "logprobs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = [*candidate(server), "--baseline-samples", before / "samples.jsonl"]
    given += ["--dataset", questions, "--smoke", "--logprobs", 5]
    code, said, report = gate(tmp_path, *given)
    assert (code, report["verdict"]) == (1, "FAIL"), said
    assert "first-token log-probabilities of 5 images differ by 1.0000 on" in said


def test_a_server_that_wants_another_key_is_not_asked(tmp_path, arms, questions):
    code, said, report = gate(tmp_path, *arms, "--dataset", questions, OPENAI_API_KEY="another")
    assert (code, report["verdict"]) == (2, "INVALID")
    assert "status 401, the key in OPENAI_API_KEY is not the one it wants" in said
    assert not (tmp_path / "baseline" / "lmms-eval.log").exists()


@slow
def test_too_few_questions_are_no_proof(tmp_path, server, stored, questions):
    given = [*candidate(server), "--baseline-samples", stored, "--dataset", questions]
    code, said, report = gate(tmp_path, *given)
    assert (code, report["verdict"]) == (2, "INVALID")
    assert f"too few questions: of {COUNT}" in said


def test_a_candidate_without_the_extension_is_no_candidate(tmp_path, server, stored, questions):
    (tmp_path / "off.jsonl").touch()
    given = ["--candidate-url", server[0].url, "--candidate-status", tmp_path / "off.jsonl"]
    given += ["--baseline-samples", stored, "--trust-servers", "--dataset", questions, "--smoke"]
    code, said, _ = gate(tmp_path, *given)
    assert code == 2
    assert "candidate did not run the extension" in said


@slow
def test_a_baseline_with_the_extension_is_no_baseline(tmp_path, arms, server, questions):
    arms[5] = server[1]
    code, said, _ = gate(tmp_path, *arms, "--dataset", questions, "--smoke", "--limit", 3)
    assert code == 2
    assert "baseline ran the extension: visual.patch_embed.proj" in said


@slow
def test_an_arm_that_answers_by_chance_shows_nothing(tmp_path, server, stored, questions):
    given = [*candidate(server), "--baseline-samples", stored, "--dataset", questions]
    code, said, _ = gate(tmp_path, *given, "--smoke", "--min-accuracy", "0.999")
    assert code == 2
    assert re.search(r"baseline scored 0\.\d+, expected at least 0\.999", said)


@slow
def test_servers_whose_replies_are_cut_show_nothing(tmp_path, arms, questions):
    given = [*arms, "--dataset", questions, "--smoke", "--limit", 10, "--max-new-tokens", 1]
    code, said, report = gate(tmp_path, *given)
    assert (code, report["verdict"]) == (2, "INVALID"), said
    for name in ("baseline", "candidate"):
        assert f"{name} gave no answer to 10 of 10 questions" in said
    assert "10 cut at 1 tokens" in said
    assert report["servers"]["baseline"]["unanswered"] == 10


@slow
def test_another_data_set_is_not_compared(tmp_path, server, stored, all_questions):
    other = tmp_path / "other.parquet"
    all_questions.select(range(COUNT, 2 * COUNT)).to_parquet(other)
    given = [*candidate(server), "--baseline-samples", stored, "--dataset", other, "--smoke"]
    code, said, _ = gate(tmp_path, *given)
    assert code == 2
    assert "the data set changed between the servers" in said


@slow
def test_another_prompt_is_not_compared(tmp_path, server, stored, questions):
    """As another chat template in one arm would make it."""
    changed = tmp_path / "baseline" / "samples.jsonl"
    shutil.copytree(stored.parent, changed.parent)
    rows = [json.loads(line) for line in stored.read_text().splitlines()]
    for row in rows:
        row["token_counts"][0]["input_tokens"] += 1
    changed.write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = [*candidate(server), "--baseline-samples", changed, "--dataset", questions, "--smoke"]
    code, said, _ = gate(tmp_path, *given)
    assert code == 2
    assert f"{COUNT} prompts have another number of tokens" in said


def test_a_failed_request_ends_the_run_before_it_is_scored(tmp_path, arms, all_questions):
    """lmms-eval goes on, ends with status 0 and reads the choice D in the text of the error."""
    file = tmp_path / "long.parquet"

    def lengthen(row):
        return {**row, "question": row["question"] + " digit" * 4000}

    few = all_questions.select(range(2))
    few.map(lengthen, features=few.features).to_parquet(file)
    code, said, report = gate(tmp_path, *arms, "--dataset", file, "--smoke")
    assert code == 2
    assert "a request failed: Error code: 400" in said
    assert report["overall"] is None
    assert (tmp_path / "baseline" / "lmms-eval.log").exists()


@slow
def test_subjects_are_asked_alone(tmp_path, arms, questions):
    given = [*arms, "--dataset", questions, "--smoke", "--subjects", "Color,Color_Large"]
    code, said, report = gate(tmp_path, *given)
    assert code == 0, said
    assert [row["subject"] for row in report["subjects"]] == ["Color", "Color_Large"]


@slow
def test_another_task_of_lmms_eval_is_compared_by_its_own_score(tmp_path, arms, all_questions):
    """AI2D's questions have other columns, another prompt and no scoring code of their own."""
    file = tmp_path / "ai2d.parquet"
    chosen = all_questions.filter(lambda name: "_Color_" in name, input_columns=["id"])
    chosen = chosen.select(range(20))
    rows = chosen.map(
        lambda row: {
            "question": row["question"].removeprefix("<image 1>"),
            "choices": ast.literal_eval(row["options"]),
            "right": str("ABCDEF".index(row["answer"])),
        }
    )
    rows = rows.select_columns(["question", "choices", "right", "image_1"])
    names = {"choices": "options", "right": "answer", "image_1": "image"}
    rows.rename_columns(names).to_parquet(file)
    code, said, report = gate(tmp_path, *arms, "--task", "ai2d", "--dataset", file, "--smoke")
    assert code == 0, said
    assert report["overall"]["count"] == 20
    assert report["overall"]["baseline"] > 0.8


@slow
def test_servers_that_are_started_pass_and_are_stopped(tmp_path, questions):
    given = [*STARTED, "--dataset", questions, "--smoke", "--limit", 10]
    code, said, report = gate(tmp_path, *given)
    assert code == 0, said
    assert report["servers"]["baseline"]["replaced"] == []
    # vLLM multiplies on a CPU already.
    assert report["servers"]["candidate"]["replaced"] == []
    assert "the extension has nothing to do in candidate" in report["warnings"][0]
    assert report["servers"]["candidate"]["environment"]["vllm"].startswith("0.32.0")
    assert left_behind(tmp_path) == []


@slow
def test_a_wrong_patch_embedding_fails_and_shows_the_flipped_questions(tmp_path, stored, questions):
    ((_, copy),) = faulty_copies(FAMILY, tmp_path, ["random kernel"])
    given = [*STARTED, "--candidate-model", copy, "--baseline-samples", stored, "--trust-servers"]
    code, said, report = gate(tmp_path, *given, "--dataset", questions)
    assert (code, report["verdict"]) == (1, "FAIL"), said
    assert report["overall"]["lost"] == len(report["flipped"]) - report["overall"]["won"] > 20
    assert report["flipped"][0]["pictures"][0].startswith("data:image/png;base64,")
    assert "Which" in report["flipped"][0]["text"]


@slow
def test_a_server_that_dies_ends_the_run(tmp_path, questions):
    given = [*STARTED, "--dataset", questions, "--smoke"]
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(command(tmp_path, *given), stderr=said, env=marked(tmp_path))
    log = tmp_path / "baseline" / "lmms-eval.log"
    deadline = time.monotonic() + 180
    while not (log.exists() and "Model Responding" in log.read_text()):
        assert time.monotonic() < deadline, "lmms-eval asked nothing"
        time.sleep(0.05)
    assert left_behind(tmp_path), "what a run has started must be seen"
    for server in psutil.Process(process.pid).children():
        if "vllm" in " ".join(server.cmdline()):
            server.kill()
    assert process.wait(120) == 2
    said = (tmp_path / "said").read_text()
    assert "the server ended while it was asked" in said or "a request failed" in said
    assert left_behind(tmp_path) == []


@slow
def test_a_server_that_does_not_start_is_shown_with_its_last_lines(tmp_path, questions):
    code, said, _ = gate(tmp_path, *STARTED, "--dataset", questions, "--", "--no-such-option")
    assert code == 2
    assert "the server ended with status" in said
    assert "no-such-option" in said


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--task", "no_such_task"], "lmms-eval has no task 'no_such_task'"),
        (["--engine-python", "/nowhere/python"], "no vllm at /nowhere/vllm"),
        (["--model", "/nowhere"], "no model at /nowhere"),
        (["--dataset", "/etc/hostname"], "/etc/hostname is no Parquet file"),
    ],
)
def test_what_is_missing_is_said_before_a_server_is_started(tmp_path, questions, given, expected):
    code, said, _ = gate(tmp_path, *STARTED, "--dataset", questions, *given)
    assert code == 2
    assert expected in said
    assert not (tmp_path / "baseline" / "server.log").exists()


def test_an_environment_without_lmms_eval_is_said():
    asked = [PYTHON, "-m", "evals.gate", "--help"]
    ran = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"no lmms-eval in {PYTHON}: python3.11 environments/build.py")


def test_a_port_in_use_is_said(tmp_path, questions):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said, _ = gate(tmp_path, *STARTED, "--dataset", questions, "--port", port)
    assert code == 2
    assert f"port {port} is in use" in said


def left_behind(out):
    """Commands of the processes that the run in this folder has started and that still run."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has ended meanwhile, or is somebody else's
            if process.environ().get(MARK) == str(out) and process.status() != "zombie":
                found.append(process.cmdline())
    return found
