"""Each question answers to the fault that it asks about, and roles that cannot be judged are left alone."""

from dataclasses import replace

import numpy as np
import pytest

from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.validation.replicates import observations_of
from bayes_dsl.validation.row_statistics import LEAST_ROWS, Question, questions_of, ranks_of


def answers(questions: tuple[Question, ...], z: np.ndarray) -> dict[str, float]:
    return {one.name: float(one.value(z[None], ranks_of(z[None]))[0]) for one in questions}


def test_each_role_has_its_rows_and_its_questions(small_distilled: Posterior) -> None:
    (supervised, of_supervised), (distilled, of_distilled) = questions_of(
        small_distilled, observations_of(small_distilled)
    )
    assert (supervised, distilled) == (slice(0, 30), slice(30, 70))
    assert {one.role for one in of_supervised} == {"supervised"}
    assert {one.role for one in of_distilled} == {"distilled"}
    names = [one.name for one in of_supervised]
    assert "trend in teacher loss" not in names
    assert {one.name for one in of_distilled} - {*names} == {"trend in teacher loss"}


@pytest.mark.parametrize("role", [0, 1])
def test_the_planted_order_is_the_one_that_answers(small_distilled: Posterior, role: int) -> None:
    observations = observations_of(small_distilled)
    rows, questions = questions_of(small_distilled, observations)[role]
    used, order = small_distilled.table.used, observations.order[rows]
    params, tokens = used.values("params")[order], used.values("tokens")[order]
    planted = {"trend in compute": params * tokens, "trend in tokens per param": tokens / params}
    if role == 1:
        # The students' own, not the teachers': columns of a table's own row.
        planted["trend in teacher loss"] = used.values("teacher_loss")[order]
    noise = 1e-6 * np.random.default_rng(0).standard_normal(len(order))
    for name, x in planted.items():
        rising = answers(questions, np.log(x) + noise)
        assert rising[name] > 0.95 and answers(questions, -np.log(x) + noise)[name] < -0.95
        assert all(abs(rising[other]) < 0.9 for other in planted if other != name)
    compute = np.log(params * tokens)
    wave = np.sin(2 * np.pi * (compute - compute.min()) / np.ptp(compute)) + noise
    assert answers(questions, wave)["neighbours by compute"] > 0.7
    alone = answers(questions, np.random.default_rng(1).standard_normal(len(order)))
    assert abs(alone["neighbours by compute"]) < 0.4


def test_sizes_are_those_of_the_residuals(small_posterior: Posterior) -> None:
    _, questions = questions_of(small_posterior, observations_of(small_posterior))[0]
    z = np.full(60, 0.5) * (-1.0) ** np.arange(60) + 1e-9 * np.arange(60)
    z[7] = -9.0
    found = answers(questions, z)
    assert found["median |residual| / scale"] == pytest.approx(0.5, abs=1e-6)
    assert found["largest |residual| / scale"] == 9.0
    # One run, however far off, rules no trend.
    assert abs(found["trend in compute"]) < 0.2


def test_too_few_rows_and_a_quantity_of_two_values_are_not_asked_about(small_posterior: Posterior) -> None:
    table = small_posterior.table
    few = replace(small_posterior, tree=small_posterior.tree.copy())
    few.__dict__["table"] = table.select(np.arange(60) < LEAST_ROWS - 1)
    assert questions_of(few, observations_of(few)) == ()
    params, tokens = table.values("params"), table.values("tokens")
    flat = (params * tokens < np.median(params * tokens)) * 1e9 + 1e9
    same = replace(table, columns={**table.columns, "params": flat, "tokens": flat})
    few.__dict__["table"] = same
    ((_, questions),) = questions_of(few, observations_of(few))
    assert [one.name.split()[0] for one in questions] == ["median", "largest"]
