"""How much of a forecast's doubt is the misfit's: what the law's coefficients alone do not account for."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from bayes_dsl.errors import ExtrapolationWarning
from bayes_dsl.forecast.expected import expected_of
from bayes_dsl.forecast.question import question
from bayes_dsl.inference.posterior import Posterior


def misfit_share(posterior: Posterior, **asked: Any) -> np.ndarray | None:
    """The misfit's share of the variance of ln(expected loss), (candidate,); None for the bare law.

    Each draw's ln(expected loss) is what the law says at its coefficients and how far its paths move that. The
    shares of the two are their covariances with the sum, over its variance: they add up to 1, and one can be
    negative where the two make up for each other.

    Parameters
    ----------
    posterior : Posterior
    **asked
        As in `expected_loss`.
    """
    if posterior.drift is None:
        return None
    checked = question(posterior, **asked)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        total, law = (np.log(expected_of(one, checked).loss) for one in (posterior, posterior.bare()))
    off = total - total.mean(axis=0)
    variance, covariance = (off**2).sum(axis=0), (off * (total - law)).sum(axis=0)
    return np.asarray(np.where(variance > 0, covariance / np.where(variance > 0, variance, 1.0), 0.0))
