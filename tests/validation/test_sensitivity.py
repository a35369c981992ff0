"""A forecast under other assumptions: reweighed and sampled anew agree, and what cannot be told is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bayes_dsl.errors import InputError, NotConverged
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.validation import sensitivity as module
from bayes_dsl.validation.alternatives import Alternative
from bayes_dsl.validation.log_prior import log_prior
from bayes_dsl.validation.reweighing import reweighed
from bayes_dsl.validation.sensitivity import ANEW, REWEIGHED, Ends, Moved, Sensitivity, Weighed, sensitivity
from tests.forecast.made import drifting, made
from tests.validation.sampled import with_coordinates

FAR = {"student_params": 1e12, "student_tokens": 2e13}
NEAR = {"student_params": 1e9, "student_tokens": 2e10}


def shifts(row: Moved) -> np.ndarray:
    return np.array([row.shifts.median, row.shifts.lower, row.shifts.upper])


def moved_prior(posterior: Posterior, sds: float = 1.5) -> Alternative:
    """A prior of ln(m/E) as narrow as the posterior and some of its standard deviations beside it."""
    draws = np.ravel(posterior.tree["unconstrained_posterior"]["log_m_over_E"])
    density = replace(
        posterior.prior["log_m_over_E"], loc=float(draws.mean() + sds * draws.std()), scale=draws.std()
    )
    prior = posterior.prior.replace(density)
    own, under = log_prior(posterior), log_prior(posterior, prior)
    ratio = np.sum([under[name] - own[name] for name in own], axis=0)
    return Alternative(name="a prior beside it", about="priors", log_ratio=ratio, prior=prior)


def of(posterior: Posterior, *parts: Alternative) -> Weighed:
    return Weighed(
        posterior=posterior, parts=tuple((one, reweighed(one.log_ratio, chains=4)) for one in parts)
    )


@pytest.mark.statistical
@pytest.mark.slow
def test_reweighed_and_sampled_anew_agree(small_posterior: Posterior) -> None:
    one = moved_prior(small_posterior)
    weighed = of(small_posterior, one)
    (cheap,) = sensitivity(weighed, **FAR).rows
    (dear,) = sensitivity(weighed, anew="all", **FAR).rows
    assert (cheap.method, dear.method) == (REWEIGHED, ANEW)
    assert cheap.matters and dear.matters
    assert np.max(np.abs(shifts(cheap) - shifts(dear))) < 0.08
    # The control: weights of a prior on the other side, and the draws as they are, are far from what sampling finds.
    (wrong,) = sensitivity(of(small_posterior, moved_prior(small_posterior, -1.5)), **FAR).rows
    assert np.max(np.abs(shifts(wrong) - shifts(dear))) > 0.35
    assert np.max(np.abs(shifts(dear))) > 0.25


@pytest.mark.statistical
@pytest.mark.slow
def test_E_fixed_is_the_same_either_way(small_posterior: Posterior) -> None:
    E = float(np.quantile(small_posterior.draws("E"), 0.9))
    parts = [part for part in Weighed.of(small_posterior, E=[E]).parts if part[0].about == "E"]
    weighed = Weighed(posterior=small_posterior, parts=tuple(parts))
    (cheap,) = sensitivity(weighed, **FAR).rows
    (dear,) = sensitivity(weighed, anew="all", **FAR).rows
    assert np.max(np.abs(shifts(cheap) - shifts(dear))) < 0.12
    assert cheap.shifts.median > 0.25 and cheap.ends.width < 0.7 * sensitivity(weighed, **FAR).own.width


def test_well_known_forecasts_hardly_move_and_say_so(small_posterior: Posterior) -> None:
    found = sensitivity(small_posterior, **NEAR)
    assert not found.matters and found.sentences() == ()
    assert found.inputs == {"params": 1e9, "tokens": 2e10} and found.about == "expected"
    assert len(found.rows) + len(found.not_told) == 7
    assert found.not_asked == (
        "the misfit's scales: this posterior has no misfit, it takes the law to hold exactly",
    )
    assert all(row.method == REWEIGHED for row in found.rows)


def test_its_own_interval_is_the_forecast_s(small_posterior: Posterior) -> None:
    for about, ask in (("expected", "expected_loss"), ("next_run", "next_run_loss")):
        found = sensitivity(small_posterior, about=about, prob=0.8, **NEAR)
        (record,) = getattr(module, ask)(small_posterior, **NEAR).records(prob=0.8, kind="eti")
        for name in ("median", "lower", "upper"):
            assert getattr(found.own, name) == pytest.approx(record[name], rel=1e-9)


def test_what_is_too_far_is_told_not_dropped(small_posterior: Posterior) -> None:
    weighed = of(
        small_posterior, replace(moved_prior(small_posterior), log_ratio=1e3 * draws(small_posterior))
    )
    found = sensitivity(weighed, **NEAR)
    assert found.rows == ()
    assert found.not_told[0].startswith(
        "a prior beside it: too far from these draws to reweigh them (Pareto k"
    )


def test_what_fit_cannot_do_is_told_too(small_posterior: Posterior, monkeypatch: pytest.MonkeyPatch) -> None:
    one = moved_prior(small_posterior)
    found = sensitivity(of(small_posterior, replace(one, prior=None)), anew="all", **NEAR)
    assert found.not_told == ("a prior beside it: fit has no prior that says this",)

    def fails(*_: object, **__: object) -> Posterior:
        diagnostics = small_posterior.diagnostics
        raise NotConverged("no", diagnostics=diagnostics, posterior=small_posterior)

    monkeypatch.setattr(module, "fit", fails)
    done: list[tuple[int, int]] = []
    weighed = of(small_posterior, one, one)
    found = sensitivity(weighed, anew="all", progress=lambda *at: done.append(at), **NEAR)
    assert "does not pass the health gate (R-hat" in found.not_told[0] and done == [(1, 2), (2, 2)]


def test_anew_has_the_same_table_seed_settings_and_misfit(monkeypatch: pytest.MonkeyPatch) -> None:
    posterior = with_coordinates(drifting(made("supervised"), misfit=module.Misfit(reach=3.0)))
    posterior.tree.attrs["settings"] = '{"chains": 2, "draws": 250}'
    asked = {}

    def record(table: object, **given: object) -> Posterior:
        asked.update(given, table=table)
        return posterior

    monkeypatch.setattr(module, "fit", record)
    found = sensitivity(posterior, anew="all", **NEAR)
    assert len(found.rows) == 9 and found.not_asked == ()
    assert asked["misfit"] == module.Misfit(reach=3.0, students=False) and asked["seed"] == posterior.seed
    assert (asked["settings"].chains, asked["settings"].draws) == (2, 250)
    assert asked["table"].sha256 == posterior.table.sha256 and asked["law"] == posterior.law
    other = [row for row in found.rows if row.about != "E"]  # the others are carried to where E is fixed
    assert all(row.shifts == Ends(median=0.0, lower=0.0, upper=0.0) for row in other)


def test_the_farthest_of_each_kind_is_a_sentence() -> None:
    def row(name: str, about: str, median: float, upper: float) -> Moved:
        shift = Ends(median=median, lower=0.0, upper=upper)
        return Moved(
            name=name,
            about=about,  # type: ignore[arg-type]
            ends=shift,
            shifts=shift,
            method=REWEIGHED,
            pareto_k=0.1,
            effective_draws=500.0,
        )

    rows = (
        row("every prior half as wide", "priors", 0.0, -0.3),
        row("every prior twice as wide", "priors", 0.1, 0.4),
        row("E fixed at 1.7", "E", 0.2, -0.9),
        row("heavier tails", "tail", -0.251, 0.0),
    )
    own = Ends(median=2.0, lower=1.9, upper=2.1)
    found = Sensitivity(
        inputs={}, about="expected", prob=0.9, own=own, rows=rows, not_told=(), not_asked=()
    ).sentences()
    assert found == (
        "The interval leans on priors: with every prior twice as wide its upper end rises by 40 % of the "
        "interval's width",
        "The interval leans on how heavy the tails of the scatter are taken to be: with heavier tails its median "
        "falls by 25 % of the interval's width",
    )


def test_several_targets_are_refused(small_posterior: Posterior) -> None:
    with pytest.raises(InputError, match="targets = 2; it is of one target"):
        sensitivity(small_posterior, student_params=[1e9, 2e9], student_tokens=2e10)


def draws(posterior: Posterior) -> np.ndarray:
    return np.ravel(posterior.tree["unconstrained_posterior"]["log_m_over_E"])
