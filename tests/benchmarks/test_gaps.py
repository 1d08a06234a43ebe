"""When tokens of running texts came is written where they come."""

import json
import os
import subprocess
import sys

from benchmarks import stages

PROGRAM = """
from types import SimpleNamespace
from benchmarks.stages.steps import marked

step = marked(lambda self, batch, result: result)
assert [step(None, SimpleNamespace(reqs=[None] * 4), each) for each in (1, 2)] == [1, 2]
"""


def test_a_step_writes_when_it_was_done_and_of_how_many_texts(tmp_path):
    file = tmp_path / "steps.jsonl"
    environ = {**os.environ, stages.STEPS: str(file)}
    subprocess.run([sys.executable, "-c", PROGRAM], env=environ, check=True)
    first, second = map(json.loads, file.read_text().splitlines())
    assert first["texts"] == second["texts"] == 4
    assert first["at"] < second["at"]
