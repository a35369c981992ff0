"""Scatter of a run about its expected loss: Student-t, with a scale that may vary with tokens, and shared effects.

On log loss: ln(loss) = ln(expected loss) + sum of shared effects + sigma_i t_nu. The scale is relative to the loss for
distilled rows too: scaling it by the gap would let the smallest gaps decide where the capacity transition is.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp

# Effects that rows can share, in the order in which they are sampled and reported.
EFFECTS = ("group", "replicate", "teacher", "student", "evaluation", "data_order")

EFFECT_MEANING = {
    "group": "rows of one group, such as checkpoints of one run",
    "replicate": "seeds of one supervised configuration (what remains is seed noise)",
    "teacher": "students of one teacher",
    "student": "distilled rows of one student configuration",
    "evaluation": "rows scored on one evaluation set",
    "data_order": "rows that saw their data in one order",
}


def token_scale(
    sigma: jax.Array, slope: jax.Array, log_tokens: jax.Array, span: Mapping[str, jax.Array]
) -> jax.Array:
    """sigma (D / D_center)^-slope, held at its last value outside the tokens that the table covers.

    `span` holds `center`, `low` and `high` in ln tokens. Without the hold a falling scale would promise
    a noiseless run far beyond the data.
    """
    return sigma * jnp.exp(-slope * (jnp.clip(log_tokens, span["low"], span["high"]) - span["center"]))


def total_scale(scale: jax.Array, relative_se: jax.Array, unshared_variance: jax.Array) -> jax.Array:
    """Scale of one row: run scatter, its evaluation's standard error, and effects that no other row shares."""
    return jnp.sqrt(scale**2 + relative_se**2 + unshared_variance)
