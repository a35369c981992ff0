"""The bootstrap: every refit is a fit to its own rows, and intervals are made of refits that converged."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from bayes_dsl.errors import InputError
from bayes_dsl.inference import bootstrap as boot
from bayes_dsl.inference.point_fit import Rows, point_fit
from bayes_dsl.laws.supervised import CHINCHILLA
from tests.inference.point_fits import DISTILLED_ROWS, ROWS, STARTS, joint_fit, real_fit, synthetic_fit


@cache
def real_bootstrap() -> boot.Bootstrap:
    return boot.bootstrap(real_fit(240), replicates=1024, seed=1)


@cache
def synthetic_bootstrap() -> boot.Bootstrap:
    return boot.bootstrap(synthetic_fit(), replicates=64)


@pytest.mark.real_tables
def test_bootstrap_standard_errors_of_the_240_rows_are_the_published_ones() -> None:
    refits = real_bootstrap()
    assert refits.converged_share == 1.0
    errors = refits.standard_errors(log=True)
    assert errors["A"] == pytest.approx(0.258, rel=0.08)
    assert errors["B"] == pytest.approx(0.421, rel=0.08)
    assert errors["E"] == pytest.approx(0.014, rel=0.08)
    assert refits.standard_errors()["alpha"] == pytest.approx(0.0154, rel=0.08)
    assert refits.standard_errors()["beta"] == pytest.approx(0.0206, rel=0.08)


@pytest.mark.real_tables
def test_refits_that_stop_early_say_so_and_would_be_too_narrow() -> None:
    early = boot.bootstrap(real_fit(240), replicates=1024, seed=1, max_iterations=2)
    assert early.converged_share < 0.05
    one_step = np.std(np.log(early.parameters["A"]))
    assert one_step < 0.9 * real_bootstrap().standard_errors(log=True)["A"]


def test_refits_that_did_not_converge_make_no_interval_and_no_prediction() -> None:
    refits = synthetic_bootstrap()
    wild = {name: np.where(np.arange(64) < 32, values, 1e9) for name, values in refits.parameters.items()}
    half = replace(refits, parameters=wild, converged=np.arange(64) < 32)
    assert half.converged_share == 0.5
    assert half.standard_errors()["E"] == pytest.approx(np.std(refits.parameters["E"][:32], ddof=1))
    assert max(half.interval(prob=0.9)["E"]) < 10
    none = replace(refits, converged=np.zeros(64, dtype=bool))
    for ask in (
        lambda: none.interval(prob=0.9),
        none.standard_errors,
        lambda: boot.predict(none, "supervised", {"N": 1e9, "D": 1e10}, noise=False),
    ):
        with pytest.raises(InputError, match="converged refits = 0"):
            ask()


def test_a_bootstrap_refit_is_a_fit_to_its_own_rows() -> None:
    fit = synthetic_fit()
    refits = boot.bootstrap(fit, replicates=4, seed=5)
    assert refits.converged.all()
    for i, counts in enumerate(boot._counts(fit, 4, 5)):
        drawn = np.repeat(np.arange(ROWS), counts)
        inputs = {name: values[drawn] for name, values in fit.rows.inputs["supervised"].items()}
        rows = Rows(inputs={"supervised": inputs}, loss={"supervised": fit.rows.loss["supervised"][drawn]})
        alone = point_fit(rows, law=CHINCHILLA, starts=STARTS)
        assert refits.objective[i] == pytest.approx(alone.objective, rel=1e-9)
        for name, value in alone.parameters.items():
            assert refits.parameters[name][i] == pytest.approx(value, rel=1e-3), name


def test_rows_are_drawn_within_their_role_as_many_as_there_are() -> None:
    counts = boot._counts(joint_fit(), 50, 0)
    assert counts.shape == (50, ROWS + DISTILLED_ROWS)
    assert np.all(counts[:, :ROWS].sum(axis=1) == ROWS)
    assert np.all(counts[:, ROWS:].sum(axis=1) == DISTILLED_ROWS)
    assert np.all(np.any(counts == 0, axis=1)) and np.all(np.any(counts > 1, axis=1))


def test_a_users_law_of_two_roles_is_bootstrapped() -> None:
    refits = boot.bootstrap(joint_fit(), replicates=64)
    assert refits.converged_share == 1.0
    assert 1e-4 < refits.standard_errors()["k"] < 5e-3
    assert refits.standard_errors(log=True)["k"] == refits.standard_errors()["k"]  # k may be negative
    assert refits.standard_errors(log=True)["K"] < refits.standard_errors()["K"]


def test_same_seed_same_bits_and_another_seed_other_rows() -> None:
    one, two, other = (boot.bootstrap(synthetic_fit(), replicates=32, seed=seed) for seed in (2, 2, 3))
    assert all(np.array_equal(one.parameters[name], two.parameters[name]) for name in one.parameters)
    assert not np.array_equal(one.parameters["E"], other.parameters["E"])


def test_predictions_carry_residuals_only_when_asked() -> None:
    fit, refits = synthetic_fit(), synthetic_bootstrap()
    target = {"N": [1e10, 1e11], "D": [1e11, 1e12]}
    expected = boot.predict(refits, "supervised", target, noise=False, draws=256)
    next_run = boot.predict(refits, "supervised", target, noise=True, draws=256)
    assert expected.shape == next_run.shape == (256, 2)
    assert np.std(np.log(next_run), axis=0)[0] > 1.2 * np.std(np.log(expected), axis=0)[0]
    ratios = np.log(next_run / expected)
    assert np.all(np.isclose(ratios[..., None], fit.residuals["supervised"], atol=1e-12).any(axis=-1))
    fixed = boot.predict(fit, "supervised", target, noise=False, draws=3)
    assert np.all(fixed == fixed[0])


def test_a_role_that_the_law_does_not_explain_is_not_predicted() -> None:
    with pytest.raises(InputError, match="explains supervised runs only"):
        boot.predict(synthetic_fit(), "distilled", {"N_S": 1e9, "D_S": 1e10, "L_T": 2.0}, noise=False)


def test_the_noise_of_a_role_without_rows_is_not_known() -> None:
    fit = joint_fit()
    unseen = replace(fit, residuals={"supervised": fit.residuals["supervised"]})
    target = {"N_S": 1e9, "D_S": 1e10, "L_T": 2.0}
    assert boot.predict(unseen, "distilled", target, noise=False, draws=2).shape == (2, 1)
    with pytest.raises(InputError, match="knows no noise of distilled ones"):
        boot.predict(unseen, "distilled", target, noise=True)
