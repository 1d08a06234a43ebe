"""The stages that benchmarks time inside SGLang's processes, with what plugins hook to them."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks import stages
from tests.engines.limits import IS_OLD_SGLANG

pytestmark = pytest.mark.skipif(IS_OLD_SGLANG, reason="SGLang 0.5.10 and older have no hooks")

PROGRAM = """
from benchmarks.mrope.peers import peers
from benchmarks.mrope.prompts import videos
from engine_ext.sglang import positions
from sglang.srt.plugins.hook_registry import HookRegistry

positions.hook()
HookRegistry.apply_hooks()
_, ask = next(peers(videos("qwen3_vl", 31)))
ask()
ask()
"""


def test_positions_are_timed_with_the_hook_and_without_what_it_replaced(tmp_path):
    environ = {**os.environ, **stages.environ(tmp_path, is_stubbed=False), "ENGINE_EXT": "mrope"}
    subprocess.run([sys.executable, "-c", PROGRAM], env=environ, check=True, cwd=tmp_path)
    lines = (tmp_path / "stages.jsonl").read_text().splitlines()
    found = [one for one in map(json.loads, lines) if one["stage"] == stages.POSITIONS]
    assert len(found) == 3, "SGLang's and ours of the first request, ours alone of the second"
    assert stages.take(tmp_path)[0][stages.POSITIONS] > 0
