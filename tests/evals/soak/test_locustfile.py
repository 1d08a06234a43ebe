"""The load generator runs in an environment without an engine."""

import ast
import sys
from pathlib import Path

import evals.soak


def test_the_locustfile_imports_locust_and_the_standard_library_alone():
    file = Path(evals.soak.__file__).with_name("locustfile.py")
    imported = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    assert imported - sys.stdlib_module_names == {"locust"}
