"""Laws of supervised runs beside the usual two: what a comparison of laws holds them against."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from bayes_dsl.laws.base import Law, Parameter, Role, Values
from bayes_dsl.laws.logarithms import log_sum
from bayes_dsl.laws.supervised import ALPHA, BETA, GAMMA, SIZE_AND_TOKENS, A, B, E, inner_log_sum

DELTA = Parameter(
    name="delta",
    symbol=r"\delta",
    support="positive",
    unit="1",
    meaning="interaction: above 1 a run whose size and tokens are about equally scarce pays more, below 1 less",
)


def tied_log_loss(parameters: Values, inputs: Values) -> jax.Array:
    """ln L with L = E + (A / N^alpha + B / D^alpha)^gamma: the supervised law at beta = alpha.

    Size and tokens then grow in proportion as compute does, whatever the other coefficients are.
    """
    alpha = parameters["alpha"]
    terms = inner_log_sum(
        jnp.log(parameters["A"]),
        alpha,
        jnp.log(inputs["N"]),
        jnp.log(parameters["B"]),
        alpha,
        jnp.log(inputs["D"]),
    )
    return log_sum(jnp.log(parameters["E"]), parameters["gamma"] * terms)


def interaction_log_loss(parameters: Values, inputs: Values) -> jax.Array:
    """ln L with L = E + p + q + (delta - 1) p q / (p + q), p = A / N^alpha, q = B / D^beta.

    Chinchilla's law with an interaction of size and tokens that is felt where both are scarce and vanishes where one
    is plentiful, so that it leaves alpha and beta their meaning. The excess p + q is multiplied by
    1 + (delta - 1) w (1 - w), w = p / (p + q): between 3/4 (delta = 0) and 1 + (delta - 1) / 4 at p = q. The loss
    falls with N and with D for every delta > 0: dL/dp = 1 + (delta - 1) (1 - w)^2 > 0.
    """
    size = jnp.log(parameters["A"]) - parameters["alpha"] * jnp.log(inputs["N"])
    tokens = jnp.log(parameters["B"]) - parameters["beta"] * jnp.log(inputs["D"])
    balance = jax.nn.sigmoid(size - tokens) * jax.nn.sigmoid(tokens - size)
    excess = log_sum(size, tokens) + jnp.log1p((parameters["delta"] - 1.0) * balance)
    return log_sum(jnp.log(parameters["E"]), excess)


TIED = Law(
    name="tied",
    parameters=(E, A, B, ALPHA, GAMMA),
    roles=(Role(name="supervised", inputs=SIZE_AND_TOKENS, log_loss=tied_log_loss),),
    source="Eq. 1 of Busbridge et al., arXiv 2502.08606, with one exponent for size and tokens (our restriction)",
    limits=(
        "N and D to infinity: the loss falls to E",
        "the loss falls with N and with D",
        "A = B: size and tokens can trade places",
    ),
)

INTERACTION = Law(
    name="interaction",
    parameters=(E, A, B, ALPHA, BETA, DELTA),
    roles=(Role(name="supervised", inputs=SIZE_AND_TOKENS, log_loss=interaction_log_loss),),
    source="Eq. 2 of Hoffmann et al., arXiv 2203.15556, with an interaction of our own",
    limits=(
        "N and D to infinity: the loss falls to E",
        "the loss falls with N and with D",
        "delta = 1: the Chinchilla law",
        "N or D alone to infinity: the Chinchilla law, whatever delta is",
    ),
)
