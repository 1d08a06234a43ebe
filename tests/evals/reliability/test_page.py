"""The page says what was recorded, and nothing that has failed."""

import pytest

from evals.records import read, read_all
from evals.reliability.page import HOLDS, drawn, shown
from evals.reliability.record import RESULTS, Record
from tests.engines.faults import BY_NAME


def test_every_fault_was_recorded_on_every_engine():
    recorded = {
        file.stem: {row["row"] for row in read(file) if row["table"] == "mutations"}
        for file in RESULTS.glob("*.csv")
    }
    assert recorded
    assert all(rows == BY_NAME.keys() for rows in recorded.values())


def test_every_row_is_of_a_table_that_the_page_has():
    assert {row["table"] for row in read_all(RESULTS)} == HOLDS.keys()


@pytest.fixture
def record():
    return Record()


def test_a_row_counts_its_tests_and_keeps_what_they_found(record, tmp_path):
    record.add("layouts", "tensor parallel 2", passed=True, found=[])
    record.add("layouts", "tensor parallel 2", passed=False, found=["a rank differs"])
    (row,) = read(record.write("vllm", "0.32.0", tmp_path))
    assert (row["tests"], row["failed"], row["found"]) == ("2", "1", "a rank differs")


def test_a_later_run_replaces_its_own_rows_only(record, tmp_path):
    record.add("layouts", "one", passed=True, found=["before"])
    record.add("layouts", "other", passed=True, found=["before"])
    record.write("vllm", "0.32.0", tmp_path)
    again = Record()
    again.add("layouts", "one", passed=True, found=["after"])
    found = {row["row"]: row["found"] for row in read(again.write("vllm", "0.32.0", tmp_path))}
    assert found == {"one": "after", "other": "before"}


def test_a_failed_row_cannot_be_drawn(record, tmp_path):
    record.add("mutations", "bias missing", passed=False, found=[])
    record.write("vllm", "0.32.0", tmp_path)
    with pytest.raises(ValueError, match=r"failed: vllm 0\.32\.0: bias missing"):
        drawn(tmp_path)


def test_engines_stand_side_by_side_with_what_each_found_below():
    common = {"table": "weight paths", "row": "sleep", "tests": "1", "failed": "0"}
    rows = [
        {**common, "engine": "vllm", "version": "0.11.0", "found": "stock cannot here: an error"},
        {**common, "engine": "vllm", "version": "0.32.0", "found": ""},
        {**common, "engine": "sglang", "version": "0.5.9", "found": "", "row": "dummy"},
    ]
    lines = shown(rows, "works").splitlines()
    assert lines[0] == "|  | SGLang 0.5.9 | vLLM 0.32.0 | vLLM 0.11.0 |"
    assert "| sleep | - | works | stock cannot (1) |" in lines
    assert "| dummy | works | - | - |" in lines
    assert lines[-1] == "1. stock cannot here: an error"
