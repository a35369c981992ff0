"""The supervised law where data are repeated: tokens seen again count for less than new ones."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from bayes_dsl.laws.base import Law, Parameter, Role, Values
from bayes_dsl.laws.supervised import ALPHA, BETA, GAMMA, A, B, E, supervised_log_loss

R_D = Parameter(
    name="R_D",
    symbol="R_D^*",
    support="positive",
    unit="epochs",
    meaning="repetitions of the data after which repeated tokens have given 63 % of all that they can",
)


def log_effective_tokens(parameters: Values, inputs: Values) -> jax.Array:
    """ln D' with D' = U + U R_D (1 - exp(-(D/U - 1) / R_D)), Eq. 5 of arXiv 2305.16264; D' = D where D <= U.

    D counts the training tokens seen and U the distinct ones among them. Value and slope are continuous at D = U.
    """
    D, U, most = inputs["D"], inputs["U"], parameters["R_D"]
    repetitions = jnp.maximum(D / U - 1.0, 0.0)
    return jnp.log(jnp.minimum(U, D)) + jnp.log1p(-most * jnp.expm1(-repetitions / most))


def repetition_log_loss(parameters: Values, inputs: Values) -> jax.Array:
    """ln L with L = E + (A / N^alpha + B / D'^beta)^gamma, D' = U + U R_D (1 - exp(-(D/U - 1) / R_D)).

    Muennighoff et al., Scaling Data-Constrained Language Models (arXiv 2305.16264), whose law has gamma = 1 and
    alpha = beta; they find R_D of about 15. We depart from them in three things: gamma is free, alpha and beta are
    two, and their second decay, of parameters beyond those that U tokens are enough for (R_N), is left out, so that
    a run without repetition follows the supervised law whatever its size. Nor does the law hold where repetition
    does harm: it falls with D for ever, and small data seen hundreds of times make the loss rise.
    """
    tokens = jnp.exp(log_effective_tokens(parameters, inputs))
    return supervised_log_loss(parameters, {"N": inputs["N"], "D": tokens})


REPETITION = Law(
    name="repetition",
    parameters=(E, A, B, ALPHA, BETA, GAMMA, R_D),
    roles=(Role(name="supervised", inputs=("N", "D", "U"), log_loss=repetition_log_loss),),
    source="Eq. 5 of Muennighoff et al., arXiv 2305.16264, in Eq. 1 of Busbridge et al., arXiv 2502.08606",
    limits=(
        "N, D and U to infinity: the loss falls to E",
        "the loss falls with N and with D",
        "D at most U: the supervised law",
        "R_D to infinity: the supervised law, repeated tokens being as good as new",
        "D to infinity at one U: the supervised law of U (1 + R_D) tokens",
    ),
)
