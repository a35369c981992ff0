"""Posteriors that several test files ask questions of, each sampled once a run, whichever worker comes first."""

from __future__ import annotations

import fcntl
import os
import pickle
from collections.abc import Callable
from pathlib import Path

# Compiled programs, quick ones too, are kept between workers and runs; this stands before the first import of JAX.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import numpy as np
import pytest
from hypothesis import settings as hypothesis_settings

from bayes_dsl.errors import NotConverged
from bayes_dsl.inference.design import supervised_grid
from bayes_dsl.inference.fit import fit
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.settings import Settings
from bayes_dsl.inference.simulate import Noise, simulate
from bayes_dsl.laws.base import Law
from bayes_dsl.laws.distillation import DISTILLATION
from bayes_dsl.laws.published import published
from bayes_dsl.runs.table import RunTable

# The same examples each time, as everything here is seeded; HYPOTHESIS_PROFILE=explore looks for new ones.
hypothesis_settings.register_profile("fixed", derandomize=True, deadline=None)
hypothesis_settings.register_profile("explore", max_examples=2000, deadline=None)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


def once_a_run(
    name: str, law: Law, make: Callable[[], Posterior], folders: pytest.TempPathFactory
) -> Posterior:
    """The posterior that `make` makes: its draws, bit for bit, are those of the first worker that asks for it.

    They are handed on as they lie in memory, not in the package's own file, which is a matter for tests.
    """
    base = folders.getbasetemp()
    # Its parent is what all workers of this run share.
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    path = folder / f"{name}.pickle"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return Posterior(law=law, tree=pickle.loads(path.read_bytes()))  # noqa: S301
        posterior = make()
        path.write_bytes(pickle.dumps(posterior.tree))
        return posterior


SMALL_SETTINGS = Settings(chains=4, warmup=500, draws=1000)


@pytest.fixture(scope="session")
def small_table() -> RunTable:
    """60 clean supervised runs from Besiroglu's Chinchilla coefficients, with noise of half a percent."""
    truth = published("besiroglu")
    design = supervised_grid(np.geomspace(5e7, 5e9, 10).tolist(), tokens=np.geomspace(1e9, 1e11, 6).tolist())
    noise = Noise(scale=0.005, degrees_of_freedom=np.inf)
    return simulate(truth.law, truth.parameters, design, noise=noise, seed=1)


@pytest.fixture(scope="session")
def small_posterior(small_table: RunTable, tmp_path_factory: pytest.TempPathFactory) -> Posterior:
    """The Chinchilla law given `small_table`; it passes the health gate."""
    law = published("besiroglu").law

    def make() -> Posterior:
        return fit(small_table, law=law, seed=1, settings=SMALL_SETTINGS, misfit=None)

    return once_a_run("small_posterior", law, make, tmp_path_factory)


@pytest.fixture(scope="session")
def small_distilled(tmp_path_factory: pytest.TempPathFactory) -> Posterior:
    """The distillation law given 30 supervised and 40 distilled runs: too few draws for the health gate."""
    return once_a_run("small_distilled", DISTILLATION, sampled_distilled, tmp_path_factory)


def sampled_distilled() -> Posterior:
    """Sample it."""
    truth = published("busbridge_corrected")
    design = supervised_grid(np.geomspace(1e8, 5e9, 6).tolist(), tokens=np.geomspace(2e9, 2e11, 5).tolist())
    students = [(size, tokens) for size in (2e8, 6e8, 2e9) for tokens in (5e9, 2e10, 8e10)]
    design = design.distil(teachers=(7, 14, 23, 29), students=[*students, (4e8, 4e10)])
    noise = Noise(scale=0.004, scale_distilled=0.003, teacher_effect=0.003)
    table = simulate(truth.law, truth.parameters, design, noise=noise, seed=2)
    try:
        return fit(
            table, seed=2, settings=Settings(chains=2, warmup=500, draws=500, most_draws=500), misfit=None
        )
    except NotConverged as failure:
        posterior: Posterior = failure.posterior
        return posterior
