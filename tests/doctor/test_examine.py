"""doctor in an environment without an engine; with one: tests/engines."""

import json
import os
import re
import subprocess
import sys

import pytest
import torch

from engine_ext import cli, installed
from engine_ext.doctor import examine as doctor
from engine_ext.doctor import lines as doctor_lines
from engine_ext.sglang import doctor as sglang_doctor
from engine_ext.sglang import versions as sglang_versions
from engine_ext.vllm import doctor as vllm_doctor
from engine_ext.vllm import versions as vllm_versions


def test_says_that_no_engine_is_installed(capsys):
    assert cli.main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "no engine found" in shown
    assert "not active" in shown


def test_prints_json_for_scripts(capsys):
    assert cli.main(["doctor", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["active"] is False
    assert report["engines"] == {}
    assert report["stack"]["torch"]


@pytest.mark.parametrize("form", [(), ("--json",), ("--report",)])
def test_who_reads_may_have_read_enough(form):
    command = [sys.executable, "-m", "engine_ext", "doctor", *form]
    ran = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    ran.stdout.close()
    assert ran.stderr.read() == ""
    assert ran.wait() == 1


def test_reports_an_unknown_feature():
    report = doctor.examine({"ENGINE_EXT": "fast"})
    assert any("'fast' not understood" in problem for problem in report["problems"])
    assert report["ENGINE_EXT"] == "fast"


@pytest.fixture
def machine(monkeypatch):
    """Have torch say what it would say elsewhere: ``machine(torch=..., cudnn=..., gpu=...)``."""

    def is_as_if(torch_version, cudnn, gpu="a GPU"):
        monkeypatch.setattr(torch, "__version__", torch_version)
        monkeypatch.setattr(torch.version, "cuda", cudnn and "12.8")
        monkeypatch.setattr(torch.backends.cudnn, "version", lambda: cudnn)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu is not None)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: gpu)

    return is_as_if


@pytest.mark.parametrize(
    ("number", "version"), [(91002, "9.10.2"), (8907, "8.9.7"), (91900, "9.19.0"), (None, None)]
)
def test_reads_the_number_cudnn_states(number, version, machine):
    machine("2.9.1+cu128", number)
    assert doctor.examine({})["stack"]["cudnn"] == version


@pytest.mark.parametrize(
    ("versions", "version", "tried"),
    [
        (vllm_versions, "0.10.2", False),
        (vllm_versions, "0.11.0", True),
        (vllm_versions, "0.32.0+cpu", True),
        (vllm_versions, "0.33.1", True),
        (vllm_versions, "0.34.0", False),
        (vllm_versions, "0.1.dev1+g123", False),
        (sglang_versions, "0.5.5.post3", False),
        (sglang_versions, "0.5.6", True),
        (sglang_versions, "0.5.10.post1", True),
        (sglang_versions, "0.5.23", True),
        (sglang_versions, "0.5.24", False),
        (sglang_versions, "0.6.0", False),
    ],
)
def test_versions_outside_the_tried_range_stay_stock(versions, version, tried):
    assert (version in versions.TRIED) is tried


def test_an_engine_that_is_too_old_is_a_problem():
    assert any("0.10.2 has not been tried" in text for text in vllm_doctor.problems("0.10.2", {}))
    assert not any("has not been tried" in text for text in vllm_doctor.problems("0.32.0", {}))


@pytest.mark.parametrize(
    ("plugins", "allowed"),
    [(None, True), ("engine_ext", True), ("other,engine_ext", True), ("other", False), ("", False)],
)
def test_a_whitelist_of_plugins_without_us_is_a_problem(plugins, allowed):
    environ = {} if plugins is None else {"VLLM_PLUGINS": plugins}
    found = [text for text in vllm_doctor.problems("0.32.0", environ) if "VLLM_PLUGINS" in text]
    assert found == [] if allowed else "does not name engine_ext" in found[0]


@pytest.fixture
def entry_point_installed(monkeypatch):
    monkeypatch.setattr(sglang_doctor, "entry_point_found", lambda group: True)


@pytest.mark.usefixtures("entry_point_installed")
@pytest.mark.parametrize(
    ("plugins", "allowed"),
    [(None, True), ("", True), ("a, engine_ext", True), ("other", False)],
)
def test_sglang_takes_an_empty_whitelist_for_none(plugins, allowed):
    environ = {} if plugins is None else {"SGLANG_PLUGINS": plugins}
    found = list(sglang_doctor.problems("0.5.23", environ))
    assert found == [] if allowed else "does not name engine_ext" in found[0]


EXTERNAL = {"SGLANG_EXTERNAL_MODEL_PACKAGE": "engine_ext.sglang.external"}


@pytest.mark.usefixtures("entry_point_installed")
@pytest.mark.parametrize(
    ("version", "environ", "expected"),
    [
        ("0.5.10.post1", {}, "set SGLANG_EXTERNAL_MODEL_PACKAGE=engine_ext.sglang.external"),
        ("0.5.9", {"SGLANG_EXTERNAL_MODEL_PACKAGE": "mine"}, "it is 'mine', and SGLang takes one"),
        ("0.5.9", EXTERNAL, None),
        ("0.5.23", {}, None),
        ("0.5.23", {**EXTERNAL, "SGLANG_PLUGINS": "other"}, None),
        ("0.5.5", EXTERNAL, "SGLang 0.5.5 has not been tried (tried: 0.5.6 to 0.5.23)"),
        ("0.5.24", {}, "SGLang 0.5.24 has not been tried"),
    ],
)
def test_says_which_way_into_sglang_is_open(version, environ, expected):
    found = list(sglang_doctor.problems(version, environ))
    assert found == [] if expected is None else any(expected in text for text in found)


def test_an_entry_point_that_is_not_installed_is_a_problem(monkeypatch):
    monkeypatch.setattr(sglang_doctor, "entry_point_found", lambda group: False)
    (problem,) = sglang_doctor.problems("0.5.23", {})
    assert "no entry point 'engine_ext' in group sglang.srt.plugins" in problem


@pytest.fixture
def stock(monkeypatch):
    """What doctor says that stock computes, where SGLang of a version is installed: by model."""

    def of(version):
        sglang = {"version": version, "overrides": None, "problems": {}}
        monkeypatch.setattr(sglang_doctor, "examine", lambda environ, load: dict(sglang))
        return doctor.examine({})["engines"]["sglang"]["stock"]

    return of


def said_of(models, stock):
    (text,) = [text for named, text in stock.items() if models in named]
    return text


def test_says_what_stock_computes_by_model(machine, stock):
    machine("2.9.1+cu128", 91002)
    assert "much to gain" in said_of("Qwen2.5-VL", stock("0.5.10"))
    assert "a matrix product already" in said_of("Qwen3-VL", stock("0.5.10"))


def test_says_something_to_gain_where_the_convolution_is_not_the_slow_one(machine, stock):
    machine("2.9.1+cu128", 91500)
    assert "something to gain" in said_of("Qwen2.5-VL", stock("0.5.10"))


def test_says_nothing_of_stock_that_it_has_not_read(machine, stock):
    machine("2.9.1+cu128", 91002)
    assert stock("0.4.0") == {}


def test_says_nothing_of_stock_where_torch_cannot_be_imported(monkeypatch, stock):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert stock("0.5.10") == {}


def test_the_command_is_installed():
    for module in ("engine_ext", "engine_ext.cli"):
        shown = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True)
        assert b"doctor" in shown.stdout


ENGINE = {
    "version": "0.5.23",
    "stock": {},
    "entry_point_found": None,
    "external_package": True,
    "features": ["linear"],
    "off": {"resize": "only where ENGINE_EXT names it"},
    "overrides": ["A", "B"],
    "left_stock": {"C": "a draft", "D": "a draft", "E": "it multiplies"},
    "options": {"process": {"--mm-process-config": "smaller images"}},
    "interventions": [
        {"target": "sglang.a:b", "problem": "", "has_hook": None},
        {"target": "sglang.a:c", "problem": "no c", "has_hook": None},
        {"target": "sglang.a:d", "problem": "", "has_hook": True},
        {"target": "sglang.a:e", "problem": "", "has_hook": False},
    ],
    "problems": {},
}
"""What an adapter reports of an engine in which one thing is missing."""


def said_of_engine(label, **other):
    rows = doctor_lines._of_engine({**ENGINE, **other})
    return [row for row in rows if row[1] == label]


def test_says_what_is_missing_of_what_it_relies_on_and_which_hooks_took():
    assert said_of_engine("relies on") == [
        ("[ok]", "relies on", "3 of 4 names are there, 1 of 2 hooks took"),
        ("[fail]", "relies on", "sglang.a:c: no c"),
    ]
    ((_, _, command),) = said_of_engine("mend")
    assert "engine-ext doctor --report" in command


def test_says_which_architectures_stay_stock_and_why():
    assert said_of_engine("overrides") == [("", "overrides", "2 architectures")]
    assert said_of_engine("stay stock") == [
        ("[off]", "stay stock", "C, D: a draft"),
        ("[off]", "stay stock", "E: it multiplies"),
    ]


@pytest.mark.parametrize(
    "plugins", [None, {"entry_point_found": True, "entry_point_allowed": False}]
)
def test_the_way_into_sglang_without_plugins_is_said_whatever_plugins_do(plugins):
    said = said_of_engine("external package", **(plugins or {}))
    assert said == [("[ok]", "external package", "engine_ext")]


OURS = sglang_versions.PROCESSOR_PACKAGE


def test_no_feature_is_on_in_an_engine_that_does_not_load_us():
    assert said_of_engine("linear") == [("[ok]", "linear", "on")]
    kept_out = said_of_engine("linear", problems={"SGLANG_PLUGINS='other'": "export"})
    assert kept_out == [("[off]", "linear", "by the problem below")]


@pytest.mark.parametrize(("package", "is_off"), [(None, True), ("mine", True), (OURS, False)])
def test_an_old_sglang_needs_a_variable_for_rope_positions(package, is_off):
    environ = {sglang_versions.PROCESSORS_VARIABLE: package} if package else {}
    assert ("mrope" in sglang_doctor.off("0.5.9", environ)) is is_off
    assert sglang_doctor.off("0.5.23", environ) == {}


def test_a_whitelist_is_mended_by_the_same_with_us(monkeypatch):
    monkeypatch.setattr(vllm_doctor, "entry_point_found", lambda group: True)
    mended = {}
    for value in ("", "other", "with space"):
        (command,) = vllm_doctor.problems("0.32.0", {"VLLM_PLUGINS": value}).values()
        (mended[value],) = re.findall("export VLLM_PLUGINS=(.*)", command)
    assert mended == {
        "": "engine_ext",
        "other": "other,engine_ext",
        "with space": "'with space,engine_ext'",
    }


ENGINE_PROBLEMS = [
    *((vllm_doctor, *case) for case in (("0.10.2", {}), ("0.32.0", {"VLLM_PLUGINS": "other"}))),
    *((sglang_doctor, version, {}) for version in ("0.5.5", "0.5.9", "0.5.99", "0.5.23")),
    (sglang_doctor, "0.5.23", {"SGLANG_PLUGINS": "other"}),
]


@pytest.mark.parametrize(("of_engine", "version", "environ"), ENGINE_PROBLEMS)
def test_every_problem_of_an_engine_names_a_command_that_a_shell_understands(
    of_engine, version, environ, monkeypatch
):
    monkeypatch.setattr(of_engine, "entry_point_found", lambda group: False)
    found = of_engine.problems(version, environ)
    assert found
    for command in found.values():
        assert subprocess.run(["bash", "-n", "-c", command]).returncode == 0
        assert command.split()[0] in ("export", "pip")


def test_what_is_wrong_here_names_a_command_under_it():
    said = list(doctor_lines.lines(doctor.examine({"ENGINE_EXT": "fast"})))
    problems = [n for n, line in enumerate(said) if line.startswith("[fail] problem")]
    assert len(problems) == 2  # the word, and no engine
    assert [said[n + 1].split()[:2] for n in problems] == [["mend", "unset"], ["mend", "pip"]]


def test_a_command_is_never_folded():
    command = "export VLLM_PLUGINS=" + ",".join(f"plugin_{n}" for n in range(20))
    report = {**doctor.examine({}), "problems": {"it is left out": command}}
    assert any(line.endswith(command) for line in doctor_lines.lines(report, 80))


def test_an_engine_that_prints_more_than_it_found_is_understood(tmp_path, monkeypatch):
    (tmp_path / "noisy.py").write_text(
        "print('begins'); print('{\"overrides\": []}'); print('ends')"
    )
    found = installed.run_probe("noisy", {**os.environ, "PYTHONPATH": str(tmp_path)})
    assert found == {"overrides": []}


def test_an_engine_that_does_not_load_says_by_which_command_one_sees_why(tmp_path):
    (tmp_path / "broken.py").write_text("raise ImportError('libcuda.so.1 is missing')")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    report, problems = installed.probed("broken", "vLLM cannot load its plugins", environ, True)
    assert report["overrides"] is None
    ((text, command),) = problems.items()
    assert text == "vLLM cannot load its plugins: ImportError: libcuda.so.1 is missing"
    assert command.startswith("python -m broken ")


@pytest.mark.parametrize("width", [80, 120])
def test_lines_are_folded_at_the_width_of_a_terminal(width):
    problem = "no entry point 'engine_ext' in group sglang.srt.plugins: not installed beside it"
    report = {**doctor.examine({}), "problems": {problem: "pip install ."}}
    (whole,) = [line for line in doctor_lines.lines(report) if "entry point" in line]
    assert whole == f"[fail] problem     {problem}"
    folded = list(doctor_lines.lines(report, width))
    assert max(map(len, folded)) <= width
    assert " ".join(" ".join(folded).split()).count(problem) == 1


def test_where_torch_is_missing_nothing_is_said_of_its_gpu(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    said = "\n".join(doctor_lines.lines(doctor.examine({})))
    assert "[fail] torch" in said
    assert "cuDNN" not in said


@pytest.mark.parametrize("fails", ["import", "cuDNN"])
def test_a_torch_that_is_broken_is_one_problem_with_its_message(
    fails, machine, tmp_path, monkeypatch
):
    machine("2.9.1", 91002)

    def broken(*_):
        raise RuntimeError("the versions\ndo not match")

    if fails == "import":
        (tmp_path / "torch.py").write_text("raise RuntimeError('the versions\\ndo not match')")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "torch")
    else:
        monkeypatch.setattr(torch.backends.cudnn, "version", broken)
    report = doctor.examine({})
    assert "torch cannot be used: the versions do not match" in report["problems"]
    assert any(line.startswith("[fail] torch ") for line in doctor_lines.lines(report))


def test_an_engine_in_which_nothing_is_on_is_not_active(monkeypatch):
    """`mrope` alone: vLLM computes positions by itself."""
    vllm = {"version": "0.32.0", "overrides": None, "problems": {}}
    monkeypatch.setattr(vllm_doctor, "examine", lambda environ, load: dict(vllm))
    assert not doctor.examine({"ENGINE_EXT": "mrope"})["active"]
    assert doctor.examine({"ENGINE_EXT": "linear"})["active"]
