"""The README's tables say what the reports say."""

from evals.checkpoints.tables import README, drawn
from evals.pages import with_drawn


def test_the_tables_are_up_to_date() -> None:
    text = README.read_text()
    assert with_drawn(text, drawn()) == text, "run python -m evals.checkpoints.tables"
