"""The expected loss of a run: the law, at the one seam where a misfit between law and world enters.

The program conditions on this function and the forecast evaluates it, so that what is believed and what is
forecast can never differ. At present the world is taken to follow the law exactly ("bare law").
"""

from __future__ import annotations

import jax

from bayes_dsl.laws.base import Law, Values

BARE_LAW = "none"


def expected_log_loss(law: Law, role: str, parameters: Values, inputs: Values) -> jax.Array:
    """ln(expected loss / (nats per token)) of runs of one role; arrays broadcast against each other."""
    return law.log_loss(role, parameters, inputs)
