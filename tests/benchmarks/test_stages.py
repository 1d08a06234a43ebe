"""Stages of an image, timed in a process as engines are."""

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
    assert stages.take(tmp_path) == (dict.fromkeys(stages.STAGES, 0.0), 0.0)
