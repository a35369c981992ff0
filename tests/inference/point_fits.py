"""Rows, laws and fits that the tests of the point fit, its minimiser and its bootstrap share.

One law and one number of rows wherever that will do: each shape is compiled apart, which is what takes time.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from bayes_dsl.inference.point_fit import PointFit, Rows, point_fit
from bayes_dsl.laws.base import Law, Parameter, Role
from bayes_dsl.laws.supervised import CHINCHILLA
from tests.real_tables import entry, open_table

TRUTH = {"E": 1.8, "A": 400.0, "B": 900.0, "alpha": 0.34, "beta": 0.33}
ROWS = 60
STARTS = 64


@cache
def real_fit(n_rows: int) -> PointFit:
    """The Chinchilla law fitted to the public table: all 245 rows, or the 240 that Besiroglu et al. keep."""
    table = open_table(entry(f"chinchilla-{n_rows}"))
    assert len(table) == n_rows
    return point_fit(table, law=CHINCHILLA, starts=STARTS)


@cache
def synthetic_fit() -> PointFit:
    """The Chinchilla law fitted to runs of its own, with noise of half a percent."""
    return point_fit(supervised_rows(CHINCHILLA, TRUTH, noise=0.005), law=CHINCHILLA, starts=STARTS)


def supervised_rows(
    law: Law, parameters: dict[str, float], *, n: int = ROWS, noise: float = 0.0, seed: int = 0
) -> Rows:
    """Supervised runs over five decades of compute, with Student noise of this scale in ln(loss)."""
    rng = np.random.default_rng(seed)
    inputs = {"N": 10 ** rng.uniform(7.5, 10, n), "D": 10 ** rng.uniform(9, 11.5, n)}
    with jax.enable_x64(True):
        log_loss = np.asarray(law.log_loss("supervised", parameters, inputs))
    loss = np.exp(log_loss + noise * rng.standard_t(5, n))
    return Rows(inputs={"supervised": inputs}, loss={"supervised": loss})


def objective_at(fit: PointFit, parameters: dict[str, float]) -> float:
    """Huber's objective, written again with NumPy alone."""
    total = 0.0
    for role, loss in fit.rows.loss.items():
        with jax.enable_x64(True):
            predicted = np.asarray(fit.law.log_loss(role, parameters, fit.rows.inputs[role]))
        size = np.abs(predicted - np.log(loss))
        small = size <= fit.delta
        total += np.sum(np.where(small, size**2 / 2, fit.delta * (size - fit.delta / 2)))
    return float(total)


def _log_power(p: Mapping[str, jax.Array], N: jax.Array, D: jax.Array) -> jax.Array:
    return jnp.asarray(jnp.log(p["K"]) - p["k"] * (jnp.log(N) + jnp.log(D) - 42.0))


POWER = Law(
    name="power",
    parameters=(
        Parameter(name="K", symbol="K", support="positive", unit="1", meaning="scale"),
        Parameter(name="k", symbol="k", support="real", unit="1", meaning="power of compute"),
        Parameter(name="m", symbol="m", support="real", unit="1", meaning="power of the teacher's loss"),
    ),
    roles=(
        Role(name="supervised", inputs=("N", "D"), log_loss=lambda p, x: _log_power(p, x["N"], x["D"])),
        Role(
            name="distilled",
            inputs=("N_S", "D_S", "L_T"),
            log_loss=lambda p, x: _log_power(p, x["N_S"], x["D_S"]) + p["m"] * jnp.log(x["L_T"] / 2.0),
        ),
    ),
    source="a law of these tests",
)
POWER_TRUTH = {"K": 2.5, "k": 0.06, "m": 0.3}
DISTILLED_ROWS = 100


def joint_rows(law: Law, truth: dict[str, float], *, supervised: int, distilled: int, noise: float) -> Rows:
    """Supervised and distilled runs over the ranges of the published study."""
    rng = np.random.default_rng(3)
    alone = supervised_rows(law, truth, n=supervised, noise=noise, seed=4)
    inputs = {
        "N_S": 10 ** rng.uniform(8, 10, distilled),
        "D_S": 10 ** rng.uniform(9.5, 11.5, distilled),
        "L_T": rng.uniform(1.7, 2.6, distilled),
    }
    with jax.enable_x64(True):
        log_loss = np.asarray(law.log_loss("distilled", truth, inputs))
    loss = np.exp(log_loss + noise * rng.standard_t(5, distilled))
    return Rows(inputs={**alone.inputs, "distilled": inputs}, loss={**alone.loss, "distilled": loss})


@cache
def joint_fit() -> PointFit:
    """A law of a user's own fitted to supervised and distilled runs together."""
    rows = joint_rows(POWER, POWER_TRUTH, supervised=ROWS, distilled=DISTILLED_ROWS, noise=0.01)
    return point_fit(rows, law=POWER, starts=STARTS)
