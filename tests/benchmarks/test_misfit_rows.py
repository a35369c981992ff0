"""Tables of every size are of one world, and the row of the ledger says no where one of its figures does."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import misfit_rows


def test_a_smaller_table_is_the_beginning_of_a_larger_one() -> None:
    small, large = misfit_rows.table(250), misfit_rows.table(500)
    assert (len(small), len(large)) == (250, 500)
    for name in ("params", "tokens", "loss"):
        np.testing.assert_array_equal(small.values(name), large.values(name)[:250])


def figures(**changed: float) -> dict[str, float]:
    return {"wall_s": 10.0, "cpu_s": 20.0, "healthy": 1, **changed}


@pytest.mark.parametrize(
    ("largest", "met"),
    [({}, True), ({"wall_s": 80.0}, False), ({"cpu_s": 170.0}, False), ({"healthy": 0}, False)],
)
def test_it_is_met_where_all_of_it_is(largest: dict[str, float], met: bool) -> None:
    found = misfit_rows.row([figures(), figures(**largest)], (250, 2000), 0)
    assert found["met"] is met and found["figures"]["wall_s"] == [10.0, largest.get("wall_s", 10.0)]
