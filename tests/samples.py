"""Samples of output in the documents, for the tests that run what prints them.

A sample is a fenced block behind ``<!-- sample NAME -->``.
"""

from __future__ import annotations

import re

from evals import PROJECT

SAMPLE = re.compile(r"<!-- sample (.+?) -->\n```\w*\n(.*?)```", re.DOTALL)
OF_ONE_RUN = re.compile(r"\b\d{4}-\d\d-\d\dT\S+|(?<=process   )\d+")
"""What is of one run: the name of a launch, the number of a process."""


def sample(page: str, name: str) -> list[str]:
    """The lines of a sample on a page, as `lines_of` gives those of an output.

    Raises:
        KeyError: the page has no such sample.
    """
    return lines_of(dict(SAMPLE.findall((PROJECT / page).read_text()))[name])


def lines_of(output: str) -> list[str]:
    """Its lines, without what is of one run."""
    return [OF_ONE_RUN.sub("...", line.rstrip()) for line in output.splitlines()]
