"""Rows without a model: the long form is tests/reliability/null_model.py."""

from pathlib import Path

from null_model import measure


def test_many_rows_are_quick_take_no_memory_and_are_gone_on_with(tmp_path: Path) -> None:
    figures = measure(100_000, "webdataset", tmp_path)
    print(figures)
    assert figures.rows_a_second >= 5_000, figures
    assert figures.growth_bytes <= 4 << 20, figures
    assert figures.seconds_to_go_on < 2, figures
    assert figures.seconds_when_done < 2, figures
