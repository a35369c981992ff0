"""The distillation law in the exponential limit of its capacity transition, with two coefficients in place of three."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from bayes_dsl.laws.base import GapInputs, Law, Parameter, Role, Values
from bayes_dsl.laws.distillation import DISTILLATION, gap_inputs, log_gap_without_transition
from bayes_dsl.laws.logarithms import log_sum

R_0 = Parameter(
    name="r_0",
    symbol="r_0",
    support="positive",
    unit="1",
    meaning="teacher loss over supervised student loss where the capacity transition has cost one e-fold",
)
S = Parameter(
    name="s",
    symbol="s",
    support="positive",
    unit="1",
    meaning="steepness of the capacity transition: the power with which its cost grows",
)
# e^80 is finite in float32, and a gap of e^(-e^80) is none.
DEEPEST = 80.0


def exponential_log_gap(parameters: Values, at: GapInputs) -> jax.Array:
    """ln of the gap in the exponential limit; see `exponential_log_loss`."""
    depth = parameters["s"] * (at.log_ratio - jnp.log(parameters["r_0"]))
    return log_gap_without_transition(parameters, at) - jnp.exp(jnp.minimum(depth, DEEPEST))


def exponential_log_loss(parameters: Values, inputs: Values) -> jax.Array:
    """ln L_S with L_S = L_T + L_T^-c_0 exp(-(L_T / (L~ r_0))^s) (A'/N_S^alpha' + B'/D_S^beta')^gamma'.

    The distillation law as eta = 1 / (c_1 f_1) falls to 0 at fixed s = 1 / f_1 and r_0 = d_1 eta^(1/s), L~ being the
    supervised law at (N_S, D_S).
    """
    at = gap_inputs(parameters, inputs)
    return log_sum(at.log_teacher_loss, exponential_log_gap(parameters, at))


def limit_of(parameters: Mapping[str, float]) -> dict[str, float]:
    """Coefficients of the distillation law, with r_0 and s in place of c_1, d_1 and f_1."""
    eta = 1.0 / (parameters["c_1"] * parameters["f_1"])
    left = {name: value for name, value in parameters.items() if name not in ("c_1", "d_1", "f_1")}
    return {**left, "r_0": parameters["d_1"] * eta ** parameters["f_1"], "s": 1.0 / parameters["f_1"]}


_SHARED = tuple(p for p in DISTILLATION.parameters if p.name not in ("c_1", "d_1", "f_1"))

EXPONENTIAL = Law(
    name="exponential",
    parameters=(*_SHARED, R_0, S),
    roles=(
        DISTILLATION.role("supervised"),
        Role(
            name="distilled",
            inputs=("N_S", "D_S", "L_T"),
            log_loss=exponential_log_loss,
            log_gap=exponential_log_gap,
        ),
    ),
    source="Eqs 1 and 8 of Busbridge et al., arXiv 2502.08606, with c_1 f_1 to infinity (our restriction)",
    limits=(*DISTILLATION.limits, "c_1 f_1 to infinity: the distillation law falls to this one"),
)
