"""The supervised law: the loss of a network trained on data, as a function of its size and tokens."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from bayes_dsl.laws.base import Law, Parameter, Role, Values
from bayes_dsl.laws.logarithms import log_sum

SIZE_AND_TOKENS = ("N", "D")

E = Parameter(
    name="E",
    symbol="E",
    support="positive",
    unit="nats/token",
    meaning="irreducible loss, reached by an infinite network on infinite data",
)
A = Parameter(name="A", symbol="A", support="positive", unit="1", meaning="weight of the size term")
B = Parameter(name="B", symbol="B", support="positive", unit="1", meaning="weight of the token term")
ALPHA = Parameter(
    name="alpha", symbol=r"\alpha", support="positive", unit="1", meaning="exponent of the size term"
)
BETA = Parameter(
    name="beta", symbol=r"\beta", support="positive", unit="1", meaning="exponent of the token term"
)
GAMMA = Parameter(
    name="gamma",
    symbol=r"\gamma",
    support="positive",
    unit="1",
    meaning="outer exponent: how sharply the scarcer of size and tokens decides (1 is Chinchilla)",
)


def inner_log_sum(
    log_A: jax.Array, alpha: jax.Array, log_N: jax.Array, log_B: jax.Array, beta: jax.Array, log_D: jax.Array
) -> jax.Array:
    """ln(A / N^alpha + B / D^beta), from logarithms."""
    return log_sum(log_A - alpha * log_N, log_B - beta * log_D)


def _log_terms(parameters: Values, inputs: Values) -> jax.Array:
    """ln(A / N^alpha + B / D^beta) of a run."""
    return inner_log_sum(
        jnp.log(parameters["A"]),
        parameters["alpha"],
        jnp.log(inputs["N"]),
        jnp.log(parameters["B"]),
        parameters["beta"],
        jnp.log(inputs["D"]),
    )


def supervised_log_loss(parameters: Values, inputs: Values) -> jax.Array:
    """ln L with L = E + (A / N^alpha + B / D^beta)^gamma, Eq. 1 of arXiv 2502.08606.

    E in nats per token; N counts non-embedding parameters and D training tokens. A log-sum-exp of
    log-sum-exps, so that value and gradients stay finite where the powers alone would not (Eq. 44, whose
    printed exponents lack their logarithms).
    """
    return log_sum(jnp.log(parameters["E"]), parameters["gamma"] * _log_terms(parameters, inputs))


def chinchilla_log_loss(parameters: Values, inputs: Values) -> jax.Array:
    """ln L with L = E + A / N^alpha + B / D^beta: the supervised law at gamma = 1 (arXiv 2203.15556)."""
    return log_sum(jnp.log(parameters["E"]), _log_terms(parameters, inputs))


SUPERVISED = Law(
    name="supervised",
    parameters=(E, A, B, ALPHA, BETA, GAMMA),
    roles=(Role(name="supervised", inputs=SIZE_AND_TOKENS, log_loss=supervised_log_loss),),
    source="Eq. 1 of Busbridge et al., Distillation Scaling Laws, arXiv 2502.08606",
    limits=(
        "N and D to infinity: the loss falls to E",
        "the loss falls with N and with D",
        "gamma = 1: the Chinchilla law",
    ),
)

CHINCHILLA = Law(
    name="chinchilla",
    parameters=(E, A, B, ALPHA, BETA),
    roles=(Role(name="supervised", inputs=SIZE_AND_TOKENS, log_loss=chinchilla_log_loss),),
    source="Eq. 2 of Hoffmann et al., Training Compute-Optimal Large Language Models, arXiv 2203.15556",
    limits=(
        "N and D to infinity: the loss falls to E",
        "the loss falls with N and with D",
    ),
)
