"""A run is known again by its content, and a table that has one which the prior has seen is refused."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_dsl.errors import TableError
from bayes_dsl.inference.seen import digests, joined, refuse_seen
from bayes_dsl.runs.table import RunTable


def changed(table: RunTable, **columns: object) -> RunTable:
    return RunTable.from_pandas(table.to_pandas().assign(**columns), counting=table.counting)


def test_a_run_is_known_by_what_it_is_not_by_its_name(small_table: RunTable) -> None:
    known = digests(small_table)
    assert len(set(known)) == len(small_table.used)
    renamed = changed(small_table, run_id=[f"other-{i}" for i in range(len(small_table))])
    rounded = changed(small_table, loss=small_table.values("loss").astype(np.float32).astype(np.float64))
    assert digests(renamed) == digests(rounded) == known
    assert set(digests(changed(small_table, loss=small_table.values("loss") * 1.001))).isdisjoint(known)
    assert set(digests(changed(small_table, tokens=small_table.values("tokens") * 1.001))).isdisjoint(known)


def test_runs_that_are_left_out_have_not_been_seen(small_table: RunTable) -> None:
    status = ["diverged", *["ok"] * (len(small_table) - 1)]
    assert digests(changed(small_table, status=status)) == digests(small_table)[1:]


def test_a_table_with_seen_runs_is_refused_and_they_are_named(small_table: RunTable) -> None:
    one, other = small_table.select(np.arange(60) < 30), small_table.select(np.arange(60) >= 26)
    refuse_seen(small_table.select(np.arange(60) >= 30), digests(one), "posterior of one")
    with pytest.raises(
        TableError, match=r"4 of 34 \(supervised-0026, supervised-0027, supervised-0028, \.\.\.\)"
    ):
        refuse_seen(other, digests(one), "posterior of one")
    refuse_seen(other, (), "published hoffmann")


def test_digests_of_several_tables_are_each_there_once() -> None:
    assert joined((3, 1), (), (1, -2)) == (-2, 1, 3)
