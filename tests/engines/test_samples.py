"""What the documents show of a log and of `doctor --status` is what a server by default says."""

import pytest

from tests.engines.limits import HAS_PIXELS, NAME
from tests.engines.served import FAST
from tests.samples import lines_of, sample

pytestmark = pytest.mark.skipif(not HAS_PIXELS, reason="the documents show newer engines")
PAGES = {"sglang": ("README.md", "docs/deployment.md"), "vllm": ("docs/deployment.md",)}


@pytest.fixture(scope="module")
def server(served):
    return served(FAST, "default")


@pytest.mark.parametrize("page", PAGES.get(NAME, ()))
def test_the_log(page, server):
    said = {line.partition("engine_ext: ")[2] for line in lines_of(server.log)}
    shown = [line.removeprefix("engine_ext: ") for line in sample(page, f"log {NAME}")]
    assert shown
    assert said.issuperset(shown)


@pytest.mark.skipif(NAME != "sglang", reason="one engine is shown")
def test_the_status(server):
    assert sorted(sample("docs/deployment.md", "status")) == sorted(lines_of(server.doctor))


def test_the_example_gets_an_answer_and_says_which_processes_are_there(server):
    answer, launch, *_, verdict = server.example.splitlines()
    assert answer
    assert launch == server.doctor.splitlines()[0]
    assert verdict == server.doctor.splitlines()[-1]
