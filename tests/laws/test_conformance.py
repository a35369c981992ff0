"""Every registered law answers the same questions, and so does a law that a user writes."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_dsl.laws.base import Law, Parameter, Role
from bayes_dsl.laws.exponential import limit_of
from bayes_dsl.laws.published import names, published
from bayes_dsl.laws.registry import registered
from tests.laws.conformance import CHECKS, LIMITS


def parameter_sets(law: Law) -> list[dict[str, float]]:
    """Every published set that holds the law's parameters: Chinchilla's have gamma = 1, and no delta or R_D."""
    known = [published(name).parameters for name in names()]
    known = [limit_of(p) if "r_0" in law.names and "f_1" in p else p for p in known]
    sets = [{"gamma": 1.0, "delta": 2.5, "R_D": 15.4} | p for p in known]
    return [{name: p[name] for name in law.names} for p in sets if set(law.names) <= set(p)]


CASES = [
    pytest.param(law, p, id=f"{law.name}-{i}")
    for law in registered()
    for i, p in enumerate(parameter_sets(law))
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize(("law", "parameters"), CASES)
def test_registered_law(law, parameters, check):
    check(law, parameters)


@pytest.mark.parametrize(
    ("law", "parameters", "limit"),
    [pytest.param(*case.values, limit, id=f"{case.id}-{limit[:30]}") for case in CASES
     for limit in case.values[0].limits],
)  # fmt: skip
def test_stated_limit(law, parameters, limit):
    assert limit in LIMITS, "a limit that is stated is a limit that is tested"
    LIMITS[limit](law, parameters)


def test_no_limit_is_tested_that_no_law_states():
    assert set(LIMITS) == {limit for law in registered() for limit in law.limits}


def test_every_law_has_a_parameter_set():
    assert {case.values[0] for case in CASES} == set(registered())


# A law of one's own: this much is all it takes.
def kaplan_log_loss(parameters, inputs):
    """ln L with L = E + A / N^alpha: size alone, all runs being long enough."""
    log_term = jnp.log(parameters["A"]) - parameters["alpha"] * jnp.log(inputs["N"])
    return jnp.logaddexp(jnp.log(parameters["E"]), log_term)


SIZE_ONLY = Law(
    name="size_only",
    parameters=(
        Parameter(name="E", symbol="E", support="positive", unit="nats/token", meaning="irreducible loss"),
        Parameter(name="A", symbol="A", support="positive", unit="1", meaning="weight of the size"),
        Parameter(name="alpha", symbol=r"\alpha", support="positive", unit="1", meaning="its exponent"),
    ),
    roles=(Role(name="supervised", inputs=("N",), log_loss=kaplan_log_loss),),
    source="an example",
    limits=("N and D to infinity: the loss falls to E",),
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_law_of_a_user(check):
    check(SIZE_ONLY, {"E": 1.7, "A": 400.0, "alpha": 0.34})


def test_limits_of_a_users_law():
    for limit in SIZE_ONLY.limits:
        LIMITS[limit](SIZE_ONLY, {"E": 1.7, "A": 400.0, "alpha": 0.34})


def broken(log_loss) -> Law:
    log_loss.__doc__ = "ln L, broken."
    return dataclasses.replace(SIZE_ONLY, roles=(Role(name="supervised", inputs=("N",), log_loss=log_loss),))


@pytest.mark.parametrize(
    ("law", "fails"),
    [
        pytest.param(
            broken(lambda p, x: jnp.log(p["E"] + p["A"] / x["N"] ** (20 * p["alpha"]))),
            "check_values_and_gradients_are_finite",
            id="powers overflow in float32",
        ),
        pytest.param(
            broken(lambda p, x: jnp.logaddexp(jnp.log(p["E"]), 0.01 * jnp.log(x["N"]))),
            "check_the_loss_falls_with_size_and_tokens",
            id="rises with size",
        ),
        pytest.param(
            broken(lambda p, x: jnp.log(p["E"]) - p["A"] / x["N"] ** p["alpha"]),
            "check_the_loss_has_a_floor",
            id="below its floor",
        ),
        pytest.param(
            broken(lambda p, x: jnp.log((p["E"] + x["N"]) - x["N"])),
            "check_float32_agrees_with_float64",
            id="cancels in float32",
        ),
        pytest.param(
            broken(lambda p, x: jnp.log(p["E"] + np.float64(p["A"]).item())),
            "check_it_can_be_closed_over_and_static",
            id="not to be traced",
        ),
        pytest.param(
            broken(lambda p, x: jnp.broadcast_to(jnp.log(p["E"]), x["N"].shape)),
            "check_draws_broadcast_against_candidates",
            id="does not broadcast",
        ),
        pytest.param(
            dataclasses.replace(SIZE_ONLY, limits=()), "check_it_is_documented", id="states no limit"
        ),
    ],
)
def test_control_a_broken_law_is_caught(law, fails):
    check = next(check for check in CHECKS if check.__name__ == fails)
    with pytest.raises((AssertionError, ValueError, jax.errors.JAXTypeError)):
        check(law, {"E": 1.7, "A": 400.0, "alpha": 0.34})
