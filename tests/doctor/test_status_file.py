"""`engine-ext doctor --status FILE` of something else: one line, and exit status 2."""

import json
import os

import pytest

from engine_ext import __version__, cli
from engine_ext.doctor import status_file

BY = {"engine": "sglang", "engine_version": "0.5.23", "features": ["linear"]}
GOOD = {**dict.fromkeys(status_file.TEXTS, "x"), "pid": 1}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"", "empty, no process has written its line yet"),
        (b"\n\n", "empty"),
        (b"\x80\x81\x00\xff", "no text, expected a JSON object a line"),
        (b'{"launch": ', "line 1: no JSON"),
        (b"[" * 100_000, "line 1: no JSON"),
        (b"5\n", "line 1: expected a JSON object, found int"),
        (b"{}\n", "line 1: 'launch' is None, expected str"),
        (json.dumps({**GOOD, "pid": "x"}).encode(), "'pid' is 'x', expected int"),
        (json.dumps({**GOOD, "role": "model"}).encode(), "'engine' is None, expected str"),
        (json.dumps({**GOOD, "role": "sender", **BY}).encode(), "'sends' is None, expected list"),
        (
            b'{"launch": "x", "engine_ext": "0.0.9"}',
            f"0.0.9 of engine_ext wrote it, this is {__version__}",
        ),
        (json.dumps(GOOD).encode() + b"\nhalf a li", "line 2: no JSON"),
    ],
)
def test_a_file_that_is_none_is_one_line_and_status_2(content, said, tmp_path, capsys):
    file = tmp_path / "status.jsonl"
    if content is not None:
        file.write_bytes(content)
    assert cli.main(["doctor", "--status", str(file)]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert said in error
    assert str(file) in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_no_regular_file_is_not_read(kind, tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    file = {"folder": tmp_path, "pipe": tmp_path / "pipe", "device": "/dev/null"}[kind]
    assert cli.main(["doctor", "--status", str(file)]) == 2
    error = capsys.readouterr().err
    assert error == (
        f"engine-ext: {file}: no regular file, expected what ENGINE_EXT_STATUS named\n"
    )
