"""Warnings: they appear where they should and, as a control, nowhere else."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from bayes_dsl.runs.table import RunTable

SIZES = (1e8, 2e8, 4e8, 8e8)
GRID = list(itertools.product(SIZES, (2e9, 8e9, 3e10)))


def table(rows: list[tuple[float, float]], **columns: object) -> RunTable:
    frame = pd.DataFrame(rows, columns=["params", "tokens"])
    return RunTable.from_pandas(frame.assign(**{"role": "supervised", "loss": 3.0, **columns}))


def test_a_grid_of_runs_is_nothing_unusual() -> None:
    assert table(GRID).warnings == ()


@pytest.mark.parametrize(
    ("rows", "part"),
    [
        ([(n, 20 * n) for n in SIZES], "one tokens-per-parameter ratio, 20"),
        ([(n, 20 * n * factor) for n, factor in zip(SIZES, (1, 1.03, 0.98, 1.01), strict=True)], "ratio"),
        ([(n, 1e4 * n**0.7) for n in SIZES], "tokens ~ params^0.70"),
        ([(n, 5 * n**1.1 * (1 + 0.02 * (-1) ** i)) for i, n in enumerate(SIZES)], "compute-optimal"),
        ([(1e8, d) for d in SIZES], "one size"),
        ([(n, 1e9) for n in SIZES], "one length"),
        ([(1e8, 2e9)] * 4, "one configuration"),
        ([(1e8, 2e9)], "there is one row"),
        ([(1e8, 2e9), (2e8, 9e9)], "one line"),
    ],
)
def test_designs_that_cannot_tell_the_coefficients_apart(rows: list[tuple[float, float]], part: str) -> None:
    (sentence,) = table(rows).warnings
    assert part in sentence


def test_tokens_and_params_in_other_units() -> None:
    (sentence,) = table([(n, d / 1e9) for n, d in GRID]).warnings
    assert "tokens look like billions: 12 rows" in sentence and "tokens=tokens [billions]" in sentence
    assert "row 0" in sentence
    (sentence,) = table([(n / 1e9, d) for n, d in GRID]).warnings
    assert "params look like" in sentence


@pytest.mark.parametrize(("loss", "warned"), [(10.0, False), (math.log(50_257), True), (20.0, True)])
def test_losses_beyond_guessing(loss: float, warned: bool) -> None:
    losses = np.full(len(GRID), 3.0)
    losses[4] = loss
    warnings = table(GRID, loss=losses).warnings
    assert bool(warnings) == warned
    if warned:
        assert "1 row, such as" in warnings[0] and "row 4" in warnings[0]


def test_only_rows_with_status_ok_are_judged() -> None:
    losses = [3.0] * len(GRID)
    losses[0] = 20.0
    status = ["diverged"] + ["ok"] * (len(GRID) - 1)
    assert table(GRID, loss=losses, status=status).warnings == ()
    (sentence,) = table(GRID, status="diverged").warnings
    assert "no row has status ok" in sentence


def test_distilled_rows_of_one_teacher_and_stray_teacher_losses() -> None:
    warnings = table(GRID, role="distilled", teacher_loss=2.1).warnings
    assert len(warnings) == 1 and "one teacher_loss" in warnings[0]
    varied = table(GRID, role="distilled", teacher_loss=np.linspace(2, 2.4, len(GRID)))
    assert varied.warnings == ()
    (sentence,) = table(GRID, teacher_loss=2.1).warnings
    assert "12 rows with a teacher_loss though supervised" in sentence


def test_flops_that_are_not_those_of_the_run() -> None:
    (sentence,) = table(GRID, flops=[6 * n for n, _ in GRID]).warnings
    assert "far from 6 params tokens in 12 rows" in sentence and "flops=" in sentence
    assert table(GRID, flops=[9 * n * d for n, d in GRID]).warnings == ()


def test_repeated_data() -> None:
    (sentence,) = table(GRID, unique_tokens=2e9).warnings
    assert "8 rows with repeated data (up to 15 times)" in sentence
    assert table(GRID, unique_tokens=1e12).warnings == ()
