"""`engine-ext doctor --report`: what belongs into a bug report, and what does not."""

import json
import re
import sys
from pathlib import Path

import pytest

from engine_ext import cli
from engine_ext.doctor import examine as doctor
from engine_ext.doctor.report import markdown
from tests.doctor.test_examine import ENGINE


def test_it_has_versions_the_verdict_and_all_of_the_json_in_a_fold(capsys):
    assert cli.main(["doctor", "--report"]) == 1
    shown = capsys.readouterr().out
    assert re.search(r"^\| torch \| \d+\.\d+", shown, re.MULTILINE)
    assert "| platform | " in shown
    assert "verdict" in shown
    (folded,) = re.findall(r"<details>.*```json\n(.*)\n```\n\n</details>", shown, re.DOTALL)
    assert json.loads(folded)["stack"]["torch"]


def test_of_what_it_relies_on_only_what_does_not_hold_is_said():
    said, folded = markdown({**doctor.examine({}), "engines": {"sglang": ENGINE}}, {}).split(
        "<details>"
    )
    assert "sglang.a:c: no c" in said
    assert "sglang.a:b" not in said
    assert "sglang.a:b" in folded


def test_only_variables_that_matter_are_shown():
    environ = {
        "ENGINE_EXT": "linear",
        "SGLANG_EXTERNAL_MODEL_PACKAGE": "mine",
        "VLLM_PLUGINS": "a,b",
        "HF_TOKEN": "hf_secret",
        "VLLM_API_KEY": "key_secret",
    }
    shown = markdown(doctor.examine(environ), environ)
    for name in ("ENGINE_EXT", "SGLANG_EXTERNAL_MODEL_PACKAGE", "VLLM_PLUGINS"):
        assert f"| {name} | `{environ[name]}` |" in shown
    assert "secret" not in shown


@pytest.mark.parametrize("name", ["ENGINE_EXT_STATUS", "ENGINE_EXT_LAUNCH"])
def test_of_a_path_and_of_the_name_of_a_host_it_is_said_that_they_are_set(name):
    shown = markdown(doctor.examine({}), {name: "/data/somebody/status"})
    assert f"| {name} | set, not shown |" in shown
    assert "somebody" not in shown


def test_folders_of_the_user_are_not_shown():
    error = f"cannot import ({sys.prefix}/lib/x.so, {Path.home()}/notes)"
    report = {**doctor.examine({}), "problems": {error: f"ls {Path.home()}"}}
    shown = markdown(report, {})
    assert "cannot import (<environment>/lib/x.so, ~/notes)" in shown
    assert str(Path.home()) not in shown


def test_it_is_one_form_of_three(capsys):
    for other in (["--json"], ["--status", "FILE"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(["doctor", "--report", *other])
        assert ended.value.code == 2
