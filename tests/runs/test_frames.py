"""Data frames as raw tables: rows are called by position, types stay, what is no table is refused."""

from __future__ import annotations

import decimal

import numpy as np
import pandas as pd
import pytest

from bayes_dsl.errors import TableError
from bayes_dsl.runs.frames import raw_of_frame
from bayes_dsl.runs.table import RunTable


def test_rows_are_called_by_position_whatever_the_index() -> None:
    frame = pd.DataFrame({" loss": [3.0, 2.9], "when": pd.to_datetime(["2024", "2025"])}, index=["q", "p"])
    raw, faults = raw_of_frame(frame, "data frame")
    assert faults == [] and raw.lines.tolist() == [0, 1]
    assert raw.where(1) == "data frame row 1"
    assert raw.notes == ("spaces around column names were left out: loss",)
    assert raw.columns["loss"].numbers()[0].tolist() == [3.0, 2.9]
    assert raw.columns["when"].free().dtype == frame["when"].dtype
    assert raw.columns["when"].free().index.tolist() == [0, 1]
    assert frame.columns.tolist() == [" loss", "when"]


def test_a_frame_without_rows_is_a_fault_beside_others_not_the_only_one() -> None:
    raw, faults = raw_of_frame(pd.DataFrame({"params": []}), "data frame")
    assert raw.n_rows == 0 and list(raw.columns) == ["params"]
    assert [fault.what for fault in faults] == ["the table has no rows"]


def test_every_column_name_that_is_no_text_is_named() -> None:
    with pytest.raises(TableError) as caught:
        raw_of_frame(pd.DataFrame([[1, 2, 3]], columns=[0, "loss", ("a", "b")]), "data frame")
    assert [fault.value for fault in caught.value.faults] == ["0", "('a', 'b')"]


def test_a_frame_with_bad_cells_is_refused_by_row() -> None:
    frame = pd.DataFrame(
        {
            "role": ["supervised", None, "supervised", "supervised"],
            "params": [1e8, -1, np.inf, 1e8],
            "tokens": [True, False, True, True],
            "loss": [decimal.Decimal("3.1"), np.nan, None, "abc"],
        }
    )
    with pytest.raises(TableError) as caught:
        RunTable.from_pandas(frame)
    lines = [str(fault) for fault in caught.value.faults]
    for part in (
        "row 0: tokens = True",
        "row 1: role = (empty)",
        "row 1: params = -1",
        "row 1: loss = (empty)",
        "row 2: params = inf",
        "row 2: loss = (empty)",
        "row 3: loss = abc",
    ):
        assert any(f"data frame {part}" in line for line in lines), (part, lines)
    assert len(lines) == 10


@pytest.mark.parametrize(
    ("frame", "part"),
    [
        (pd.DataFrame({"params": [], "tokens": [], "loss": []}), "no rows"),
        (pd.DataFrame({0: [1.0]}), "column name = 0"),
        (pd.DataFrame([[1.0, 2.0]], columns=["loss", "loss"]), "2 times"),
        (pd.DataFrame({"params": ["1e8"], "tokens": ["1"], "loss": ["3"], "run_id": ["a\0b"]}), "a\\x00b"),
        (
            pd.DataFrame(
                {"params": ["1e8"], "tokens": ["1"], "loss": ["3"], "note": ["\ud800"]}, dtype=object
            ),
            "note",
        ),
        (pd.DataFrame({"params": [1 + 1j], "tokens": ["1"], "loss": ["3"]}), "params"),
    ],
)
def test_frames_that_are_no_tables(frame: pd.DataFrame, part: str) -> None:
    with pytest.raises(TableError) as caught:
        RunTable.from_pandas(frame)
    assert part in str(caught.value)
