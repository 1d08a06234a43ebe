"""What a run keeps of a server, and reads again; lmms-eval itself is left out."""

import io
import json
import subprocess
import sys
from contextlib import contextmanager

import pytest
from rich.console import Console

from evals.gate import course
from evals.gate.arms import Endpoint
from evals.gate.course import Gate, stored
from evals.gate.options import parse
from evals.gate.samples import BadSamples
from evals.serving import status_lines

ROW = {"doc_id": 0, "target": "A", "filtered_resps": "A", "token_counts": [None], "right": 1.0}
URLS = ["--baseline-url", "http://a:1", "--candidate-url", "http://b:1"]
LOADS = """
import logging, sys
from engine_ext import status
line = {"engine": "vllm", "engine_version": "0.32.0", "features": [], "architecture": "One",
        "modules": [], "part": 0, "expects": {}}
status.record("model", line, logging.getLogger(), {status.VARIABLE: sys.argv[1]})
print("loaded", flush=True)
input()
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A status file; lmms-eval, which is not run, has left samples."""
    (tmp_path / "asked.jsonl").write_text(json.dumps(ROW))
    monkeypatch.setattr(course.harness, "ask", lambda *_: tmp_path / "asked.jsonl")
    return tmp_path / "status.jsonl"


def run(folder, file, *given):
    """An arm whose server writes its line when it starts and ends with the run."""

    @contextmanager
    def serve(_):
        command = [sys.executable, "-c", LOADS, file]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
            server.stdout.readline()
            yield Endpoint("http://a:1/v1", "a model", lambda: True, {"version": "0.32.0"})
            server.communicate(b"\n")

    options = parse([*URLS, "--out", str(folder), "--task", "a task", *given])
    return Gate(options, Console(file=io.StringIO())).run("candidate", serve, file)


def test_samples_are_kept_with_how_they_were_asked(tmp_path, file):
    made = run(tmp_path, file, "--max-new-tokens", "64", "--no-thinking")
    settings = {"task": "a task", "max_new_tokens": 64, "no_thinking": True, "score": None}
    assert made.asked == {"model": "a model", **settings}
    assert stored("candidate", tmp_path / "candidate" / "samples.jsonl", None) == made


def test_a_server_is_known_by_what_its_own_launch_says_while_it_serves(tmp_path, file):
    run(tmp_path, file)
    (line,) = run(tmp_path, file).status
    assert line["launch"] == status_lines.of_all(file)[1]["launch"]


def test_what_is_no_record_of_a_run_is_said(tmp_path, file):
    for text in ("a log", "[]"):
        (tmp_path / "arm.json").write_text(text)
        with pytest.raises(BadSamples, match=r"arm\.json: "):
            stored("baseline", tmp_path / "asked.jsonl", None)


def test_samples_alone_say_nothing_of_how_they_were_asked(tmp_path, file):
    assert stored("baseline", tmp_path / "asked.jsonl", None).asked is None
