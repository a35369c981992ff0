"""Small bases that the tests of decisions share: a few draws about published coefficients."""

from __future__ import annotations

import numpy as np

from bayes_dsl.costs.flops import PAPER, SIX_ND, CostModel
from bayes_dsl.decisions.basis import Basis
from bayes_dsl.decisions.bounds import PAPER_BOUNDS, Bounds
from bayes_dsl.decisions.world import of_draws
from bayes_dsl.inference.paths import Drift
from bayes_dsl.laws.published import published
from tests.forecast.made import drifting, made


def distillation_basis(
    draws: int = 64,
    *,
    spread: float = 0.02,
    cost: CostModel = PAPER,
    bounds: Bounds = PAPER_BOUNDS,
    seed: int = 0,
) -> Basis:
    """Draws about the paper's corrected coefficients, each coefficient scattered by itself."""
    return _basis("busbridge_corrected", draws, spread, cost, bounds, seed)


def chinchilla_basis(
    draws: int = 64,
    *,
    spread: float = 0.02,
    cost: CostModel = SIX_ND,
    bounds: Bounds = PAPER_BOUNDS,
    seed: int = 0,
) -> Basis:
    """Draws about Besiroglu's coefficients of the Chinchilla law, which knows no teachers."""
    return _basis("besiroglu", draws, spread, cost, bounds, seed)


def _basis(name: str, draws: int, spread: float, cost: CostModel, bounds: Bounds, seed: int) -> Basis:
    known = published(name)
    rng = np.random.default_rng(seed)
    parameters = {
        parameter: value * np.exp(spread * rng.standard_normal(draws))
        for parameter, value in known.parameters.items()
    }
    return Basis(law=known.law, parameters=parameters, cost=cost, bounds=bounds)


def wandering(draws: int, *, law: str = "distillation", rho: float = 0.1) -> Drift | None:
    """Paths that wander three times as fast as the default prior has them, over runs of 1e8 to 4e9 parameters."""
    return of_draws(drifting(made(law), rho=rho).drift, np.arange(draws))
