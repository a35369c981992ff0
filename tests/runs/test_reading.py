"""Strict reading of CSV bytes: every row has its physical line, every row that is none has a fault."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_dsl.errors import Fault, TableError
from bayes_dsl.runs.reading import header_names, read_csv

CELL = st.text("ab,\"'\n\r é", max_size=5)


def cells(text: str, separator: str = ",") -> tuple[dict[str, list[str]], list[int], list[Fault]]:
    raw, faults = read_csv(text.encode(), "x.csv", separator=separator)
    return {name: list(column.text()) for name, column in raw.columns.items()}, raw.lines.tolist(), faults


@pytest.mark.parametrize("quote", ["", '"'])
def test_both_ways_of_reading_say_the_same(quote: str) -> None:
    """A quote sends the text to the full reader."""
    text = f"{quote}a{quote},b\n1,2\n3, 4\n\n\n"
    assert cells(text) == ({"a": ["1", "3"], "b": ["2", " 4"]}, [2, 3], [])
    assert cells(text.replace(",", "\t"), "\t") == cells(text)


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=5))
def test_what_the_csv_module_writes_is_read_back_with_its_lines(rows: list[tuple[str, str]]) -> None:
    rows = [(f"r{row}{one}", other) for row, (one, other) in enumerate(rows)]
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    read, lines, faults = cells(out.getvalue())
    assert faults == [] and list(zip(read["a"], read["b"], strict=True)) == rows
    assert len(lines) == len(rows)
    physical = list(io.StringIO(out.getvalue(), newline=""))
    assert all(physical[line - 1].startswith(f'"r{row}') for row, line in enumerate(lines))


def test_rows_that_are_none_are_left_out_and_each_is_a_fault() -> None:
    read, lines, faults = cells('a,b\n1,2\n\n3\na,b\n4,5,\n6,"7\n7"\n8,9\n')
    assert (read, lines) == ({"a": ["1", "6", "8"], "b": ["2", "7\n7", "9"]}, [2, 7, 9])
    assert [fault.line for fault in faults] == [3, 4, 5, 6]
    for fault, part in zip(
        faults, ("empty line", "1 fields", "header stands once", "trailing comma"), strict=True
    ):
        assert part in str(fault)


def test_reading_goes_on_behind_a_broken_quote() -> None:
    read, lines, faults = cells('a,b\n1,2\n"3"x,4\n5,6\n"7,8\n9,0\n')
    assert (read["a"], lines) == (["1", "5", "9"], [2, 4, 6])
    assert [(fault.line, fault.value) for fault in faults] == [(3, '"3"x,4'), (5, '"7,8')]


def test_a_hostile_file_of_open_quotes_ends_in_faults() -> None:
    faults = cells("a,b\n" + '"1,2\n' * 301)[2]
    assert 1 <= len(faults) <= 301 and all("quote" in str(fault) for fault in faults)


def test_lines_are_physical_where_blank_lines_stand_above_the_header() -> None:
    assert cells("\n\na,b\n1,2\n") == ({"a": ["1"], "b": ["2"]}, [4], [])


def test_a_file_without_a_row_is_a_fault_and_without_a_header_a_refusal() -> None:
    read, lines, faults = cells("a,b\n")
    assert (read, lines) == ({"a": [], "b": []}, [])
    assert [(fault.line, fault.what) for fault in faults] == [(1, "the file ends after its header")]
    with pytest.raises(TableError, match="the file is empty"):
        read_csv(b"\n \n", "x.csv")


def test_faults_of_the_bytes_are_kept_beside_those_of_the_rows() -> None:
    raw, faults = read_csv(b"a,b\n\xff,2\n3\n4,5\n", "x.csv")
    assert raw.lines.tolist() == [2, 4]
    assert [(fault.line, fault.what) for fault in faults] == [(2, "byte 1"), (3, "row")]
    with pytest.raises(TableError) as caught:
        read_csv(b"a,a\n\xff,2\n", "x.csv")
    assert [fault.line for fault in caught.value.faults] == [2, 1]


def test_names_lose_their_spaces_and_a_note_says_so() -> None:
    assert header_names(["run_id", " loss "], "x.csv", [], line=1) == (
        ["run_id", "loss"],
        ("spaces around column names were left out: loss",),
    )
    assert header_names(["run_id", "loss"], "x.csv", [], line=1) == (["run_id", "loss"], ())


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (["a;b;c"], "these by semicolons"),
        (["a\tb"], "these by tabs"),
        (["a|b|c", "d"], "these by vertical bars"),
        (["a", "1e8", "3"], "these look like values"),
        (["a", ""], "name of column 2 = \\(empty\\)"),
        (["a", "b", "a ", "a"], "column name = a; names are unique, and this one stands 3 times"),
    ],
)
def test_a_header_that_names_no_columns_is_refused(header: list[str], part: str) -> None:
    before = Fault(where="x.csv", what="w", value="v", rule="r", remedy="m")
    with pytest.raises(TableError, match=part) as caught:
        header_names(header, "x.csv", [before], line=1)
    assert caught.value.faults[0] is before and len(caught.value.faults) == 2


@pytest.mark.parametrize("header", [["a;b", "c", "d"], ["loss", "3"], ["f (x", "y)"]])
def test_odd_names_that_can_be_told_apart_are_names(header: list[str]) -> None:
    assert header_names(header, "x.csv", [], line=1)[0] == header
