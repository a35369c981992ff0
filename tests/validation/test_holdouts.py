"""A table is cut by scale, and rows that are not independent share a cluster."""

import numpy as np
import pandas as pd
import pytest

from bayes_dsl.errors import InputError
from bayes_dsl.runs.table import RunTable
from bayes_dsl.validation.holdouts import LEAST_ROWS, clusters, holdouts


def table(**columns: object) -> RunTable:
    sizes = np.geomspace(1e7, 1e9, 8)
    frame = pd.DataFrame(
        [(size, tokens) for size in sizes for tokens in (1e9, 4e9, 1.6e10)], columns=["params", "tokens"]
    )
    frame["loss"] = 2.0 + (1e9 / frame["params"]) ** 0.3
    return RunTable.from_pandas(frame.assign(role="supervised", **columns))


@pytest.mark.parametrize("by", ["compute", "params", "tokens"])
def test_every_later_run_is_larger_than_every_known_one(by: str) -> None:
    used = table()
    (cut,) = holdouts(used, [3.0], by=by)
    scale = {
        "compute": lambda rows: 6 * rows.values("params") * rows.values("tokens"),
        "params": lambda rows: rows.values("params"),
        "tokens": lambda rows: rows.values("tokens"),
    }[by]
    assert len(cut.known) + len(cut.later) == len(used)
    assert scale(cut.known).max() <= cut.limit == scale(used).max() / 3 < scale(cut.later).min()
    assert cut.beyond == pytest.approx(scale(cut.later) / scale(cut.known).max())
    assert (cut.beyond > 1).all()


def test_factors_come_sorted_and_once() -> None:
    assert [one.factor for one in holdouts(table(), [4.0, 2.0, 4.0])] == [2.0, 4.0]


def test_runs_that_did_not_end_are_on_neither_side() -> None:
    status = ["ok"] * 23 + ["unfinished"]
    (cut,) = holdouts(table(status=status), [2.0])
    assert len(cut.known) + len(cut.later) == 23


def test_a_table_s_own_flops_count() -> None:
    flops = np.full(24, 1e18)
    flops[:3] = 1e20
    (cut,) = holdouts(table(flops=flops), [8.0])
    assert len(cut.later) == 3 and cut.beyond == pytest.approx([100.0] * 3)


def test_rows_of_one_group_or_configuration_are_one_cluster() -> None:
    plain = clusters(table())
    assert len(set(plain)) == 24
    grouped = clusters(table(group=["g"] * 5 + [""] * 19))
    assert len(set(grouped[:5])) == 1 and len(set(grouped)) == 20


@pytest.mark.parametrize(
    ("factors", "by", "said"),
    [
        ([1.0, 0.5], "compute", ["holdout = 1x", "holdout = 0.5x"]),
        ([float("inf")], "loss", ["holdout = infx", "by = loss; is no scale of runs"]),
        ([], "compute", ["holdout = none"]),
        ([2.0, 1e3, 1e4], "compute", ["holdout = 1000x", "holdout = 10000x"]),
    ],
)
def test_what_cannot_be_cut_is_refused_with_every_fault(factors: list, by: str, said: list) -> None:
    with pytest.raises(InputError) as caught:
        holdouts(table(), factors, by=by)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(said)
    assert all(part in line for part, line in zip(said, lines, strict=True))


def test_too_few_rows_are_counted() -> None:
    with pytest.raises(InputError, match=f"rows have at most .* and {LEAST_ROWS} are needed"):
        holdouts(table(), [500.0])
