"""Coordinates in which a law's posterior is nearly round: centred maps between them and the law's parameters.

Every coordinate lives on the real line. Sizes and tokens are centred on the table, so that a coordinate says
what the table can tell (the loss at its centre, local slopes) rather than a value extrapolated to N = D = 1.
Supervised: with a = alpha gamma, b = beta gamma, x = ln N - mean, y = ln D - mean,

    L = E + m [w e^(-alpha x) + (1 - w) e^(-beta y)]^gamma,

sampled as ln(E + m), ln(m/E), logit w, ln(m a w), ln(m b (1 - w)), ln gamma; with tied exponents without logit w, which
the two slopes then are; with an interaction likewise, ln delta for ln gamma; with
repeated data ln R_D beside them. The distilled part has a file of its own
(`distilled_coordinates.py`). Each coordinate is shifted only by others, hence densities of c_0 and of its coordinate
differ by no Jacobian.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from bayes_dsl.inference.distilled_coordinates import (
    DISTILLED_NAMES,
    EXPONENTIAL_NAMES,
    distilled_coordinates,
    distilled_parameters,
    exponential_coordinates,
    exponential_parameters,
)
from bayes_dsl.laws.base import Law, Parameter
from bayes_dsl.laws.distillation import DISTILLATION
from bayes_dsl.laws.exponential import EXPONENTIAL
from bayes_dsl.laws.repetition import REPETITION
from bayes_dsl.laws.supervised import CHINCHILLA, SUPERVISED
from bayes_dsl.laws.variants import INTERACTION, TIED

Arrays = Mapping[str, jax.Array]

SUPERVISED_NAMES = ("log_L_center", "log_m_over_E", "logit_w", "log_slope_N", "log_slope_D", "log_gamma")
CHINCHILLA_NAMES = SUPERVISED_NAMES[:-1]
TIED_NAMES = tuple(name for name in SUPERVISED_NAMES if name != "logit_w")
INTERACTION_NAMES = (*CHINCHILLA_NAMES, "log_delta")
REPETITION_NAMES = (*SUPERVISED_NAMES, "log_R_D")
CENTER_NAMES = ("log_N", "log_D", "log_N_S", "log_D_S", "log_L_T")


Map = Callable[[Arrays, Arrays], dict[str, jax.Array]]


@dataclass(frozen=True, kw_only=True)
class Coordinates:
    """Names of the sampled coordinates of one law, and the two maps (a hashable value).

    `to_parameters(z, center)` gives the law's parameters, with the derived quantities, at coordinates `z`
    (scalars or equal shapes); `from_parameters(parameters, center)` is its inverse. `derived` names quantities
    that are reported beside the law's parameters; a prior may stand on a parameter in place of the coordinate
    that `replaces` pairs it with (c_0, for the local slope in ln L_T).
    """

    law: Law
    names: tuple[str, ...]
    to_parameters: Map
    from_parameters: Map
    derived: tuple[str, ...] = ()
    replaces: tuple[tuple[str, str], ...] = ()


def coordinates_of(law: Law) -> Coordinates:
    """Centred coordinates for the package's laws; for any other law, logarithms of positive parameters."""
    if law in _CENTRED:
        return _CENTRED[law]
    names = tuple(_plain_name(parameter) for parameter in law.parameters)
    return Coordinates(
        law=law,
        names=names,
        to_parameters=partial(_plain_parameters, law),
        from_parameters=partial(_plain_coordinates, law),
    )


def _plain_name(parameter: Parameter) -> str:
    return "log_" + parameter.name if parameter.support == "positive" else parameter.name


def _plain_parameters(law: Law, z: Arrays, center: Arrays) -> dict[str, jax.Array]:
    return {
        p.name: jnp.exp(z[_plain_name(p)]) if p.support == "positive" else jnp.asarray(z[p.name])
        for p in law.parameters
    }


def _plain_coordinates(law: Law, parameters: Arrays, center: Arrays) -> dict[str, jax.Array]:
    return {
        _plain_name(p): jnp.log(parameters[p.name])
        if p.support == "positive"
        else jnp.asarray(parameters[p.name])
        for p in law.parameters
    }


def _chinchilla_parameters(z: Arrays, center: Arrays) -> dict[str, jax.Array]:
    parameters = _supervised_parameters({**z, "log_gamma": jnp.zeros_like(z["logit_w"])}, center)
    return {name: value for name, value in parameters.items() if name != "gamma"}


def _chinchilla_coordinates(parameters: Arrays, center: Arrays) -> dict[str, jax.Array]:
    z = _supervised_coordinates({**parameters, "gamma": jnp.ones_like(parameters["E"])}, center)
    return {name: z[name] for name in CHINCHILLA_NAMES}


def _tied_parameters(z: Arrays, center: Arrays) -> dict[str, jax.Array]:
    # Of one exponent, the slopes are as the shares: m a w and m a (1 - w).
    parameters = _supervised_parameters({**z, "logit_w": z["log_slope_N"] - z["log_slope_D"]}, center)
    return {name: parameters[name] for name in TIED.names}


def _tied_coordinates(parameters: Arrays, center: Arrays) -> dict[str, jax.Array]:
    z = _supervised_coordinates({**parameters, "beta": parameters["alpha"]}, center)
    return {name: z[name] for name in TIED_NAMES}


def _interaction_parameters(z: Arrays, center: Arrays) -> dict[str, jax.Array]:
    excess, by_size, by_tokens = _interaction_factors(z["logit_w"], jnp.exp(z["log_delta"]))
    # Chinchilla's p + q at the centre is m less what the interaction adds, and so are its slopes.
    log_E = z["log_L_center"] - jax.nn.softplus(z["log_m_over_E"])
    log_M = log_E + z["log_m_over_E"] - excess
    plain = {
        "log_L_center": jnp.logaddexp(log_E, log_M),
        "log_m_over_E": log_M - log_E,
        "logit_w": z["logit_w"],
        "log_slope_N": z["log_slope_N"] - by_size,
        "log_slope_D": z["log_slope_D"] - by_tokens,
    }
    return {**_chinchilla_parameters(plain, center), "delta": jnp.exp(z["log_delta"])}


def _interaction_coordinates(parameters: Arrays, center: Arrays) -> dict[str, jax.Array]:
    plain = _chinchilla_coordinates(parameters, center)
    excess, by_size, by_tokens = _interaction_factors(plain["logit_w"], parameters["delta"])
    log_E = jnp.log(parameters["E"])
    log_m = log_E + plain["log_m_over_E"] + excess
    return {
        "log_L_center": jnp.logaddexp(log_E, log_m),
        "log_m_over_E": log_m - log_E,
        "logit_w": plain["logit_w"],
        "log_slope_N": plain["log_slope_N"] + by_size,
        "log_slope_D": plain["log_slope_D"] + by_tokens,
        "log_delta": jnp.log(parameters["delta"]),
    }


def _interaction_factors(logit_w: jax.Array, delta: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """ln of what the interaction multiplies the excess, its slope in size, and its slope in tokens by."""
    w, v = jax.nn.sigmoid(logit_w), jax.nn.sigmoid(-logit_w)
    added = delta - 1.0
    return jnp.log1p(added * w * v), jnp.log1p(added * v**2), jnp.log1p(added * w**2)


def _repetition_parameters(z: Arrays, center: Arrays) -> dict[str, jax.Array]:
    return {**_supervised_parameters(z, center), "R_D": jnp.exp(z["log_R_D"])}


def _repetition_coordinates(parameters: Arrays, center: Arrays) -> dict[str, jax.Array]:
    return {**_supervised_coordinates(parameters, center), "log_R_D": jnp.log(parameters["R_D"])}


def _joint_parameters(z: Arrays, center: Arrays) -> dict[str, jax.Array]:
    supervised = _supervised_parameters(z, center)
    return {**supervised, **distilled_parameters(z, center, supervised)}


def _joint_coordinates(parameters: Arrays, center: Arrays) -> dict[str, jax.Array]:
    return {**_supervised_coordinates(parameters, center), **distilled_coordinates(parameters, center)}


def _exponential_parameters(z: Arrays, center: Arrays) -> dict[str, jax.Array]:
    supervised = _supervised_parameters(z, center)
    return {**supervised, **exponential_parameters(z, center, supervised)}


def _exponential_coordinates(parameters: Arrays, center: Arrays) -> dict[str, jax.Array]:
    return {**_supervised_coordinates(parameters, center), **exponential_coordinates(parameters, center)}


def _supervised_parameters(z: Arrays, center: Arrays) -> dict[str, jax.Array]:
    log_gamma = z["log_gamma"]
    gamma = jnp.exp(log_gamma)
    log_E = z["log_L_center"] - jax.nn.softplus(z["log_m_over_E"])
    log_m = log_E + z["log_m_over_E"]
    log_w, log_v = -jax.nn.softplus(-z["logit_w"]), -jax.nn.softplus(z["logit_w"])
    alpha = jnp.exp(z["log_slope_N"] - log_m - log_w - log_gamma)
    beta = jnp.exp(z["log_slope_D"] - log_m - log_v - log_gamma)
    return {
        "E": jnp.exp(log_E),
        "A": jnp.exp(log_m / gamma + log_w + alpha * center["log_N"]),
        "B": jnp.exp(log_m / gamma + log_v + beta * center["log_D"]),
        "alpha": alpha,
        "beta": beta,
        "gamma": gamma,
    }


def _supervised_coordinates(parameters: Arrays, center: Arrays) -> dict[str, jax.Array]:
    p = parameters
    size = jnp.log(p["A"]) - p["alpha"] * center["log_N"]
    tokens = jnp.log(p["B"]) - p["beta"] * center["log_D"]
    log_m = p["gamma"] * jnp.logaddexp(size, tokens)
    logit_w = size - tokens
    log_E, log_gamma = jnp.log(p["E"]), jnp.log(p["gamma"])
    return {
        "log_L_center": jnp.logaddexp(log_E, log_m),
        "log_m_over_E": log_m - log_E,
        "logit_w": logit_w,
        "log_slope_N": log_m + jnp.log(p["alpha"]) + log_gamma - jax.nn.softplus(-logit_w),
        "log_slope_D": log_m + jnp.log(p["beta"]) + log_gamma - jax.nn.softplus(logit_w),
        "log_gamma": log_gamma,
    }


_CENTRED = {
    CHINCHILLA: Coordinates(
        law=CHINCHILLA,
        names=CHINCHILLA_NAMES,
        to_parameters=_chinchilla_parameters,
        from_parameters=_chinchilla_coordinates,
    ),
    SUPERVISED: Coordinates(
        law=SUPERVISED,
        names=SUPERVISED_NAMES,
        to_parameters=_supervised_parameters,
        from_parameters=_supervised_coordinates,
    ),
    TIED: Coordinates(
        law=TIED,
        names=TIED_NAMES,
        to_parameters=_tied_parameters,
        from_parameters=_tied_coordinates,
    ),
    INTERACTION: Coordinates(
        law=INTERACTION,
        names=INTERACTION_NAMES,
        to_parameters=_interaction_parameters,
        from_parameters=_interaction_coordinates,
    ),
    REPETITION: Coordinates(
        law=REPETITION,
        names=REPETITION_NAMES,
        to_parameters=_repetition_parameters,
        from_parameters=_repetition_coordinates,
    ),
    DISTILLATION: Coordinates(
        law=DISTILLATION,
        names=SUPERVISED_NAMES + DISTILLED_NAMES,
        to_parameters=_joint_parameters,
        from_parameters=_joint_coordinates,
        derived=("r_0", "s", "eta"),
        replaces=(("c_0", "slope_L_T"),),
    ),
    EXPONENTIAL: Coordinates(
        law=EXPONENTIAL,
        names=SUPERVISED_NAMES + EXPONENTIAL_NAMES,
        to_parameters=_exponential_parameters,
        from_parameters=_exponential_coordinates,
        replaces=(("c_0", "slope_L_T"),),
    ),
}
