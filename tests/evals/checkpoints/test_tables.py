"""The README's tables say what the reports say."""

from evals.checkpoints.tables import README, with_tables


def test_the_tables_are_up_to_date() -> None:
    text = README.read_text()
    assert with_tables(text) == text, "run python -m evals.checkpoints.tables"
