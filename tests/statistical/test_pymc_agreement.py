"""PyMC's posteriors of three tables, as they were recorded, are the package's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from bayes_dsl.inference.observations import Observations, observe
from bayes_dsl.inference.priors import default_prior
from bayes_dsl.inference.sampler import sample
from bayes_dsl.inference.settings import Settings
from bayes_dsl.validation.ranks import holm
from benchmarks.agreement import TABLES, moments, recorded
from benchmarks.rivals import arrays_of, log_density_of, without_effects
from benchmarks.tables import problem
from tests.real_tables import folder

pytestmark = [pytest.mark.statistical, pytest.mark.real_tables, pytest.mark.evidence]

LEVEL = 0.01


@pytest.fixture(params=TABLES, scope="module")
def table(request: pytest.FixtureRequest) -> str:
    if request.param != "study":
        folder()
    return str(request.param)


@pytest.fixture(scope="module")
def observations(table: str) -> Observations:
    rows, law = problem(table)
    prior = default_prior(law, typical_loss=float(np.median(rows.used.values("loss"))))
    return without_effects(observe(rows, law=law, prior=prior))


def p_values(ours: dict[str, dict[str, float]], theirs: dict[str, Any]) -> np.ndarray:
    """Two-sided p values of every mean and standard deviation, corrected after Holm."""
    found = []
    for site, mine in ours.items():
        for what in ("mean", "sd"):
            error = np.hypot(mine[f"mcse_{what}"], theirs[site][f"mcse_{what}"])
            found.append(2.0 * stats.norm.sf(abs(mine[what] - theirs[site][what]) / error))
    return holm(np.array(found))


def test_log_densities_differ_by_a_constant(table: str, observations: Observations) -> None:
    ours = log_density_of(observations)
    apart = np.array([ours(point) for point in arrays_of(table)["points"]]) - recorded(table)["log_density"]
    assert np.ptp(apart) < 1e-8


def test_means_and_standard_deviations_agree(table: str, observations: Observations) -> None:
    theirs = recorded(table)
    assert theirs["rhat"] < 1.01 and theirs["divergences"] == 0 and theirs["versions"]["pymc"]
    settings = Settings(chains=4, warmup=500, draws=1500, most_draws=1500)
    drawn = sample(observations, settings=settings, seed=20261127)
    assert not drawn.stats["diverging"].any()
    ours = {name: moments(draws) for name, draws in drawn.sites.items()}
    assert set(ours) == set(theirs["sites"])
    assert p_values(ours, theirs["sites"]).min() > LEVEL
    # The test sees a mean that lies a quarter of a standard deviation beside.
    site = next(iter(ours))
    beside = {**ours[site], "mean": ours[site]["mean"] + 0.25 * ours[site]["sd"]}
    assert p_values({**ours, site: beside}, theirs["sites"]).min() < LEVEL
