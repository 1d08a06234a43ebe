import pytest

from evals.gate.options import BadOptions, parse
from evals.gate.run import main

ARMS = ["--engine", "vllm", "--model", "org/model"]


def test_what_follows_two_dashes_goes_to_the_engine():
    options = parse([*ARMS, "--limit", "3", "--", "--tensor-parallel-size", "4", "--limit", "9"])
    assert options.engine_arguments == ["--tensor-parallel-size", "4", "--limit", "9"]
    assert options.limit == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "no candidate"),
        (["--engine", "vllm"], "--engine and --model go together"),
        (["--model", "org/model"], "--engine and --model go together"),
        ([*ARMS, "--candidate-url", "http://h:1"], "not both"),
        (["--candidate-url", "http://h:1"], "no baseline"),
        (
            ["--baseline-url", "a:8000", "--candidate-url", "http://b:1"],
            "expected http://HOST:PORT",
        ),
        (["--engine", "vllm", "--model", "/nowhere/model"], "no model at /nowhere/model"),
        ([*ARMS, "--dataset", "/nowhere.parquet"], "--dataset: no /nowhere.parquet"),
        ([*ARMS, "--baseline-samples", "/nowhere"], "--baseline-samples: no /nowhere"),
        ([*ARMS, "--max-drop", "1"], "found 1.0, expected a share between 0 and 1"),
        ([*ARMS, "--max-unanswered", "1"], "found 1.0, expected 0 up to 1"),
        ([*ARMS, "--limit", "0"], "--limit: found 0, expected 1 or more"),
        ([*ARMS, "--task", "ai2d", "--subjects", "Art"], "--subjects are those of mmmu_val"),
    ],
)
def test_options_that_name_no_run_are_refused_with_what_was_found(given, said):
    with pytest.raises(BadOptions, match=said):
        parse(given)


def test_urls_of_both_arms_name_a_run():
    options = parse(["--baseline-url", "http://a:1", "--candidate-url", "http://b:1"])
    assert options.engine is None


@pytest.mark.parametrize(
    ("baseline", "candidate"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("http://localhost:8000/", "http://[::1]:8000"),
        ("http://0.0.0.0:8000", "http://127.0.0.1:8000"),
        ("http://Host", "http://host:80/v1/"),
    ],
)
def test_one_server_is_not_compared_with_itself(baseline, candidate):
    with pytest.raises(BadOptions, match="name one server"):
        parse(["--baseline-url", baseline, "--candidate-url", candidate])


def test_servers_behind_one_gateway_are_two():
    urls = ["--baseline-url", "http://h:1/off/v1", "--candidate-url", "http://h:1/on/v1"]
    assert parse(urls).candidate_url == "http://h:1/on/v1"


def test_a_stored_baseline_goes_with_a_candidate_that_is_started(tmp_path):
    (tmp_path / "samples.jsonl").touch()
    options = parse([*ARMS, "--baseline-samples", str(tmp_path / "samples.jsonl")])
    assert options.baseline_url is None


def test_a_status_file_that_is_none_is_said_before_a_server_is_asked(tmp_path, capsys):
    file = tmp_path / "off.jsonl"
    file.write_text("a log\n")
    urls = "--baseline-url", "http://127.0.0.1:1", "--candidate-url", "http://127.0.0.1:2"
    assert main([*urls, "--baseline-status", str(file), "--out", str(tmp_path / "out")]) == 2
    assert "off.jsonl, line 1: no JSON" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
