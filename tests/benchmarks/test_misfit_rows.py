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


def figures(cpu_s: float, **changed: float) -> dict[str, float]:
    return {"wall_s": 10.0, "cpu_s": cpu_s, "steps_per_draw": 10.0, "healthy": 1, **changed}


@pytest.mark.parametrize(
    ("cpu_s", "largest", "met"),
    [
        (28.0, {}, True),
        (28.0, {"wall_s": 80.0}, False),
        (28.0, {"healthy": 0}, False),
        # 20 s are fixed: four times the cost for twice the rows.
        (36.0, {}, False),
        (36.0, {"steps_per_draw": 13.0}, True),
    ],
)
def test_it_is_met_where_all_of_it_is(cpu_s: float, largest: dict[str, float], met: bool) -> None:
    found = misfit_rows.row([figures(22.0), figures(24.0), figures(cpu_s, **largest)], (500, 1000, 2000), 0)
    assert found["met"] is met and found["figures"]["cpu_s"] == [22.0, 24.0, cpu_s]
    assert not misfit_rows.row([figures(22.0), figures(24.0), figures(28.0)], (500, 700, 2000), 0)["met"]
