"""Stages of an image, timed in a process as engines are."""

import json
import os
import subprocess
import sys

from benchmarks import stages

PROGRAM = """
import PIL.Image, PIL.ImageFile, io
from benchmarks.stages.clock import timed
from time import sleep

data = io.BytesIO()
PIL.Image.effect_noise((256, 256), 50).save(data, "PNG")
PIL.Image.open(io.BytesIO(data.getvalue())).load()

inner = timed(lambda: sleep(0.5), "hash")
outer = timed(lambda: (sleep(0.02), inner()), "send", lambda: (588 * 3, 3))
outer()
"""


def test_calls_of_other_processes_are_timed_without_the_calls_in_them(tmp_path):
    environ = {**os.environ, **stages.environ(tmp_path, is_stubbed=False)}
    subprocess.run([sys.executable, "-c", PROGRAM], env=environ, check=True, cwd=tmp_path)
    spent, bytes_a_patch = stages.take(tmp_path)
    assert bytes_a_patch == 588
    assert spent[stages.DECODE] > 0  # wrapped as it was imported
    assert spent[stages.HASH] >= 500
    assert 20 <= spent[stages.SEND] < 500
    spent, bytes_a_patch = stages.take(tmp_path)
    assert set(spent) >= set(stages.STAGES)
    assert not any(spent.values())
    assert bytes_a_patch == 0


def test_what_the_process_of_the_tower_hashes_is_told_from_what_others_do(tmp_path):
    lines = [(1, stages.HASH, 30.0), (2, stages.HASH, 5.0), (2, stages.GATHER, 7.0)]
    lines += [(1, stages.PROCESS, 9.0), (2, stages.TOWER, 90.0)]
    (tmp_path / "stages.jsonl").write_text(
        "".join(
            json.dumps({"process": process, "stage": stage, "ms": ms, "bytes": 0, "patches": 0})
            + "\n"
            for process, stage, ms in lines
        )
    )
    spent, _ = stages.take(tmp_path)
    assert spent[stages.HASH] == 35
    assert (spent[stages.SCHEDULER], spent[stages.HASHED]) == (12, 5)
