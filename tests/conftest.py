"""Posteriors that several test files ask questions of, each sampled once a session."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_dsl.inference.design import supervised_grid
from bayes_dsl.inference.fit import fit
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.settings import Settings
from bayes_dsl.inference.simulate import Noise, simulate
from bayes_dsl.laws.published import published
from bayes_dsl.runs.table import RunTable

SMALL_SETTINGS = Settings(chains=4, warmup=500, draws=1000)


@pytest.fixture(scope="session")
def small_table() -> RunTable:
    """60 clean supervised runs from Besiroglu's Chinchilla coefficients, with noise of half a percent."""
    truth = published("besiroglu")
    design = supervised_grid(np.geomspace(5e7, 5e9, 10).tolist(), tokens=np.geomspace(1e9, 1e11, 6).tolist())
    noise = Noise(scale=0.005, degrees_of_freedom=np.inf)
    return simulate(truth.law, truth.parameters, design, noise=noise, seed=1)


@pytest.fixture(scope="session")
def small_posterior(small_table: RunTable) -> Posterior:
    """The Chinchilla law given `small_table`; it passes the health gate."""
    return fit(small_table, law=published("besiroglu").law, seed=1, settings=SMALL_SETTINGS)
