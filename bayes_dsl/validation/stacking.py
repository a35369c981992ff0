"""Weights of a mixture of forecasts: those with which it would have forecast the held-out runs best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint, minimize

from bayes_dsl.errors import Fault, InputError

Floats = NDArray[np.float64]
LEAST_WEIGHT = 1e-6
"""A law of less weight has none."""


def stacking_weights(log_scores: Floats, shares: Floats) -> Floats:
    """The weights, (law,), at least 0 and 1 in sum, that maximise sum_i s_i ln sum_k w_k e^(score_ik).

    Source: Yao et al., Using stacking to average Bayesian predictive distributions, Bayesian Analysis 13 (2018).
    The sum is concave in the weights, so that any maximum is the maximum.

    Parameters
    ----------
    log_scores : array (run, law)
        ln of the predictive density of each held-out run under each law.
    shares : array (run,)
        What each run counts for.

    Raises
    ------
    InputError
        There is no run, or a run has probability 0 under every law.
    """
    best = log_scores.max(axis=1, keepdims=True) if log_scores.size else np.empty((0, 1))
    if not len(best) or not np.isfinite(best).all():
        rule = "each needs a finite log density under at least one law"
        value = f"{len(best)}, {int((~np.isfinite(best)).sum())} without"
        remedy = "Hold out finished runs that a law explains"
        raise InputError(Fault(where="stacking", what="held-out runs", value=value, rule=rule, remedy=remedy))
    density = np.exp(log_scores - best)
    shares = shares / shares.sum()

    def loss(weights: Floats) -> tuple[float, Floats]:
        mixture = density @ weights
        return -float(shares @ np.log(mixture)), -(density.T @ (shares / mixture))

    laws = log_scores.shape[1]
    found = minimize(
        loss,
        np.full(laws, 1.0 / laws),
        jac=True,
        method="SLSQP",
        bounds=[(1e-3 * LEAST_WEIGHT, 1.0)] * laws,
        constraints=LinearConstraint(np.ones(laws), 1.0, 1.0),
        options={"ftol": 1e-12, "maxiter": 1000},
    )
    weights = np.where(found.x < LEAST_WEIGHT, 0.0, found.x)
    return np.asarray(weights / weights.sum(), dtype=np.float64)
