"""The status file holds one whole JSON line a record, also with many writers."""

import multiprocessing

from engine_ext import status


def write_many(path, writer):
    for number in range(200):
        status.record(
            {"writer": writer, "number": number, "fill": "x" * 2000}, {status.VARIABLE: path}
        )


def test_nothing_is_written_when_no_file_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status.record({"a": 1}, {})
    assert list(tmp_path.iterdir()) == []


def test_lines_of_concurrent_processes_do_not_mix(tmp_path):
    path = str(tmp_path / "status.jsonl")
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(path, n)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = status.read(path)
    assert len(lines) == 800
    assert [line["number"] for line in lines if line["writer"] == 2] == list(range(200))


def test_a_file_nobody_has_written_reads_as_empty(tmp_path):
    assert status.read(tmp_path / "none.jsonl") == []
