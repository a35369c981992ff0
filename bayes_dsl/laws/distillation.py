"""The distillation law: the loss of a student of given size, tokens and teacher's loss."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from bayes_dsl.laws.base import GapInputs, Law, Parameter, Role, Values
from bayes_dsl.laws.logarithms import log_sum, softplus
from bayes_dsl.laws.supervised import (
    ALPHA,
    BETA,
    GAMMA,
    SIZE_AND_TOKENS,
    A,
    B,
    E,
    inner_log_sum,
    supervised_log_loss,
)

A_PRIME = Parameter(
    name="A_prime", symbol="A'", support="positive", unit="1", meaning="weight of the student's size term"
)
B_PRIME = Parameter(
    name="B_prime", symbol="B'", support="positive", unit="1", meaning="weight of the student's token term"
)
ALPHA_PRIME = Parameter(
    name="alpha_prime",
    symbol=r"\alpha'",
    support="positive",
    unit="1",
    meaning="exponent of the student's size term",
)
BETA_PRIME = Parameter(
    name="beta_prime",
    symbol=r"\beta'",
    support="positive",
    unit="1",
    meaning="exponent of the student's token term",
)
GAMMA_PRIME = Parameter(
    name="gamma_prime",
    symbol=r"\gamma'",
    support="positive",
    unit="1",
    meaning="outer exponent of the student's terms",
)
C_0 = Parameter(
    name="c_0",
    symbol="c_0",
    support="real",
    unit="1",
    meaning="power of the teacher's loss by which a weaker teacher narrows the gap",
)
C_1 = Parameter(
    name="c_1",
    symbol="c_1",
    support="positive",
    unit="1",
    meaning="power of the fall beyond the capacity transition; only c_1 and d_1 together are identified",
)
D_1 = Parameter(
    name="d_1",
    symbol="d_1",
    support="positive",
    unit="1",
    meaning="teacher loss over supervised student loss at the capacity transition",
)
F_1 = Parameter(
    name="f_1", symbol="f_1", support="positive", unit="1", meaning="width of the capacity transition"
)


def gap_inputs(parameters: Values, inputs: Values) -> GapInputs:
    """What the gap depends on, by the law alone: L~ is the supervised law at (N_S, D_S)."""
    log_L_T = jnp.log(inputs["L_T"])
    student = {"N": inputs["N_S"], "D": inputs["D_S"]}
    return GapInputs(
        log_params=jnp.log(inputs["N_S"]),
        log_tokens=jnp.log(inputs["D_S"]),
        log_teacher_loss=log_L_T,
        log_ratio=log_L_T - supervised_log_loss(parameters, student),
    )


def log_gap(parameters: Values, at: GapInputs) -> jax.Array:
    """ln(L_S - L_T): how far the student stays above its teacher, in logarithms of nats per token.

    L_S - L_T = L_T^-c_0 (1 + (L_T / (L~ d_1))^(1/f_1))^(-c_1 f_1) (A'/N_S^alpha' + B'/D_S^beta')^gamma',
    L~ being the supervised law at (N_S, D_S): Eq. 8 of arXiv 2502.08606 with the primes of Eq. 46. Taken
    apart from L_T, because the sum has lost the small gaps to rounding (in float32 already at 1e-7 L_T).
    """
    depth = (at.log_ratio - jnp.log(parameters["d_1"])) / parameters["f_1"]
    transition = parameters["c_1"] * parameters["f_1"] * softplus(depth)
    return log_gap_without_transition(parameters, at) - transition


def log_gap_without_transition(parameters: Values, at: GapInputs) -> jax.Array:
    """ln of the gap of a student that its teacher does not outgrow: L_T^-c_0 (A'/N_S^alpha' + B'/D_S^beta')^gamma'."""
    inner = inner_log_sum(
        jnp.log(parameters["A_prime"]),
        parameters["alpha_prime"],
        at.log_params,
        jnp.log(parameters["B_prime"]),
        parameters["beta_prime"],
        at.log_tokens,
    )
    return parameters["gamma_prime"] * inner - parameters["c_0"] * at.log_teacher_loss


def distilled_log_loss(parameters: Values, inputs: Values) -> jax.Array:
    """ln L_S with L_S = L_T + gap (Eq. 8 of arXiv 2502.08606); see `log_gap`."""
    at = gap_inputs(parameters, inputs)
    return log_sum(at.log_teacher_loss, log_gap(parameters, at))


DISTILLATION = Law(
    name="distillation",
    parameters=(
        *(E, A, B, ALPHA, BETA, GAMMA),
        *(A_PRIME, B_PRIME, ALPHA_PRIME, BETA_PRIME, GAMMA_PRIME, C_0, C_1, D_1, F_1),
    ),
    roles=(
        Role(name="supervised", inputs=SIZE_AND_TOKENS, log_loss=supervised_log_loss),
        Role(name="distilled", inputs=("N_S", "D_S", "L_T"), log_loss=distilled_log_loss, log_gap=log_gap),
    ),
    source="Eqs 1 and 8 of Busbridge et al., Distillation Scaling Laws, arXiv 2502.08606",
    limits=(
        "N_S and D_S to infinity: the student reaches its teacher, L_S falls to L_T",
        "L_T far above the student's supervised loss: a random teacher makes a random student, L_S is L_T",
        "L_S as a function of L_T is U-shaped: the capacity gap",
        "L_S stays above L_T (the law's gap is positive; a measured one need not be)",
    ),
)
