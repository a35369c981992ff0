"""What each law, and the mixture of all by their weights, expects of a run that nobody has made."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bayes_dsl.errors import ExtrapolationWarning
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.validation.agreement import Expected, target_in_words

Floats = NDArray[np.float64]
STACKED = "stacked"
"""What the mixture is called where laws are listed."""


def expectations(
    posteriors: Mapping[str, Posterior],
    question: Mapping[str, float],
    *,
    weights: Mapping[str, float],
    prob: float,
) -> tuple[Expected, ...]:
    """The expected loss at one target by each law, and last by their mixture where there are weights.

    Laws that do not read unique tokens answer as if every token were new: that is what they say of repeated data.

    Raises
    ------
    InputError, NotIdentified
        See `question`.
    """
    target = target_in_words(question)
    losses = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)  # a target is meant to lie beyond
        for name, posterior in posteriors.items():
            known = {
                key: value
                for key, value in question.items()
                if key != "unique_tokens" or posterior.law.takes("U")
            }
            losses[name] = np.asarray(expected_loss(posterior, **known).loss[:, 0], dtype=np.float64)
    found = [
        _summary(name, target, loss, np.full(len(loss), 1.0 / len(loss)), prob)
        for name, loss in losses.items()
    ]
    if weights:
        shares = [np.full(len(loss), weights[name] / len(loss)) for name, loss in losses.items()]
        found.append(
            _summary(STACKED, target, np.concatenate(list(losses.values())), np.concatenate(shares), prob)
        )
    return tuple(found)


def _summary(law: str, target: str, loss: Floats, shares: Floats, prob: float) -> Expected:
    tail = (1 - prob) / 2
    at = [tail, 0.5, 1 - tail]
    lower, median, upper = np.quantile(loss, at, weights=shares, method="inverted_cdf")
    return Expected(law=law, target=target, median=float(median), lower=float(lower), upper=float(upper))
