"""The summary counts what a posterior conditions on, and says what it leaves out."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_dsl.runs.summary import compute, summarise
from bayes_dsl.runs.table import RunTable


def test_summary_counts_configurations_teachers_groups_and_compute() -> None:
    table = RunTable.from_csv_text(
        "role,params,tokens,loss,teacher_loss,teacher_params,teacher_tokens,group,eval_id,flops\n"
        "supervised,1e8,2e9,3,,,,g1,c4,\n"
        "supervised,1e8,2e9,3.01,,,,g1,c4,\n"
        "distilled,1e8,2e9,2.9,2.1,7e9,1e11,g2,c4,5e20\n"
        "distilled,2e8,2e9,2.8,2.1,7e9,1e11,g2,c4,\n"
        "distilled,2e8,2e9,2.7,2.0,9e9,1e11,,c4,\n"
    )
    summary = table.summary()
    assert summary.by_role == {"supervised": 2, "distilled": 3}
    assert (summary.configurations, summary.teachers, summary.groups, summary.evaluations) == (3, 2, 2, 1)
    assert summary.largest_compute_flops == 5e20
    assert summary.ranges["teacher_loss"] == (2.0, 2.1)


def columns(rows: list[tuple[str, float, float, float, str]], **more: list) -> dict[str, np.ndarray]:
    role, params, tokens, loss, status = (
        np.array(column, dtype=object) for column in zip(*rows, strict=True)
    )
    known = {"role": role, "status": status}
    numbers = {name: np.array(column, float) for name, column in more.items() if name != "teacher_id"}
    labels = {name: np.array(column, object) for name, column in more.items() if name == "teacher_id"}
    floats = {"params": params.astype(float), "tokens": tokens.astype(float), "loss": loss.astype(float)}
    return {**known, **floats, **numbers, **labels}


def test_a_run_that_is_not_ok_counts_as_a_row_and_nowhere_else() -> None:
    ok = ("supervised", 1e8, 2e9, 3.0, "ok")
    lost = ("supervised", 9e9, 9e12, np.nan, "diverged")
    one, both = summarise(columns([ok]), {}), summarise(columns([ok, lost]), {"tokens>=1e9": 4})
    assert (both.rows, both.used) == (2, 1)
    assert both.left_out == {"tokens>=1e9": 4, "status diverged": 1}
    assert both.configurations == one.configurations == 1
    assert both.ranges == one.ranges == {"params": (1e8, 1e8), "tokens": (2e9, 2e9), "loss": (3.0, 3.0)}
    assert both.largest_compute_flops == one.largest_compute_flops == pytest.approx(6 * 1e8 * 2e9)


def test_a_table_without_a_run_that_is_ok_has_no_ranges() -> None:
    summary = summarise(columns([("supervised", 1e8, 2e9, np.nan, "diverged")]), {})
    assert (summary.used, summary.configurations, summary.ranges) == (0, 0, {})
    assert summary.largest_compute_flops == 0.0


def test_the_same_size_and_tokens_in_two_roles_are_two_configurations() -> None:
    rows = [("supervised", 1e8, 2e9, 3.0, "ok"), ("distilled", 1e8, 2e9, 2.9, "ok")]
    summary = summarise(columns([*rows, rows[0]], teacher_loss=[np.nan, 2.1, np.nan]), {})
    assert summary.configurations == 2


def test_teachers_are_told_apart_by_their_name_else_by_their_numbers() -> None:
    rows = [("distilled", 1e8, 2e9, 2.9, "ok")] * 4
    losses = [2.1, 2.1, 2.2, 2.2]
    assert summarise(columns(rows, teacher_loss=losses), {}).teachers == 2
    named = columns(rows, teacher_loss=losses, teacher_id=["t", "t", "t", ""])
    assert summarise(named, {}).teachers == 2
    assert summarise(columns([("supervised", 1e8, 2e9, 3.0, "ok")], teacher_loss=[2.1]), {}).teachers == 0


def test_compute_is_as_measured_and_six_params_tokens_where_it_was_not() -> None:
    known = {"params": np.array([1e8, 1e8]), "tokens": np.array([2e9, 2e9])}
    assert compute(known).tolist() == [1.2e18, 1.2e18]
    assert compute({**known, "flops": np.array([5e18, np.nan])}).tolist() == [5e18, 1.2e18]
