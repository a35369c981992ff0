"""Checks of the cells: every fault of every cell, in the order of the file; a clean table has none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bayes_dsl.errors import TableError
from bayes_dsl.runs.checks import Checked, check_cells, positive_or_missing
from bayes_dsl.runs.raw import RawColumn, RawTable
from bayes_dsl.runs.table import RunTable

H = "run_id,role,params,tokens,loss\n"
CLEAN = {
    "run_id": ("a", "b"),
    "role": ("supervised", "distilled"),
    "params": ("1.3B", "2e8"),
    "tokens": ("2e9", "4e9"),
    "loss": ("3.1", "2.9"),
    "teacher_loss": ("", "2.1"),
    "note": ("x", ""),
}


def checked(**changed: tuple[str, ...] | RawColumn | None) -> Checked:
    """Check the clean table with some columns replaced, or left out (None); its rows stand in lines 2 and 3."""
    cells = {name: column for name, column in {**CLEAN, **changed}.items() if column is not None}
    columns = {
        name: column if isinstance(column, RawColumn) else RawColumn(cells=column)
        for name, column in cells.items()
    }
    return check_cells(RawTable(source="x.csv", columns=columns, lines=np.array([2, 3])))


def told(result: Checked) -> list[tuple[int | None, str | None, str]]:
    return [(fault.line, fault.column, fault.value) for fault in result.faults]


def test_a_clean_table_has_no_faults_and_no_notes() -> None:
    result = checked()
    assert (result.faults, result.notes) == ([], [])
    assert result.values["params"].tolist() == [1.3e9, 2e8]
    assert np.array_equal(result.values["teacher_loss"], [np.nan, 2.1], equal_nan=True)
    assert result.values["status"].tolist() == ["ok", "ok"]
    assert "note" not in result.values


def test_faults_come_line_by_line_and_in_a_line_in_the_order_of_the_schema() -> None:
    result = checked(
        loss=("nan", "0"), params=("x", "-1"), role=("student", "distilled"), teacher_loss=("", "")
    )
    assert told(result) == [
        (2, "role", "student"),
        (2, "params", "x"),
        (2, "loss", "nan"),
        (3, "params", "-1"),
        (3, "loss", "0"),
        (3, "teacher_loss", "(empty)"),
    ]


@pytest.mark.parametrize("lost", ["nan", "-inf", " Infinity ", ""])
def test_a_run_that_is_not_ok_may_have_lost_its_loss_and_one_that_is_ok_may_not(lost: str) -> None:
    result = checked(loss=("3.1", lost), status=("ok", "diverged"))
    assert result.faults == [] and np.isnan(result.values["loss"][1])
    said = ["1 row not ok with a loss of nan or infinity: read as no loss"]
    assert result.notes == (said if lost else [])
    assert told(checked(loss=("3.1", lost), status=("diverged", "ok"))) == [
        (3, "loss", lost.strip() or "(empty)")
    ]
    assert told(checked(loss=("3.1", "-2"), status=("ok", "diverged"))) == [(3, "loss", "-2")]


def test_a_count_may_have_a_suffix_and_a_loss_may_not() -> None:
    assert told(checked(loss=("3K", "2.9"), tokens=("3K", "2"))) == [(2, "loss", "3K")]


def test_a_word_that_is_nearly_a_choice_is_guessed() -> None:
    (fault,) = checked(role=("supervized", "distilled")).faults
    assert fault.remedy.startswith("Did you mean supervised?")
    (fault,) = checked(role=("x", "distilled")).faults
    assert "Did you mean" not in fault.remedy


def test_absent_columns_are_named_with_what_may_be_meant() -> None:
    result = checked(params=None, loss=None, role=None, Loss=("1", "2"))
    lines = [str(fault) for fault in result.faults]
    assert [fault.column for fault in result.faults] == ["role", "params", "loss"]
    assert "--columns loss=Loss" in lines[2] and "the columns are: run_id, tokens" in lines[1]


def test_without_a_role_column_all_are_supervised_where_there_are_no_teachers() -> None:
    result = checked(role=None, teacher_loss=None)
    assert result.faults == [] and result.values["role"].tolist() == ["supervised"] * 2
    assert result.notes == ["there is no role column, and no teacher_loss: all rows are supervised"]


def test_distilled_rows_without_a_column_of_teacher_losses_are_faults() -> None:
    assert told(checked(teacher_loss=None)) == [(3, "teacher_loss", "(no such column)")]


def test_runs_are_called_by_their_place_where_they_have_no_name_and_names_are_unique() -> None:
    result = checked(run_id=("", "b"))
    assert result.values["run_id"].tolist() == ["line 2", "b"]
    assert len(result.notes) == 1 and "1 row" in result.notes[0] and "such as 'line 2'" in result.notes[0]
    (fault,) = checked(run_id=("b ", "b")).faults
    assert (fault.line, fault.value) == (3, "b") and "line 2 has it already" in fault.rule
    assert told(checked(run_id=("line 3", ""))) == [(3, "run_id", "line 3")]


@pytest.mark.parametrize("name", ["tokens", "ratio"])
def test_a_formula_without_a_number_is_a_fault_of_the_cell_that_it_read(name: str) -> None:
    derived = RawColumn(derived=np.array([2e9, np.nan]), broken={1: ("flop", " many ")})
    (fault,) = checked(**{name: derived}).faults
    assert (fault.line, fault.column, fault.value) == (3, "flop", "many")
    assert fault.rule == f"must be a number for {name} to be made of it"


@pytest.mark.parametrize("name", ["group", "note"])
@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_that_no_file_holds_is_a_fault(name: str, text: str) -> None:
    series = RawColumn(series=pd.Series(["fine", text], dtype=object))
    (fault,) = checked(**{name: series}).faults
    assert (fault.line, fault.column) == (3, name) and str(fault).isprintable()


def test_numbers_are_positive_or_missing() -> None:
    assert positive_or_missing(np.array([1.0, np.nan])) and positive_or_missing(np.array([]))
    for wrong in (0.0, -1.0, np.inf):
        assert not positive_or_missing(np.array([1.0, wrong]))


def test_very_many_faults_are_all_there() -> None:
    rows = 50_000
    data = H + "".join(f"r{row},supervised,1e8,2e9,nan\n" for row in range(rows))
    with pytest.raises(TableError) as caught:
        RunTable.from_csv_text(data)
    assert len(caught.value.faults) == rows
    assert caught.value.faults[-1].line == rows + 1
    assert caught.value.faults[-1].column == "loss"
