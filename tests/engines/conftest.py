"""Tests against the engine installed here; `make` builds the environments and runs them."""

import pytest

from tests.engines.limits import NAME

if not NAME:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def say(request):
    """Write a line of progress to the terminal, past pytest's capture."""
    plugins = request.config.pluginmanager
    capture, reporter = plugins.get_plugin("capturemanager"), plugins.get_plugin("terminalreporter")

    def write(line):
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(f"  ... {line}")

    return write
