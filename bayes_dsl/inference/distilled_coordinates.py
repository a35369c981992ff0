"""Centred coordinates of the distilled part of a law, given its supervised part.

With q = ln(L_T / L~), t = ln L_T, x and y the centred logarithms of the student's size and tokens,

    L_S - L_T = e^(G - c_0 (t - t_0) - softplus(ln eta + s (q - ln r_0)) / eta)
                [w' e^(-alpha' x) + (1 - w') e^(-beta' y)]^gamma',

sampled as ln(gap) at the centre, its slope in t there, ln r_1 and ln s_1 (where the transition has cost one e-fold, and
its steepness there), ln eta, logit w', ln(a' w'), ln(b' (1 - w')), ln gamma'; a' = alpha' gamma', b' = beta' gamma'.
In the exponential limit the transition is e^(s (q - ln r_0)), eta is gone, and r_1, s_1 are r_0, s themselves.
There ln(gap) and its slope at the centre are taken with the transition of eta = .1: the same but far beyond it,
where the limit's own cost would leave no finite coefficient.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from bayes_dsl.laws.supervised import supervised_log_loss

Arrays = Mapping[str, jax.Array]

DISTILLED_NAMES = (
    "log_gap_center",
    "slope_L_T",
    "log_r_1",
    "log_s_1",
    "log_eta",
    "logit_w_prime",
    "log_slope_N_S",
    "log_slope_D_S",
    "log_gamma_prime",
)
MILD = 0.1
EXPONENTIAL_NAMES = tuple(name for name in DISTILLED_NAMES if name != "log_eta")


def distilled_parameters(z: Arrays, center: Arrays, supervised: Arrays) -> dict[str, jax.Array]:
    """The distillation law's parameters of distilled runs, with r_0, s and eta."""
    log_eta = z["log_eta"]
    eta = jnp.exp(log_eta)
    s = jnp.exp(z["log_s_1"]) * eta / -jnp.expm1(-eta)
    log_r_0 = z["log_r_1"] - _log_mean_growth(eta) / s
    depth = log_eta + _depth_at_center(supervised, center, s, log_r_0)
    c_0 = z["slope_L_T"] - s / eta * jax.nn.sigmoid(depth)
    return {
        **_gap_parameters(z, center, c_0, jax.nn.softplus(depth) / eta),
        "c_0": c_0,
        "c_1": s / eta,
        "d_1": jnp.exp(log_r_0 - log_eta / s),
        "f_1": 1.0 / s,
        "r_0": jnp.exp(log_r_0),
        "s": s,
        "eta": eta,
    }


def distilled_coordinates(parameters: Arrays, center: Arrays) -> dict[str, jax.Array]:
    """The inverse of `distilled_parameters`, from all of the law's parameters."""
    p = parameters
    s = 1.0 / p["f_1"]
    eta = 1.0 / (p["c_1"] * p["f_1"])
    log_eta = jnp.log(eta)
    log_r_0 = jnp.log(p["d_1"]) + log_eta / s
    depth = log_eta + _depth_at_center(p, center, s, log_r_0)
    return {
        **_gap_coordinates(p, center, jax.nn.softplus(depth) / eta),
        "slope_L_T": p["c_0"] + s / eta * jax.nn.sigmoid(depth),
        "log_r_1": log_r_0 + _log_mean_growth(eta) / s,
        "log_s_1": jnp.log(s) - log_eta + jnp.log(-jnp.expm1(-eta)),
        "log_eta": log_eta,
    }


def exponential_parameters(z: Arrays, center: Arrays, supervised: Arrays) -> dict[str, jax.Array]:
    """The same in the exponential limit."""
    s = jnp.exp(z["log_s_1"])
    cost, slope = _mild_transition(_depth_at_center(supervised, center, s, z["log_r_1"]))
    c_0 = z["slope_L_T"] - s * slope
    return {**_gap_parameters(z, center, c_0, cost), "c_0": c_0, "r_0": jnp.exp(z["log_r_1"]), "s": s}


def exponential_coordinates(parameters: Arrays, center: Arrays) -> dict[str, jax.Array]:
    """The inverse of `exponential_parameters`, from all of the law's parameters."""
    p = parameters
    log_r_0 = jnp.log(p["r_0"])
    cost, slope = _mild_transition(_depth_at_center(p, center, p["s"], log_r_0))
    return {
        **_gap_coordinates(p, center, cost),
        "slope_L_T": p["c_0"] + p["s"] * slope,
        "log_r_1": log_r_0,
        "log_s_1": jnp.log(p["s"]),
    }


def _mild_transition(depth: jax.Array) -> tuple[jax.Array, jax.Array]:
    """What the transition of eta = `MILD` costs at a depth, in e-folds, and the slope of that."""
    inside = depth + jnp.log(MILD)
    return jax.nn.softplus(inside) / MILD, jax.nn.sigmoid(inside) / MILD


def _depth_at_center(supervised: Arrays, center: Arrays, s: jax.Array, log_r_0: jax.Array) -> jax.Array:
    """s (t_0 - ln L~(centre) - ln r_0): how far the centre stands into the capacity transition."""
    student = {"N": jnp.exp(center["log_N_S"]), "D": jnp.exp(center["log_D_S"])}
    return s * (center["log_L_T"] - supervised_log_loss(supervised, student) - log_r_0)


def _log_mean_growth(eta: jax.Array) -> jax.Array:
    """ln((e^eta - 1) / eta), which vanishes with eta; without overflow for large eta."""
    return eta + jnp.log(-jnp.expm1(-eta)) - jnp.log(eta)


def _gap_parameters(z: Arrays, center: Arrays, c_0: jax.Array, cost: jax.Array) -> dict[str, jax.Array]:
    """The student's terms; `cost` is what the transition takes off ln(gap) at the centre."""
    log_gamma = z["log_gamma_prime"]
    gamma = jnp.exp(log_gamma)
    # The gap at the centre without its transition, carried from ln L_T = t_0 to ln L_T = 0.
    log_scale = z["log_gap_center"] + cost + c_0 * center["log_L_T"]
    log_w, log_v = -jax.nn.softplus(-z["logit_w_prime"]), -jax.nn.softplus(z["logit_w_prime"])
    alpha = jnp.exp(z["log_slope_N_S"] - log_w - log_gamma)
    beta = jnp.exp(z["log_slope_D_S"] - log_v - log_gamma)
    return {
        "A_prime": jnp.exp(log_scale / gamma + log_w + alpha * center["log_N_S"]),
        "B_prime": jnp.exp(log_scale / gamma + log_v + beta * center["log_D_S"]),
        "alpha_prime": alpha,
        "beta_prime": beta,
        "gamma_prime": gamma,
    }


def _gap_coordinates(p: Arrays, center: Arrays, cost: jax.Array) -> dict[str, jax.Array]:
    size = jnp.log(p["A_prime"]) - p["alpha_prime"] * center["log_N_S"]
    tokens = jnp.log(p["B_prime"]) - p["beta_prime"] * center["log_D_S"]
    log_gamma, logit_w = jnp.log(p["gamma_prime"]), size - tokens
    log_scale = p["gamma_prime"] * jnp.logaddexp(size, tokens)
    return {
        "log_gap_center": log_scale - p["c_0"] * center["log_L_T"] - cost,
        "logit_w_prime": logit_w,
        "log_slope_N_S": jnp.log(p["alpha_prime"]) + log_gamma - jax.nn.softplus(-logit_w),
        "log_slope_D_S": jnp.log(p["beta_prime"]) + log_gamma - jax.nn.softplus(logit_w),
        "log_gamma_prime": log_gamma,
    }
