"""The quantities that calibration ranks: coefficients, noise, log-likelihood, the loss of a target, the best split."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayes_dsl.inference.misfit import expected_log_loss
from bayes_dsl.inference.observations import Observations
from bayes_dsl.inference.paths import beyond, edges_of, paths
from bayes_dsl.inference.sampler import Sampled
from bayes_dsl.laws.base import Law
from bayes_dsl.validation.worlds import SIZES, TEACHER_LOSSES, TOKENS_PER_PARAM, Arrays

TARGET = {"N": 10 * SIZES[-1], "D": 10 * SIZES[-1] * TOKENS_PER_PARAM[-2]}
"""The run whose expected loss is ranked: ten times the largest size, on eight times the most tokens but one."""
STUDENT = {"N_S": 4 * SIZES[-1], "D_S": 80 * SIZES[-1], "L_T": 0.97 * TEACHER_LOSSES[0]}
"""The student whose expected loss is ranked: of a teacher stronger than any of the study."""
SPLITS = 201
"""Sizes (teacher losses) among which the best split (the best teacher) is sought."""
BLOCK = 500


def ranked(observations: Observations, sampled: Sampled, *, seed: int) -> Arrays:
    """Every ranked quantity of a posterior's draws, (chain, draw)."""
    shape = sampled.log_likelihood.shape[:2]
    found = {name: values for name, values in sampled.parameters.items() if values.ndim == 2}
    found |= {name: values for name, values in sampled.sites.items() if name.startswith("noise_slope")}
    found["log_likelihood"] = sampled.log_likelihood.sum(axis=-1)
    flat = {name: v.reshape(-1, *v.shape[2:]) for name, v in sampled.parameters.items()}
    sites = {name: v.reshape(-1, *v.shape[2:]) for name, v in sampled.sites.items()}
    derived = derived_of(observations, flat, sites, seed=seed)
    return found | {name: values.reshape(shape) for name, values in derived.items()}


def ranked_truth(observations: Observations, parameters: Arrays, sites: Arrays, *, seed: int) -> Arrays:
    """The same of one truth, scalars, but for its log-likelihood."""
    found = {name: values for name, values in parameters.items() if values.ndim == 0}
    found |= {name: values for name, values in sites.items() if name.startswith("noise_slope")}
    one = {name: values[None] for name, values in parameters.items()}
    derived = derived_of(observations, one, {n: v[None] for n, v in sites.items()}, seed=seed)
    return found | {name: values[0] for name, values in derived.items()}


def derived_of(observations: Observations, parameters: Arrays, sites: Arrays, *, seed: int) -> Arrays:
    """Target losses and best splits of draws (draw,): logarithms, of nats per token and of parameters."""
    law = observations.structure.law
    parts = []
    with jax.enable_x64(True):
        for begin in range(0, len(parameters["E"]), BLOCK):
            part = slice(begin, begin + BLOCK)
            drift = _drift(observations, parameters, sites, part, seed)
            values = {name: _filled(parameters[name][part]) for name in law.names}
            parts.append({n: np.asarray(v) for n, v in _evaluator(law)(values, drift).items()})
    size = len(parameters["E"])
    return {name: np.concatenate([part[name] for part in parts])[:size] for name in parts[0]}


def _drift(observations: Observations, parameters: Arrays, sites: Arrays, part: slice, seed: int) -> Any:
    """The whole paths of a block's draws; None for the bare law."""
    grids = observations.grids
    if not grids:
        return None
    drawn = beyond(grids, shape=(1, len(parameters["E"])), seed=seed)
    found = paths(
        grids,
        rho={axis: _filled(parameters[f"drift_{axis}"][part]) for axis in grids},
        edge={axis: _filled(parameters[name][part]) for axis, name in edges_of(grids).items()},
        sampled={axis: _filled(sites[f"steps_{axis}"][part]) for axis in grids},
        drawn={axis: _filled(drawn[axis][0, part]) for axis in grids},
    )
    return jax.tree.map(lambda array: array[:, None] if np.ndim(array) else array, found)


def _filled(values: np.ndarray) -> np.ndarray:
    """A block of full length, its last draw repeated: one compiled function serves all lengths."""
    return np.concatenate([values, np.repeat(values[-1:], BLOCK - len(values), axis=0)])


@lru_cache(maxsize=8)
def _evaluator(law: Law) -> Any:
    def evaluate(parameters: Any, drift: Any) -> dict[str, jax.Array]:
        p = {name: jnp.asarray(value)[:, None] for name, value in parameters.items()}
        target = {name: jnp.asarray([value]) for name, value in TARGET.items()}
        compute = jnp.log(target["N"] * target["D"])
        log_N = jnp.linspace(jnp.log(SIZES[0]), jnp.log(100 * SIZES[-1]), SPLITS)
        split = {"N": jnp.exp(log_N), "D": jnp.exp(compute - log_N)}
        found = {
            "target_loss": expected_log_loss(law, "supervised", p, target, drift)[:, 0],
            "best_params": log_N[jnp.argmin(expected_log_loss(law, "supervised", p, split, drift), axis=1)],
        }
        if law.explains("distilled"):
            student = {name: jnp.asarray([value]) for name, value in STUDENT.items()}
            log_L_T = jnp.linspace(jnp.log(0.6 * TEACHER_LOSSES[0]), jnp.log(TEACHER_LOSSES[-1]), SPLITS)
            taught = {**student, "L_T": jnp.exp(log_L_T)}
            found["student_loss"] = expected_log_loss(law, "distilled", p, student, drift)[:, 0]
            losses = expected_log_loss(law, "distilled", p, taught, drift)
            found["best_teacher_loss"] = log_L_T[jnp.argmin(losses, axis=1)]
        return found

    return jax.jit(evaluate)
