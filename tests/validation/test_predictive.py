"""A model that made the runs looks like them; planted faults of scatter, shape, rows and prior are found and named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from arviz_stats import loo_pit

from bayes_dsl.errors import InputError, NotConverged
from bayes_dsl.inference.design import supervised_grid
from bayes_dsl.inference.fit import fit
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.priors import Prior, default_prior
from bayes_dsl.inference.simulate import Noise, simulate
from bayes_dsl.laws.published import published
from bayes_dsl.runs.table import RunTable
from bayes_dsl.validation import predictive
from bayes_dsl.validation.loo import leave_one_out
from bayes_dsl.validation.predictive import PredictiveCheck, predictive_check
from bayes_dsl.validation.replicates import observations_of, posterior_sites, rows_of
from tests.conftest import SMALL_SETTINGS
from tests.posteriors import posterior_around

TRUTH = published("besiroglu")
MEDIAN, LARGEST = "median |residual| / scale", "largest |residual| / scale"
COMPUTE, NEIGHBOURS, TEACHER = "trend in compute", "neighbours by compute", "trend in teacher loss"
LEFT_OUT = "left out"


def times(table: RunTable, factors: np.ndarray) -> RunTable:
    return replace(table, columns={**table.columns, "loss": table.values("loss") * factors})


def sampled(table: RunTable, prior: Prior | None = None) -> Posterior:
    try:
        return fit(table, law=TRUTH.law, prior=prior, seed=1, settings=SMALL_SETTINGS, misfit=None)
    except NotConverged as error:  # a prior far off makes hard posteriors, which are not the matter here
        return error.posterior


def simulate_like(table: RunTable, degrees_of_freedom: float, seed: int) -> RunTable:
    sizes, tokens = sorted(set(table.values("params"))), sorted(set(table.values("tokens")))
    design = supervised_grid(sizes, tokens=tokens)
    noise = Noise(scale=0.005, degrees_of_freedom=degrees_of_freedom)
    return simulate(TRUTH.law, TRUTH.parameters, design, noise=noise, seed=seed)


def prior_with(table: RunTable, **densities: tuple[float, float]) -> Prior:
    prior = default_prior(TRUTH.law, typical_loss=float(np.median(table.values("loss"))))
    for name, (loc, scale) in densities.items():
        prior = prior.replace(replace(prior[name], loc=loc, scale=scale))
    return prior


def found_in(check: PredictiveCheck) -> set[tuple[str, str]]:
    """What stands out: role and question."""
    found = {(one.role, one.name) for one in check.statistics if one.p_holm <= 0.05}
    return found | {(one.role, LEFT_OUT) for one in check.calibration if one.p_holm <= 0.05}


def with_table(posterior: Posterior, table: RunTable) -> Posterior:
    """The same draws, held against other losses."""
    other = replace(posterior)
    other.__dict__["table"] = table
    return other


@pytest.mark.parametrize("degrees_of_freedom", [4.0, np.inf])
def test_runs_that_the_model_made_do_not_stand_out(small_table: RunTable, degrees_of_freedom: float) -> None:
    checks = [
        predictive_check(sampled(simulate_like(small_table, degrees_of_freedom, seed)), seed=seed)
        for seed in range(20, 24)
    ]
    assert [one.surprises for one in checks] == [()] * 4
    assert min(one.p for check in checks for one in check.statistics) > 0.01
    assert min(check.calibration[0].p for check in checks) > 0.1
    assert 0.85 < np.mean([check.calibration[0].inside for check in checks]) < 0.95
    assert all(
        "looks like these runs: nothing stands out among 6 questions" in one.verdict() for one in checks
    )


def test_a_wave_and_a_bend_are_found_by_their_neighbours(small_table: RunTable) -> None:
    log_compute = np.log(small_table.values("params") * small_table.values("tokens"))
    place = (log_compute - log_compute.min()) / np.ptp(log_compute)
    for shape in (0.015 * np.sin(4 * np.pi * place), 0.4 * (place - 0.5) ** 2):
        check = predictive_check(sampled(times(small_table, np.exp(shape))))
        assert found_in(check) == {("supervised", NEIGHBOURS)}
        assert "does not look like these runs" in check.verdict()
        assert "runs of about one compute leave the law together" in check.verdict()


def test_an_outlier_that_light_tails_do_not_allow_is_found(small_table: RunTable) -> None:
    factors = np.ones(60)
    factors[23] = 1.04  # eight scales of the noise
    light = prior_with(small_table, log_nu_minus_1=(np.log(300.0), 0.1))
    check = predictive_check(sampled(times(small_table, factors), light))
    assert ("supervised", LARGEST) in found_in(check)
    # Control: the package's own prior of the tails makes room for it.
    allowed = predictive_check(sampled(times(small_table, factors)))
    assert ("supervised", LARGEST) not in found_in(allowed)


@pytest.mark.parametrize("sigma", [0.0008, 0.03])
def test_scatter_that_is_misstated_is_found(small_table: RunTable, sigma: float) -> None:
    check = predictive_check(sampled(small_table, prior_with(small_table, log_sigma=(np.log(sigma), 0.05))))
    assert {("supervised", MEDIAN), ("supervised", LEFT_OUT)} <= found_in(check)
    (calibration,) = check.calibration
    assert calibration.inside < 0.7 if sigma < 0.005 else calibration.inside > 0.97


def test_losses_that_tilt_against_the_law_are_found_by_their_trend(
    small_posterior: Posterior, small_table: RunTable
) -> None:
    params, tokens = np.log(small_table.values("params")), np.log(small_table.values("tokens"))
    for place, name in ((params + tokens, COMPUTE), (tokens - params, "trend in tokens per param")):
        tilted = times(small_table, np.exp(0.004 * (place - place.mean())))
        found = found_in(predictive_check(with_table(small_posterior, tilted)))
        assert ("supervised", name) in found


def test_a_prior_centred_far_off_is_told_though_the_model_fits(small_table: RunTable) -> None:
    prior = prior_with(small_table, log_L_center=(np.log(8.0), 0.05))
    check = predictive_check(sampled(small_table, prior))
    assert found_in(check) == set() and check.prior[0].conflicts
    assert check.sentences()[1].startswith("The supervised rows are a surprise to the prior")
    (own,) = predictive_check(sampled(small_table)).prior
    assert own.conflicts == ()


def test_roles_are_judged_apart(small_distilled: Posterior) -> None:
    table, loo = small_distilled.table, leave_one_out(small_distilled)
    check = predictive_check(small_distilled, loo=loo)
    assert found_in(check) == set() and [one.role for one in check.calibration] == ["supervised", "distilled"]
    assert [one.name for one in check.statistics if one.role == "distilled"].count(TEACHER) == 1
    assert any("shared effects of their teacher, student" in note for note in check.notes)
    distilled = table.values("role") == "distilled"
    teacher = np.log(np.where(distilled, table.values("teacher_loss"), 1.0))
    place = np.where(distilled, teacher - teacher[distilled].mean(), 0.0)
    trend = predictive_check(with_table(small_distilled, times(table, np.exp(0.15 * place))), loo=loo)
    assert ("distilled", TEACHER) in found_in(trend)
    assert {role for role, _ in found_in(trend)} == {"distilled"}
    # And the other role alone.
    scatter = np.exp(np.where(distilled, 0.0, 0.02 * np.random.default_rng(0).standard_normal(len(table))))
    wide = predictive_check(with_table(small_distilled, times(table, scatter)), loo=loo)
    assert ("supervised", MEDIAN) in found_in(wide)
    assert {role for role, _ in found_in(wide)} == {"supervised"}


def test_the_same_seed_gives_the_same_bits_from_a_file_too(
    small_posterior: Posterior, tmp_path: Path
) -> None:
    first = predictive_check(small_posterior, seed=3)
    small_posterior.save(tmp_path / "small.nc")
    assert first == predictive_check(Posterior.load(tmp_path / "small.nc"), seed=3)
    other = predictive_check(small_posterior, seed=4)
    assert [one.p for one in first.statistics] != [one.p for one in other.statistics]
    assert first.calibration == other.calibration  # nothing of it is drawn


def test_rows_left_out_stand_where_arviz_puts_them(
    small_posterior: Posterior, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[np.ndarray] = []
    uniform = predictive.array_stats.uniformity_test
    monkeypatch.setattr(
        predictive.array_stats, "uniformity_test", lambda pit: (judged.append(pit), uniform(pit))[1]
    )
    predictive_check(small_posterior)
    observations = observations_of(small_posterior)
    rows = rows_of(observations, posterior_sites(small_posterior, observations))
    made = rows.replicated(np.random.default_rng(0)).reshape(4, 1000, 60)
    tree = xr.DataTree.from_dict(
        {
            "/posterior": small_posterior.tree["posterior"].to_dataset(),
            "/log_likelihood": small_posterior.tree["log_likelihood"].to_dataset(),
            "/observed_data": small_posterior.tree["observed_data"].to_dataset(),
            "/posterior_predictive": xr.Dataset({"log_loss": (("chain", "draw", "run"), made)}),
        }
    )
    theirs = np.asarray(loo_pit(tree, var_names="log_loss")["log_loss"])
    # Theirs counts draws of the loss, of which there are 4,000; ours averages their probabilities.
    assert np.max(np.abs(judged[0] - theirs)) < 0.04 and np.std(judged[0] - theirs) < 0.015


def test_p_values_are_corrected_for_their_number(small_posterior: Posterior) -> None:
    check = predictive_check(small_posterior)
    asked = [*check.statistics, *check.calibration]
    least = min(asked, key=lambda one: one.p)
    assert least.p_holm == pytest.approx(min(1.0, len(asked) * least.p))
    assert all(one.p_holm >= one.p for one in asked)
    # Only what is at most .05 after the correction is a surprise.
    low = [replace(one, p_holm=p) for one, p in zip(check.statistics, (0.051, 0.05, 1, 1, 1), strict=True)]
    assert [one.split(",")[1].split(":")[0] for one in replace(check, statistics=tuple(low)).surprises] == [
        f" {LARGEST}"
    ]


def test_rows_that_cannot_be_left_out_are_told_and_few_others_not_judged(small_posterior: Posterior) -> None:
    loo = leave_one_out(small_posterior)
    for odd, note in ((5, ""), (13, ": the rest is a selection, and not judged")):
        pareto_k = np.where(np.arange(60) < odd, 0.9, 0.1)
        check = predictive_check(small_posterior, loo=replace(loo, pareto_k=pareto_k))
        (one,) = check.calibration
        assert (one.rows, one.judged) == (60, 60 - odd) and np.isnan(one.p) == bool(note)
        assert check.notes == (f"{odd} of 60 supervised rows cannot be left out (Pareto k above 0.7){note}",)
        assert f"among {5 if note else 6} questions" in check.verdict()


def test_a_prior_that_makes_no_laws_is_a_note(small_posterior: Posterior) -> None:
    prior = small_posterior.prior
    steep = prior.replace(replace(prior["log_slope_N"], loc=6.0, scale=0.1))
    tree = small_posterior.tree.copy()
    tree.attrs["prior"] = json.dumps(steep.to_records())
    check = predictive_check(replace(small_posterior, tree=tree))
    assert check.prior == () and check.notes[0].startswith("what the prior expected is not told: prior:")
    assert len(check.sentences()) == 2


def test_a_posterior_without_coordinates_is_refused(small_table: RunTable) -> None:
    with pytest.raises(InputError, match="sampled coordinates"):
        predictive_check(posterior_around(TRUTH.law, TRUTH.parameters, small_table))
