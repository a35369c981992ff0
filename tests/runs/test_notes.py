"""Notes: what is left out and what is left unsaid, each in one printable line, nothing where nothing is."""

from __future__ import annotations

import numpy as np

from bayes_dsl.runs.notes import notes_of
from bayes_dsl.runs.table import RunTable


def values(*status: str) -> dict:
    return {
        "run_id": np.array([f"r{row}" for row in range(len(status))], dtype=object),
        "status": np.array(status, dtype=object),
    }


def test_a_table_that_leaves_nothing_out_and_nothing_unsaid_has_no_notes() -> None:
    assert notes_of(2, {}, values("ok", "ok"), "total") == []


def test_every_condition_says_how_many_of_all_rows_it_left_out() -> None:
    notes = notes_of(9, {"tokens>=1e9": 3, "note=\x1b": 0}, values("ok"), "total")
    assert notes == ["--where tokens>=1e9 left out 3 of 9 rows", "--where note=\\x1b left out 0 of 9 rows"]


def test_twenty_rows_that_are_not_ok_are_named_and_the_rest_counted() -> None:
    (few,) = notes_of(21, {}, values("ok", *["diverged"] * 20), "total")
    assert "20 of 21 rows" in few and "r1 (diverged), r2" in few and few.endswith("r20 (diverged)")
    (many,) = notes_of(23, {}, values(*["unfinished"] * 23), "total")
    assert many.endswith("r19 (unfinished) and 3 more") and "r20" not in many


def test_notes_say_what_is_not_stated() -> None:
    table = RunTable.from_csv_text("params,tokens,loss\n1e8,2e9,3\n2e8,9e9,2.9\n")
    notes = "\n".join(table.notes)
    for part in ("all rows are supervised", "called by their line, such as 'line 2'", "--counting"):
        assert part in notes
    stated = RunTable.from_csv_text(
        "run_id,role,params,tokens,loss,counting\na,supervised,1e8,2e9,3.1,total\n"
    )
    assert stated.notes == ()


def test_names_are_shown_in_one_line() -> None:
    table = RunTable.from_csv_text(
        'run_id,params,tokens,loss,status\n"a\x1b[31m\nb",1e8,2e9,3,ok\n"c\nd",1e8,2,,diverged\n"e\nf",1e8,2,3,ok\n'
    )
    assert table.notes and table.warnings
    assert all(line.isprintable() for line in (*table.notes, *table.warnings))
