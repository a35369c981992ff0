"""A published set as a prior: its printed errors come back, and a set without any says how it is doubted."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
from scipy import stats

from bayes_dsl.errors import CountingMismatch, InputError, UnknownName
from bayes_dsl.inference.carried import CarriedPrior
from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.fit import fit
from bayes_dsl.inference.published_prior import COUNTING, DOUBT, chinchilla_design, prior_from_published
from bayes_dsl.inference.settings import Settings
from bayes_dsl.laws.published import names, published
from bayes_dsl.runs.table import RunTable


def coefficients(prior: CarriedPrior, z: np.ndarray) -> dict[str, np.ndarray]:
    """The law's coefficients at coordinates (draw, k)."""
    with jax.enable_x64(True):
        found = coordinates_of(prior.law).to_parameters(
            dict(zip(prior.joint.names, z.T, strict=True)), dict(prior.joint.center)
        )
    return {name: np.asarray(value) for name, value in found.items()}


@pytest.mark.parametrize("name", names())
def test_its_middle_is_the_printed_point(name: str) -> None:
    prior = prior_from_published(name)
    assert prior.law is published(name).law and prior.counting == COUNTING[name]
    assert (prior.joint.family, prior.joint.df) == ("student_t", 4.0)
    found = coefficients(prior, np.array(prior.joint.mean)[None])
    for key, value in published(name).parameters.items():
        assert found[key][0] == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("inflate", [1.0, 2.0])
def test_besiroglus_standard_errors_come_back(inflate: float) -> None:
    """As the 90 % interval of a Student-t of that standard deviation: far tails, bent by the map, do not count."""
    prior = prior_from_published("besiroglu", inflate=inflate)
    found = coefficients(prior, prior.joint.draws(400_000, np.random.default_rng(0)))
    width = 2 * stats.t(4).ppf(0.95) / np.sqrt(2)
    for estimate in published("besiroglu").estimates:
        draws = np.log(found[estimate.name]) if estimate.scale == "log" else found[estimate.name]
        low, high = np.quantile(draws, [0.05, 0.95])
        assert (high - low) / width == pytest.approx(inflate * estimate.standard_error, rel=0.03), (
            estimate.name
        )
    # Their correlation is what keeps the loss at the centre known to half a percent.
    center = np.exp(prior.joint.draws(10_000, np.random.default_rng(1))[:, 0])
    assert np.std(np.log(center)) < 0.01 * inflate
    assert np.corrcoef(np.log(found["A"][:10_000]), found["alpha"][:10_000])[0, 1] > 0.9


def test_the_runs_span_those_of_the_authors() -> None:
    runs = chinchilla_design().runs
    params, tokens = (np.array([getattr(run, name) for run in runs]) for name in ("params", "tokens"))
    assert 100 < len(runs) < 400
    assert params.min() == pytest.approx(5.7e7, rel=0.01) and params.max() == pytest.approx(1.6e10, rel=0.3)
    assert (tokens / params).min() >= 0.46 and (tokens / params).max() <= 341


@pytest.mark.parametrize("name", ["hoffmann", "busbridge_table6", "busbridge_corrected"])
def test_a_set_without_usable_errors_is_held_at_a_stated_doubt(name: str) -> None:
    joint = prior_from_published(name).joint
    assert f"no usable errors, doubt {DOUBT:g}" in joint.origin
    sd = dict(zip(joint.names, np.sqrt(np.diag(joint.covariance)), strict=True))
    assert sd["logit_w"] == pytest.approx(DOUBT * 1.5)
    assert np.count_nonzero(joint.covariance) == len(joint.names)
    assert "no usable errors" not in prior_from_published("besiroglu").joint.origin


def test_the_doubt_covers_what_a_printed_point_was_once_off() -> None:
    """Hoffmann's and Besiroglu's sets are of the same runs; the distance of the two is within one doubt."""
    doubted, better = prior_from_published("hoffmann").joint, prior_from_published("besiroglu").joint
    sd = np.sqrt(np.diag(doubted.covariance))
    off = np.abs(np.array(doubted.mean) - np.array(better.mean)) / sd
    assert 0.3 < off.max() < 1.0


def test_inflating_is_named_and_checked() -> None:
    assert prior_from_published("besiroglu", inflate=3).joint.origin == "published besiroglu, inflate 3"
    assert str(prior_from_published("besiroglu")) == "chinchilla law, published besiroglu"
    for factor in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="a finite factor above 0"):
            prior_from_published("besiroglu", inflate=factor)
    with pytest.raises(UnknownName, match="Choose one of hoffmann"):
        prior_from_published("kaplan")


def test_nine_runs_know_more_with_it(small_table: RunTable) -> None:
    """And the wider it is made, the less: from near the printed error to near what nine runs tell alone."""
    nine = replace(
        small_table.select(np.isin(np.arange(60), (0, 2, 5, 24, 26, 29, 54, 56, 59))), counting=None
    )
    settings = Settings(chains=4, warmup=500, draws=1000)
    posteriors = [
        fit(nine, prior=prior_from_published("besiroglu", inflate=x), settings=settings, misfit=None)
        for x in (1.0, 3.0, 30.0)
    ]
    sds = [float(np.std(posterior.draws("E"))) for posterior in posteriors]
    alone = float(
        np.std(fit(nine, law=published("besiroglu").law, settings=settings, misfit=None).draws("E"))
    )
    assert sds[0] < 0.026 and sds[0] < sds[1] < sds[2] < alone
    told = posteriors[0].unidentified()
    assert any(text.startswith("E is mostly what the carried prior says") for text in told)
    assert all("is not identified:" not in text for text in told)
    with pytest.raises(CountingMismatch, match="params counted as total"):
        fit(replace(nine, counting="non_embedding"), prior=prior_from_published("besiroglu"), misfit=None)
