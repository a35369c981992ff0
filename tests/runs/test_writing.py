"""Writing: CSV that reads back cell for cell, and a file that appears whole or not at all."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_dsl.errors import TableError
from bayes_dsl.runs.writing import csv_text, write_table


def test_numbers_are_written_in_the_shortest_text_that_reads_back() -> None:
    frame = pd.DataFrame(
        {"loss": [3.0, 0.1, np.nan, 1e300], "seed": pd.array([1, None, 2, 3], dtype="Int64")}
    )
    assert csv_text(frame) == "loss,seed\n3,1\n0.1,\n,2\n1e+300,3\n"


def test_a_lone_carriage_return_is_quoted() -> None:
    """The csv module writes it bare, and then reads two rows."""
    text = csv_text(pd.DataFrame({"run_id": ["a\rb"], "loss": [3.0]}))
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["run_id", "loss"], ["a\rb", "3"]]


@given(st.lists(st.tuples(st.text("ab,\"'\n\r é;"), st.text('ab,"\r')), min_size=1, max_size=4))
def test_any_cells_read_back(rows: list[tuple[str, str]]) -> None:
    frame = pd.DataFrame(rows, columns=["one", "other"], dtype=object)
    read = list(csv.reader(io.StringIO(csv_text(frame), newline=""), strict=True))
    assert read == [["one", "other"], *map(list, rows)]


def test_a_refused_suffix_leaves_the_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "runs.xlsx"
    path.write_text("old")
    with pytest.raises(TableError, match=r"suffix = \.xlsx.*Write to runs\.csv"):
        write_table(pd.DataFrame({"loss": [3.0]}), path)
    with pytest.raises(TableError, match=r"suffix = \(none\)"):
        write_table(pd.DataFrame({"loss": [3.0]}), tmp_path / "runs")
    assert path.read_text() == "old" and [file.name for file in tmp_path.iterdir()] == ["runs.xlsx"]


def test_a_suffix_may_be_in_capitals_and_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "runs.CSV"
    path.write_text("old and longer than what comes")
    write_table(pd.DataFrame({"loss": [3.0]}), path)
    assert path.read_text() == "loss\n3\n"
