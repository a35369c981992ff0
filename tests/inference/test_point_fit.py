"""The point fit reaches published minima and known truths, and never calls a fit converged that is not."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_dsl.errors import InputError, TableError
from bayes_dsl.inference import bootstrap as boot
from bayes_dsl.inference.point_fit import (
    PointFit,
    Rows,
    latin_hypercube,
    parameters_at,
    point_fit,
    position_of,
)
from bayes_dsl.laws.base import Law, Parameter, Role
from bayes_dsl.laws.distillation import DISTILLATION
from bayes_dsl.laws.published import published
from bayes_dsl.laws.supervised import CHINCHILLA, SUPERVISED
from bayes_dsl.runs.table import RunTable

CHINCHILLA_TABLE = (
    Path(__file__).parents[3] / "shared" / "data" / "real" / "chinchilla_svg" / "svg_extracted_data.csv"
)
COLUMNS = {
    "params": "Model Size",
    "flops": "Training FLOP",
    "tokens": "flops/(6*params)",
    "role": "'supervised'",
}
PUBLISHED_240 = {"E": 1.817236, "A": 477.842, "B": 2143.864, "alpha": 0.347313, "beta": 0.367183}
PUBLISHED_245 = {"E": 1.8917, "A": 534.9, "B": 13530.0, "alpha": 0.35286, "beta": 0.45596}
TRUTH = {"E": 1.8, "A": 400.0, "B": 900.0, "alpha": 0.34, "beta": 0.33}


@cache
def real_fit(n_rows: int) -> PointFit:
    if not CHINCHILLA_TABLE.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{CHINCHILLA_TABLE} is absent under CI=true")
        pytest.skip("the public tables do not lie beside the checkout")
    where = ("loss<3.44",) if n_rows == 240 else ()
    table = RunTable.read(CHINCHILLA_TABLE, columns=COLUMNS, where=where)
    assert len(table) == n_rows
    return point_fit(table, law=CHINCHILLA, starts=256)


@cache
def real_bootstrap() -> boot.Bootstrap:
    return boot.bootstrap(real_fit(240), replicates=1024, seed=1)


def supervised_rows(law: Law, parameters: dict, *, n: int = 60, noise: float = 0.0, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    inputs = {"N": 10 ** rng.uniform(7.5, 10, n), "D": 10 ** rng.uniform(9, 11.5, n)}
    with jax.enable_x64(True):
        log_loss = np.asarray(law.log_loss("supervised", parameters, inputs))
    loss = np.exp(log_loss + noise * rng.standard_t(5, n))
    return Rows(inputs={"supervised": inputs}, loss={"supervised": loss})


def distilled_study(noise: float) -> Rows:
    """Teachers and students of the corrected coefficients, over the ranges of the published study."""
    truth = published("busbridge_corrected").parameters
    rng = np.random.default_rng(3)
    supervised = supervised_rows(DISTILLATION, truth, n=80, noise=noise, seed=4)
    n = 160
    inputs = {
        "N_S": 10 ** rng.uniform(8, 10, n),
        "D_S": 10 ** rng.uniform(9.5, 11.5, n),
        "L_T": rng.uniform(1.7, 2.6, n),
    }
    with jax.enable_x64(True):
        log_loss = np.asarray(DISTILLATION.log_loss("distilled", truth, inputs))
    loss = np.exp(log_loss + noise * rng.standard_t(5, n))
    return Rows(
        inputs={**supervised.inputs, "distilled": inputs}, loss={**supervised.loss, "distilled": loss}
    )


def objective_at(fit: PointFit, parameters: dict) -> float:
    """Huber's objective, written again with NumPy alone."""
    total = 0.0
    for role, loss in fit.rows.loss.items():
        with jax.enable_x64(True):
            predicted = np.asarray(fit.law.log_loss(role, parameters, fit.rows.inputs[role]))
        size = np.abs(predicted - np.log(loss))
        small = size <= fit.delta
        total += np.sum(np.where(small, size**2 / 2, fit.delta * (size - fit.delta / 2)))
    return float(total)


@pytest.mark.real_tables
def test_besiroglus_240_rows_give_their_point_fit() -> None:
    fit = real_fit(240)
    assert fit.converged
    assert fit.starts_at_best == 32
    assert fit.objective == pytest.approx(0.0010182740, abs=5e-11)
    for name, theirs in PUBLISHED_240.items():
        assert fit.parameters[name] == pytest.approx(theirs, rel=5e-4), name
    # Theirs stopped a little above the minimum, along the valley of B and beta.
    assert fit.objective <= objective_at(fit, PUBLISHED_240) <= fit.objective * (1 + 1e-7)


@pytest.mark.real_tables
def test_all_245_rows_move_the_fit_as_published_and_end_lower() -> None:
    fit = real_fit(245)
    assert fit.converged
    assert fit.parameters["E"] == pytest.approx(1.8917, abs=1e-3)
    assert fit.parameters["beta"] == pytest.approx(0.45596, rel=0.01)
    # The published coefficients are no minimum of this objective: 1.6 % above it.
    assert objective_at(fit, PUBLISHED_245) / fit.objective == pytest.approx(1.0165, abs=1e-3)


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
    with pytest.raises(InputError, match="converged refits = 0"):
        boot.bootstrap(real_fit(240), replicates=8, max_iterations=1).interval(prob=0.9)


def test_a_fit_that_stops_early_is_not_called_converged() -> None:
    rows = supervised_rows(CHINCHILLA, TRUTH, noise=0.005)
    early = point_fit(rows, law=CHINCHILLA, starts=64, max_iterations=4)
    late = point_fit(rows, law=CHINCHILLA, starts=64)
    assert not early.converged
    assert late.converged
    assert early.objective > late.objective * (1 + 1e-6)
    assert early.evaluations < late.evaluations


@pytest.mark.parametrize(
    ("law", "truth"), [(CHINCHILLA, TRUTH), (SUPERVISED, {**TRUTH, "gamma": 0.6, "A": 3e4, "B": 2e5})]
)
def test_a_noiseless_truth_is_found(law: Law, truth: dict) -> None:
    fit = point_fit(supervised_rows(law, truth), law=law, starts=64)
    assert fit.converged
    for name, value in truth.items():
        assert fit.parameters[name] == pytest.approx(value, rel=1e-3), name
    assert fit.objective < 1e-12


def test_a_converged_fit_is_a_minimum_along_every_coefficient() -> None:
    fit = point_fit(
        supervised_rows(SUPERVISED, {**TRUTH, "gamma": 0.8}, noise=0.01), law=SUPERVISED, starts=64
    )
    assert fit.converged
    assert objective_at(fit, fit.parameters) == pytest.approx(fit.objective, rel=1e-12)
    for name in fit.parameters:
        for factor in (1 - 1e-4, 1 + 1e-4):
            moved = {**fit.parameters, name: fit.parameters[name] * factor}
            assert objective_at(fit, moved) > fit.objective, name


def test_a_bootstrap_refit_is_a_fit_to_its_own_rows() -> None:
    fit = point_fit(supervised_rows(CHINCHILLA, TRUTH, n=40, noise=0.01), law=CHINCHILLA, starts=64)
    refits = boot.bootstrap(fit, replicates=4, seed=5)
    assert refits.converged.all()
    for i, counts in enumerate(boot._counts(fit, 4, 5)):
        drawn = np.repeat(np.arange(40), counts)
        inputs = {name: values[drawn] for name, values in fit.rows.inputs["supervised"].items()}
        rows = Rows(inputs={"supervised": inputs}, loss={"supervised": fit.rows.loss["supervised"][drawn]})
        alone = point_fit(rows, law=CHINCHILLA, starts=64)
        assert refits.objective[i] == pytest.approx(alone.objective, rel=1e-9)
        for name, value in alone.parameters.items():
            assert refits.parameters[name][i] == pytest.approx(value, rel=1e-3), name


def test_degenerate_resamples_do_not_break_the_rest() -> None:
    """Seven rows and five coefficients: many resamples hold fewer distinct rows than coefficients."""
    fit = point_fit(supervised_rows(CHINCHILLA, TRUTH, n=7, noise=0.002), law=CHINCHILLA, starts=64)
    refits = boot.bootstrap(fit, replicates=64, seed=0, max_iterations=60)
    assert np.all(np.isfinite(refits.objective))
    assert np.all(refits.objective >= 0)
    distinct = np.count_nonzero(boot._counts(fit, 64, 0), axis=1)
    assert np.any(distinct < 5)


def test_supervised_and_distilled_rows_are_fitted_together() -> None:
    rows = distilled_study(noise=0.003)
    fit = point_fit(rows, law=DISTILLATION, starts=64)
    truth = published("busbridge_corrected").parameters
    assert fit.converged
    assert fit.n_rows == 240
    assert fit.objective < objective_at(fit, truth)
    assert fit.parameters["E"] == pytest.approx(truth["E"], rel=0.1)
    assert fit.parameters["c_0"] == pytest.approx(truth["c_0"], abs=1.0)
    target = {"N_S": [3e9], "D_S": [1e11], "L_T": [1.9]}
    with jax.enable_x64(True):
        true_loss = float(
            DISTILLATION.loss("distilled", truth, {k: np.array(v) for k, v in target.items()})[0]
        )
    assert boot.predict(fit, "distilled", target, noise=False, draws=1)[0, 0] == pytest.approx(
        true_loss, rel=0.01
    )


POWER = Law(
    name="power",
    parameters=(
        Parameter(name="K", symbol="K", support="positive", unit="1", meaning="scale"),
        Parameter(name="k", symbol="k", support="real", unit="1", meaning="power of compute"),
    ),
    roles=(
        Role(
            name="supervised",
            inputs=("N", "D"),
            log_loss=lambda p, x: jnp.log(p["K"]) - p["k"] * (jnp.log(x["N"]) + jnp.log(x["D"]) - 42.0),
        ),
    ),
    source="a law of this test",
)


def test_a_users_law_is_fitted_and_bootstrapped() -> None:
    fit = point_fit(supervised_rows(POWER, {"K": 2.5, "k": 0.06}, noise=0.01), law=POWER, starts=64)
    assert fit.converged
    assert fit.parameters["k"] == pytest.approx(0.06, abs=0.005)
    refits = boot.bootstrap(fit, replicates=64)
    assert refits.converged_share == 1.0
    assert 1e-4 < refits.standard_errors()["k"] < 5e-3


def test_same_seed_same_bits_and_another_seed_the_same_minimum() -> None:
    rows = supervised_rows(CHINCHILLA, TRUTH, noise=0.005)
    first, again, other = (point_fit(rows, law=CHINCHILLA, starts=64, seed=seed) for seed in (0, 0, 1))
    assert first.parameters == again.parameters
    assert other.objective == pytest.approx(first.objective, rel=1e-10)
    one, two = (boot.bootstrap(first, replicates=32, seed=2) for _ in range(2))
    assert all(np.array_equal(one.parameters[name], two.parameters[name]) for name in one.parameters)
    assert not np.array_equal(
        one.parameters["E"], boot.bootstrap(first, replicates=32, seed=3).parameters["E"]
    )


def test_a_table_and_its_arrays_give_the_same_fit() -> None:
    rows = supervised_rows(CHINCHILLA, TRUTH, noise=0.005)
    inputs, loss = rows.inputs["supervised"], rows.loss["supervised"]
    frame = pd.DataFrame({"params": inputs["N"], "tokens": inputs["D"], "loss": loss, "role": "supervised"})
    frame["status"] = "ok"
    frame.loc[len(frame)] = [1e9, 1e10, 99.0, "supervised", "diverged"]
    fit = point_fit(RunTable.from_pandas(frame), law=CHINCHILLA, starts=64)
    assert fit.n_rows == len(loss)
    assert fit.objective == pytest.approx(point_fit(rows, law=CHINCHILLA, starts=64).objective, rel=1e-9)
    assert fit.residuals["supervised"].shape == (len(loss),)


def test_starts_may_be_given_as_coefficients() -> None:
    rows = supervised_rows(CHINCHILLA, TRUTH, noise=0.005)
    fit = point_fit(rows, law=CHINCHILLA, starts=[TRUTH])
    assert (fit.converged, fit.starts, fit.starts_at_best) == (True, 1, 1)


def test_too_few_rows_and_unexplained_roles_are_refused() -> None:
    with pytest.raises(TableError, match="rows = 4; the law chinchilla has 5 coefficients"):
        point_fit(supervised_rows(CHINCHILLA, TRUTH, n=4), law=CHINCHILLA)
    fit = point_fit(supervised_rows(CHINCHILLA, TRUTH, noise=0.01), law=CHINCHILLA, starts=64)
    with pytest.raises(InputError, match="explains supervised runs only"):
        boot.predict(fit, "distilled", {"N_S": 1e9, "D_S": 1e10, "L_T": 2.0}, noise=False)


def test_predictions_carry_residuals_only_when_asked() -> None:
    fit = point_fit(supervised_rows(CHINCHILLA, TRUTH, noise=0.01), law=CHINCHILLA, starts=64)
    refits = boot.bootstrap(fit, replicates=64)
    target = {"N": [1e10, 1e11], "D": [1e11, 1e12]}
    expected = boot.predict(refits, "supervised", target, noise=False, draws=256)
    next_run = boot.predict(refits, "supervised", target, noise=True, draws=256)
    assert expected.shape == next_run.shape == (256, 2)
    assert np.std(np.log(next_run), axis=0)[0] > 1.2 * np.std(np.log(expected), axis=0)[0]
    ratios = np.log(next_run / expected)
    assert np.all(np.isclose(ratios[..., None], fit.residuals["supervised"], atol=1e-12).any(axis=-1))
    fixed = boot.predict(fit, "supervised", target, noise=False, draws=3)
    assert np.all(fixed == fixed[0])


def test_intervals_hold_their_share() -> None:
    values = np.random.default_rng(0).exponential(size=20_000)
    for kind in ("eti", "hdi"):
        low, high = boot.interval_of(values, prob=0.8, kind=kind)
        assert np.mean((values >= low) & (values <= high)) == pytest.approx(0.8, abs=1e-3)
    eti, hdi = (boot.interval_of(values, prob=0.8, kind=kind) for kind in ("eti", "hdi"))
    assert hdi[1] - hdi[0] < eti[1] - eti[0]
    with pytest.raises(InputError, match="must lie between 0 and 1"):
        boot.interval_of(values, prob=90, kind="eti")


@settings(max_examples=30, deadline=None)
@given(
    E=st.floats(0.5, 3),
    alpha=st.floats(0.05, 1.2),
    beta=st.floats(0.05, 1.2),
    log_A=st.floats(0, 20),
    log_B=st.floats(0, 20),
    gamma=st.floats(0.1, 2),
)
def test_coordinates_and_coefficients_map_onto_each_other(
    E: float, alpha: float, beta: float, log_A: float, log_B: float, gamma: float
) -> None:
    rows = supervised_rows(CHINCHILLA, TRUTH, n=8)
    given_ = {"E": E, "A": np.exp(log_A), "B": np.exp(log_B), "alpha": alpha, "beta": beta, "gamma": gamma}
    back = parameters_at(SUPERVISED, rows, position_of(SUPERVISED, rows, given_))
    for name, value in given_.items():
        assert float(back[name]) == pytest.approx(value, rel=1e-8), name


@given(st.integers(1, 20), st.integers(0, 5))
def test_the_grid_fills_the_cube_evenly(dimensions: int, seed: int) -> None:
    points = latin_hypercube(512, dimensions, seed)
    assert points.shape == (512, dimensions)
    assert np.all((points >= 0) & (points < 1))
    counts = np.stack([np.histogram(column, bins=8, range=(0, 1))[0] for column in points.T])
    assert np.all(counts == 64)
