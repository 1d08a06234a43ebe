"""What is said of speed is what was recorded."""

import re

from benchmarks.page.__main__ import PAGE, with_tables


def test_the_documentation_shows_what_was_recorded():
    assert PAGE.read_text() == with_tables(PAGE.read_text())


def test_every_picture_is_there():
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", PAGE.read_text())
    assert pictures
    assert all((PAGE.parent / picture).exists() for picture in pictures)
