"""Raw columns: text and numbers of cells, series and formulas, and rows taken in any order."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_dsl.runs.raw import RawColumn, RawTable, float_text, numbers_of, visible

CELLS = st.one_of(
    st.sampled_from(
        ["", " ", "nan", "NaN", "-inf", "Infinity", "1e400", "1_000", "1__0", "1.3B", "2 T", ".5", "5."]
    ),
    st.floats().map(repr),
    st.text("0123456789._eE+- naifBkM", max_size=8),
)


@given(st.text())
def test_what_is_shown_is_one_printable_line_and_printable_text_stays(text: str) -> None:
    assert visible(text).isprintable()
    assert visible(visible(text)) == visible(text)
    if text.isprintable():
        assert visible(text) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_exactly(value: float) -> None:
    text = float_text(value)
    assert float(text) == value and math.copysign(1, float(text)) == math.copysign(1, value)
    assert RawColumn(derived=np.array([value])).text() == [text]


def test_a_missing_number_is_an_empty_cell() -> None:
    assert float_text(math.nan) == "" and float_text(2.0) == "2"
    assert RawColumn(derived=np.array([np.nan, 2.0])).text() == ["", "2"]


@given(st.lists(CELLS, max_size=6), st.booleans())
def test_the_quick_way_reads_numbers_as_the_slow_way_does(cells: list[str], suffixes: bool) -> None:
    """A cell that is not ASCII sends all cells the slow way."""
    values, bad = numbers_of(cells, suffixes=suffixes)
    slow, slow_bad = numbers_of([*cells, "é"], suffixes=suffixes)
    assert np.array_equal(values, slow[:-1], equal_nan=True)
    assert [*bad.tolist(), len(cells)] == slow_bad.tolist()
    assert np.isnan(values[bad]).all() and not np.isinf(values).any()


def test_an_empty_cell_is_missing_and_a_word_is_bad() -> None:
    values, bad = numbers_of(["1.3B", "", " ", "nan", "x", "2"])
    assert np.array_equal(values, [1.3e9, np.nan, np.nan, np.nan, np.nan, 2.0], equal_nan=True)
    assert bad.tolist() == [3, 4]
    assert numbers_of(["1.3B"], suffixes=False)[1].tolist() == [0]


@pytest.mark.parametrize(
    ("series", "texts"),
    [
        (pd.Series([1.0, np.nan, np.inf, 0.1]), ["1", "", "inf", "0.1"]),
        (pd.Series([1, 10**18]), ["1", "1000000000000000000"]),
        (pd.Series(pd.array([1, None], dtype="Int64")), ["1", ""]),
        (pd.Series([True, False]), ["True", "False"]),
        (pd.Series(["x", None, 3.0, math.inf], dtype=object), ["x", "", "3", "inf"]),
        (pd.Series(pd.Categorical(["p", None])), ["p", ""]),
    ],
)
def test_a_series_as_text(series: pd.Series, texts: list[str]) -> None:
    assert list(RawColumn(series=series).text()) == texts


def test_a_series_as_numbers_is_a_copy_and_truth_is_no_number() -> None:
    series = pd.Series([1.0, np.inf, np.nan])
    values, bad = RawColumn(series=series).numbers()
    assert bad.tolist() == [1]
    values[0] = 9.0
    assert series[0] == 1.0
    assert RawColumn(series=pd.Series([True, False])).numbers()[1].tolist() == [0, 1]
    assert RawColumn(series=pd.Series(pd.array([2, None], dtype="Int64"))).numbers()[0][0] == 2.0


def test_rows_are_taken_in_any_order_with_what_is_broken_in_them() -> None:
    rows = np.array([2, 0])
    derived = RawColumn(derived=np.array([1.0, 2.0, np.nan]), broken={2: ("flop", "many")}).take(rows)
    assert derived.broken == {0: ("flop", "many")} and derived.numbers()[1].tolist() == [0]
    assert list(RawColumn(cells=("a", "b", "c")).take(rows).text()) == ["c", "a"]
    series = RawColumn(series=pd.Series([1, 2, 3], index=[7, 8, 9])).take(rows)
    assert series.free().tolist() == [3, 1] and series.free().index.tolist() == [0, 1]


def test_a_table_keeps_the_lines_of_the_rows_that_are_taken() -> None:
    columns = {"a": RawColumn(cells=("x", "y")), "b": RawColumn(cells=("1", "2"))}
    table = RawTable(source="x.csv", columns=columns, lines=np.array([2, 5]), notes=("said",))
    taken = table.take(np.array([1])).drop(["a", "absent"])
    assert list(taken.columns) == ["b"] and taken.columns["b"].text() == ["2"]
    assert (taken.n_rows, taken.where(0), taken.notes) == (1, "x.csv line 5", ("said",))
    assert table.n_rows == 2 and list(table.columns) == ["a", "b"]
