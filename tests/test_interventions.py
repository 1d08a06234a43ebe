"""What the adapters reach into is in a table."""

import ast
import dataclasses
import functools
import json
import re
from importlib import import_module

import pytest

from engine_ext.interventions import Intervention, examined
from engine_ext.versions import TriedVersions
from evals import PROJECT

ENGINES = ("sglang", "vllm")
EXAMINE = {"probe.py", "doctor.py", "interventions.py"}
"""Files that look at an engine, or name what is in it, and change nothing."""


def rows_of(engine):
    return import_module(f"engine_ext.{engine}.interventions").INTERVENTIONS


@pytest.mark.parametrize("engine", ENGINES)
def test_a_row_names_the_file_that_does_it_or_the_row_above(engine):
    for row in rows_of(engine):
        for file in re.findall(r"`([\w/]+\.py|\w+/)`", row.how):
            assert (PROJECT / "engine_ext" / engine / file).exists(), row
        assert row.target.startswith(engine)
        assert row.why
        assert row.until


def reached(engine):
    """Each name of the engine that the adapter imports or names, with the file that does."""
    for file in sorted((PROJECT / "engine_ext" / engine).rglob("*.py")):
        if file.name in EXAMINE:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == engine:
                yield from ((file.name, f"{node.module}.{name.name}") for name in node.names)
            elif isinstance(node, ast.Constant) and re.fullmatch(
                rf"{engine}\.srt(\.\w+)+\.\w+", str(node.value)
            ):
                yield file.name, node.value


@pytest.mark.parametrize("engine", ENGINES)
def test_everything_that_an_adapter_imports_of_its_engine_is_in_a_row(engine):
    rows = rows_of(engine)
    targets = [row.target.replace(":", ".") for row in rows]
    also = {name for row in rows for name in re.findall(r"`(\w+)`", row.how)}
    found = list(reached(engine))
    missing = [
        (file, name)
        for file, name in found
        if not any(f"{target}.".startswith(f"{name}.") for target in targets)
        and name.split(".")[-1] not in also
    ]
    assert found
    assert not missing


def row(target, versions="1"):
    tried = TriedVersions((int(versions),), (int(versions) + 1,), versions)
    return Intervention(target, "called", "for a test", tried, "never")


def test_a_target_that_is_there_and_two_that_are_not():
    rows = (row("json:dumps"), row("json:no_such_name"), row("no_such_package.module:name"))
    found = [one["problem"] for one in examined(rows, "1.2")]
    assert found[0] == ""
    assert "no_such_name" in found[1]
    assert found[2] == "ModuleNotFoundError: No module named 'no_such_package'"


def test_rows_of_other_versions_do_not_count():
    rows = (row("json:dumps", "1"), row("json:loads", "2"))
    assert [one["target"] for one in examined(rows, "2.0")] == ["json:loads"]


def test_a_hook_that_took_and_one_that_did_not(monkeypatch):
    asked = dataclasses.replace(row("json:dumps"), hooked=True)
    assert asked.has_hook() is False
    monkeypatch.setattr("json.dumps", functools.wraps(json.dumps)(lambda *_: "hooked"))
    assert asked.has_hook() is True
    assert row("json:dumps").has_hook() is None
