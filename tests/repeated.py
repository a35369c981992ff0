"""A study whose data are repeated, and a posterior of it: for tests of what reads `unique_tokens`."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle

import numpy as np

from bayes_dsl.inference.design import Design, supervised_grid
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.simulate import Noise, simulate
from bayes_dsl.laws.published import published
from bayes_dsl.laws.repetition import REPETITION
from bayes_dsl.runs.table import RunTable
from tests.posteriors import posterior_around

TRUTH = {
    name: {**published("busbridge_corrected").parameters, "R_D": 15.0}[name] for name in REPETITION.names
}
EPOCHS = (1.0, 4.0, 16.0, 64.0)


def repeated_design() -> Design:
    """60 runs of ten sizes, their data seen 1, 4, 16 or 64 times in turn."""
    design = supervised_grid(np.geomspace(5e7, 5e9, 10).tolist(), tokens=np.geomspace(1e9, 1e11, 6).tolist())
    runs = zip(design.runs, cycle((*EPOCHS, 1.0)), strict=False)
    return replace(
        design, runs=tuple(replace(run, unique_tokens=run.tokens / epochs) for run, epochs in runs)
    )


def repeated_table(*, scale: float = 0.003) -> RunTable:
    """Its losses, by the law of repeated data."""
    noise = Noise(scale=scale, degrees_of_freedom=np.inf)
    return simulate(REPETITION, TRUTH, repeated_design(), noise=noise, seed=4)


def repeated_posterior() -> Posterior:
    """Draws of the law of repeated data, close about the truth."""
    return posterior_around(REPETITION, TRUTH, repeated_table())
