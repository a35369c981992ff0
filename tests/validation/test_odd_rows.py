"""A row off the law is found; a clean table has none; a shared effect excuses a group, not one row of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from bayes_dsl.errors import NotConverged
from bayes_dsl.inference.design import busbridge_study_design, supervised_grid
from bayes_dsl.inference.fit import fit
from bayes_dsl.inference.observations import observe
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.settings import Settings
from bayes_dsl.inference.simulate import Noise, simulate
from bayes_dsl.laws.published import published
from bayes_dsl.runs.table import RunTable
from bayes_dsl.validation.loo import leave_one_out
from bayes_dsl.validation.odd_rows import LARGEST_STANDARDISED_RESIDUAL, log_expected, odd_rows
from tests.conftest import SMALL_SETTINGS
from tests.posteriors import posterior_around

TRUTH = published("besiroglu")
ODD = 23


def with_loss(table: RunTable, factors: dict[int, float]) -> RunTable:
    loss = table.values("loss").copy()
    for row, factor in factors.items():
        loss[row] *= factor
    return replace(table, columns={**table.columns, "loss": loss})


@pytest.fixture(scope="module")
def odd_posterior(small_table: RunTable) -> Posterior:
    table = with_loss(small_table, {ODD: 1.3})
    return fit(table, law=TRUTH.law, seed=1, settings=SMALL_SETTINGS, misfit=None)


def test_a_clean_table_has_no_odd_row(small_posterior: Posterior) -> None:
    assert odd_rows(small_posterior) == ()


def test_the_planted_row_is_found(small_table: RunTable, odd_posterior: Posterior) -> None:
    (row,) = odd_rows(odd_posterior)
    assert row.run_id == small_table.values("run_id")[ODD] and row.role == "supervised"
    assert row.observed == pytest.approx(1.3 * small_table.values("loss")[ODD])
    assert row.expected == pytest.approx(small_table.values("loss")[ODD], rel=0.02)
    assert row.residual == pytest.approx(np.log(row.observed / row.expected))
    assert row.residual == pytest.approx(np.log(1.3), abs=0.02)
    assert row.standardised_residual > 20  # 26 % at noise of half a percent
    assert row.reason.startswith(f"its loss is {row.standardised_residual:.1f} noise scales above the law")


def test_the_worst_come_first_and_no_more_than_asked(small_table: RunTable) -> None:
    table = with_loss(small_table, {3: 1.05, 40: 0.9, 55: 1.2})
    posterior = posterior_around(TRUTH.law, TRUTH.parameters, table)
    loo = replace(leave_one_out(posterior), pareto_k=np.full(60, 0.1))
    found = odd_rows(posterior, None, loo=loo)
    names = small_table.values("run_id")
    assert [row.run_id for row in found] == [names[55], names[40], names[3]]
    assert found[1].standardised_residual < 0 and "below the law" in found[1].reason
    assert odd_rows(posterior, most=2, loo=loo) == found[:2]


def test_a_row_that_the_posterior_leans_on_is_odd_wherever_it_lies(small_table: RunTable) -> None:
    posterior = posterior_around(TRUTH.law, TRUTH.parameters, small_table)
    pareto_k = np.full(60, 0.69)
    pareto_k[[5, 9]] = 0.81, np.nan
    found = odd_rows(posterior, loo=replace(leave_one_out(posterior), pareto_k=pareto_k))
    names = small_table.values("run_id")
    assert [row.run_id for row in found] == [names[9], names[5]]
    assert found[1].reason == "the posterior leans on it: Pareto k 0.81"
    assert abs(found[1].standardised_residual) < LARGEST_STANDARDISED_RESIDUAL


def test_a_row_that_the_evaluation_blurs_is_not_odd(small_table: RunTable) -> None:
    table = with_loss(small_table, {ODD: 1.1, 30: 1.1})
    loss_se = np.full(60, np.nan)
    loss_se[ODD] = 0.3
    blurred = replace(table, columns={**table.columns, "loss_se": loss_se})
    names = small_table.values("run_id")
    found = odd_rows(posterior_around(TRUTH.law, TRUTH.parameters, table))
    assert {row.run_id for row in found} == {names[ODD], names[30]}
    found = odd_rows(posterior_around(TRUTH.law, TRUTH.parameters, blurred))
    assert [row.run_id for row in found] == [names[30]]


def test_distilled_rows_are_judged_by_their_teachers() -> None:
    truth = published("busbridge_corrected")
    noise = Noise(scale=0.002, scale_distilled=0.002, degrees_of_freedom=np.inf)
    clean = simulate(truth.law, truth.parameters, busbridge_study_design(), noise=noise, seed=2)
    distilled = np.flatnonzero(clean.values("role") == "distilled")
    table = with_loss(clean, {int(distilled[100]): 0.93})
    # The order of a table is its own: the program takes supervised rows first.
    shuffled = table.select(np.random.default_rng(0).permutation(len(table)))
    posterior = posterior_around(truth.law, truth.parameters, shuffled, spread=1e-4)
    (row,) = odd_rows(posterior)
    assert row.run_id == table.values("run_id")[distilled[100]] and row.role == "distilled"
    assert row.residual == pytest.approx(np.log(0.93), abs=0.02)


def test_a_row_without_a_name_is_called_by_its_line() -> None:
    lines = ["role,params,tokens,loss"]
    truth = simulate(
        TRUTH.law,
        TRUTH.parameters,
        supervised_grid([1e8, 1e9], tokens=[1e9, 1e10, 1e11]),
        noise=Noise(),
        seed=0,
    )
    losses = with_loss(truth, {4: 1.3})
    for name in range(6):
        values = [f"{losses.values(column)[name]!r}" for column in ("params", "tokens", "loss")]
        lines.append(",".join(["supervised", *values]).replace("np.float64(", "").replace(")", ""))
    table = RunTable.from_csv_text("\n".join(lines))
    (row,) = odd_rows(posterior_around(TRUTH.law, TRUTH.parameters, table))
    assert (row.run_id, row.line) == ("line 6", 6)


def test_a_line_that_the_posterior_knows_is_told(small_table: RunTable) -> None:
    posterior = posterior_around(TRUTH.law, TRUTH.parameters, with_loss(small_table, {ODD: 1.3}))
    (row,) = odd_rows(posterior)
    assert row.line is None
    constant = posterior.tree["constant_data"]
    constant["line"] = xr.DataArray(2 + 3 * np.arange(60), dims="run")
    (row,) = odd_rows(posterior)
    assert row.line == 2 + 3 * ODD


def test_what_is_expected_of_a_row_is_what_the_sampler_expected() -> None:
    design = supervised_grid(
        np.geomspace(1e8, 1e10, 6).tolist(), tokens=[1e9, 1e10, 1e11], group_by_size=True
    )
    noise = Noise(scale=0.004, group_effect=0.01)
    table = simulate(TRUTH.law, TRUTH.parameters, design, noise=noise, seed=3)
    settings = Settings(chains=2, warmup=500, draws=500, most_draws=500)
    try:
        posterior = fit(table, law=TRUTH.law, seed=0, settings=settings, misfit=None)
    except NotConverged as error:  # so few draws; each of them is right all the same
        posterior = error.posterior
    observations = observe(table, law=TRUTH.law, prior=posterior.prior)
    scale = posterior.draws("sigma")[:, None]
    if posterior.has("noise_slope"):
        span = posterior.token_span["supervised"]
        offset = np.log(table.values("tokens")) - span["center"]
        scale = scale * np.exp(-posterior.draws("noise_slope")[:, None] * offset)
    expected = stats.t.logpdf(
        np.log(table.values("loss")),
        posterior.draws("nu")[:, None],
        log_expected(posterior, observations),
        scale,
    )
    stored = posterior.tree["log_likelihood"]["log_loss"].values.reshape(1000, 18)
    assert posterior.has("effect_group") and np.allclose(stored, expected, atol=1e-8)


def test_an_effect_that_rows_share_excuses_all_of_them_and_none_alone() -> None:
    design = supervised_grid([1e8, 1e9, 1e10], tokens=[1e9, 1e10, 1e11, 1e12], group_by_size=True)
    noise = Noise(scale=0.002, degrees_of_freedom=np.inf)
    clean = simulate(TRUTH.law, TRUTH.parameters, design, noise=noise, seed=5)
    shifts = [0.05, -0.03, -0.02]
    level = np.unique(clean.values("params"), return_inverse=True)[1]
    table = with_loss(clean, {row: float(np.exp(shifts[level[row]])) for row in range(12)})
    posterior = posterior_around(TRUTH.law, TRUTH.parameters, with_loss(table, {6: 1.03}), sigma=0.002)
    loo = replace(leave_one_out(posterior), pareto_k=np.full(12, 0.1))
    # Control: by the law alone every row would be odd but the one that is, whose errors cancel.
    run_ids = set(clean.values("run_id"))
    odd = str(clean.values("run_id")[6])
    assert {row.run_id for row in odd_rows(posterior, None, loo=loo)} == run_ids - {odd}
    effect = posterior.tree["posterior"]["effect_group"]
    for position, name in enumerate(effect["group"].values):
        effect.values[:, :, position] = shifts[[1e8, 1e9, 1e10].index(float(name.split()[0]))]
    (row,) = odd_rows(posterior, loo=loo)
    assert row.run_id == odd and row.residual == pytest.approx(0.03, abs=0.01)
