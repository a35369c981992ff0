"""What every draw believes of the world: the coefficients of its law, and how its paths leave the law."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

from bayes_dsl.inference.misfit import expected_log_loss
from bayes_dsl.inference.paths import Drift
from bayes_dsl.laws.base import Law, Values


class World(NamedTuple):
    """Coefficients of a law, (draw,) each, and the misfit's paths of the same draws, or None."""

    parameters: Values
    drift: Drift | None = None

    def log_loss(self, law: Law, role: str, inputs: Values) -> jax.Array:
        """ln(expected loss), as a forecast evaluates it; inputs broadcast against (draw,)."""
        return expected_log_loss(law, role, self.parameters, inputs, self.drift)


def of_draws(drift: Drift | None, chosen: np.ndarray) -> Drift | None:
    """The paths of some draws."""
    chosen_of: Drift | None = jax.tree.map(lambda array: array[chosen] if np.ndim(array) else array, drift)
    return chosen_of
