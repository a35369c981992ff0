"""Coordinates of the distilled part: there and back, next to their limit, and finite far into the transition."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_dsl.inference.distilled_coordinates import (
    DISTILLED_NAMES,
    EXPONENTIAL_NAMES,
    distilled_coordinates,
    distilled_parameters,
    exponential_coordinates,
    exponential_parameters,
)
from bayes_dsl.laws.published import published

SUPERVISED = {
    name: published("busbridge_corrected").parameters[name]
    for name in ("E", "A", "B", "alpha", "beta", "gamma")
}
CENTER = {"log_N_S": np.log(1e9), "log_D_S": np.log(2e10), "log_L_T": np.log(2.2)}
Z = {
    "log_gap_center": -1.5,
    "slope_L_T": 2.0,
    "log_r_1": 0.02,
    "log_s_1": 2.0,
    "log_eta": -2.0,
    "logit_w_prime": 0.7,
    "log_slope_N_S": -1.8,
    "log_slope_D_S": -2.2,
    "log_gamma_prime": -0.4,
}


def maps(kind: str):
    if kind == "limit":
        return exponential_parameters, exponential_coordinates, EXPONENTIAL_NAMES
    return distilled_parameters, distilled_coordinates, DISTILLED_NAMES


def parameters_at(kind: str, **changed: float) -> dict[str, float]:
    there, _, names = maps(kind)
    with jax.enable_x64(True):
        z = {name: jnp.asarray({**Z, **changed}[name]) for name in names}
        return {name: float(value) for name, value in there(z, CENTER, SUPERVISED).items()}


@pytest.mark.parametrize("kind", ["law", "limit"])
@pytest.mark.parametrize("changed", [{}, {"log_r_1": -0.3}, {"log_s_1": 3.5}, {"slope_L_T": -1.0}])
def test_there_and_back(kind: str, changed: dict[str, float]) -> None:
    _, back, names = maps(kind)
    found = parameters_at(kind, **changed)
    with jax.enable_x64(True):
        z = {name: float(value) for name, value in back({**SUPERVISED, **found}, CENTER).items()}
    assert set(z) == set(names)
    assert z == pytest.approx({name: {**Z, **changed}[name] for name in names}, abs=1e-8)


def test_before_the_transition_the_law_falls_to_its_limit() -> None:
    early = {"log_r_1": 0.6, "log_s_1": 3.0}
    law, limit = parameters_at("law", log_eta=-9.0, **early), parameters_at("limit", **early)
    for name in limit:
        assert law[name] == pytest.approx(limit[name], rel=1e-3)


def test_far_into_the_transition_the_limit_has_finite_coefficients() -> None:
    deep = parameters_at("limit", log_r_1=-0.6, log_s_1=np.log(40.0))
    assert all(np.isfinite(value) for value in deep.values()) and deep["A_prime"] > 0
