"""The rows of a table as the program itself would make them, at draws of a posterior or of its prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from numpyro import handlers

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.identification import density_draws, prior_coordinates
from bayes_dsl.inference.misfit import numbers_of
from bayes_dsl.inference.observations import Observations, Structure, observe
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.priors import Prior
from bayes_dsl.inference.program import program

Floats = NDArray[np.float64]
Sites = dict[str, Floats]

BATCH = 250
"""Draws that one call of the compiled program takes; fewer are filled up, so that one compilation serves all."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """What some draws expect of every row, in the order of the program (role after role).

    `mean` and `scale` (draw, run) are those of ln(loss), shared effects included in the mean, `nu` (draw,) the
    degrees of freedom of the noise, `parameters` the law's own, (draw,) each.
    """

    mean: Floats
    scale: Floats
    nu: Floats
    parameters: Sites

    def chosen(self, draws: NDArray[Any]) -> Rows:
        """The same of some of the draws, given as places or as a mask."""
        return Rows(
            mean=self.mean[draws],
            scale=self.scale[draws],
            nu=self.nu[draws],
            parameters={name: values[draws] for name, values in self.parameters.items()},
        )

    def replicated(self, rng: np.random.Generator) -> Floats:
        """One ln(loss) of every row at every draw, (draw, run)."""
        t = rng.standard_t(np.broadcast_to(self.nu[:, None], self.mean.shape))
        return np.asarray(self.mean + self.scale * t, dtype=np.float64)


def role_rows(structure: Structure) -> dict[str, slice]:
    """Where each role's rows stand among all of them, in the order of the program."""
    ends = np.cumsum(structure.rows)
    return {
        role: slice(int(end - count), int(end))
        for role, count, end in zip(structure.roles, structure.rows, ends, strict=True)
    }


def rows_at(structure: Structure, sites: Any, data: Any) -> Any:
    """All that follows from one draw of the sampled sites, and the mean and scale (run,) of every row's ln(loss)."""
    trace = handlers.trace(handlers.substitute(program, data=sites)).get_trace(structure, data)
    found = {n: s["value"] for n, s in trace.items() if s["type"] == "deterministic"}
    law = trace["log_loss"]["fn"]
    return found, law.loc, law.scale


def rows_of(observations: Observations, sites: Mapping[str, Floats]) -> Rows:
    """The rows at many draws: `sites` has an array (draw, ...) for every sampled site of the program."""
    structure = observations.structure
    draws = len(next(iter(sites.values())))
    parts = []
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, dict(observations.data))
        for begin in range(0, draws, BATCH):
            # The last call repeats its last draw, to be of the shape that is compiled.
            places = np.minimum(np.arange(begin, begin + BATCH), draws - 1)
            batch = {name: jnp.asarray(values[places]) for name, values in sites.items()}
            parts.append(jax.tree.map(np.asarray, _compiled(structure)(batch, data)))
    whole = jax.tree.map(lambda *pieces: np.concatenate(pieces)[:draws], *parts)
    parameters, mean, scale, nu = whole
    return Rows(mean=mean, scale=scale, nu=nu, parameters=parameters)


@lru_cache(maxsize=8)
def _compiled(structure: Structure) -> Any:
    def one(sites: Any, data: Any) -> Any:
        found, mean, scale = rows_at(structure, sites, data)
        return {name: found[name] for name in structure.law.names}, mean, scale, found["nu"]

    return jax.jit(jax.vmap(one, in_axes=(0, None)))


def observations_of(posterior: Posterior) -> Observations:
    """What a posterior was conditioned on, from the table that it carries, its misfit's paths included."""
    observations = observe(posterior.table, law=posterior.law, prior=posterior.prior)
    # The centre that its draws are about.
    data, grids = {**observations.data, "center": posterior.center}, posterior.grids
    if not grids:
        return replace(observations, data=data)
    drifts = tuple((axis, grid.sampled) for axis, grid in grids.items())
    return replace(
        observations,
        structure=replace(observations.structure, drifts=drifts),
        data={**data, "drift": numbers_of(grids, posterior.table.used)},
        grids=grids,
    )


def posterior_sites(posterior: Posterior, observations: Observations) -> Sites:
    """Every sampled site at the posterior's draws, (draw, ...), chain after chain.

    Raises
    ------
    InputError
        The posterior does not hold what was sampled.
    """
    tree, sites = posterior.tree, {}
    kept = tree["unconstrained_posterior"].data_vars if "unconstrained_posterior" in tree.children else {}
    levels = {f"z_{name}": name for name, count in observations.structure.effects if count}
    for name, shape in observations.structure.sites:
        if name in levels:
            # Whatever the sampler centred it on, an effect is sd z in the program's plain form.
            effect = posterior.draws(f"effect_{levels[name]}")
            sites[name] = effect / posterior.draws(f"sd_{levels[name]}")[:, None]
        elif name in kept:
            sites[name] = np.asarray(kept[name], dtype=np.float64).reshape(-1, *shape)
        else:
            rule = "rows are made anew from the coordinates that were sampled, which it does not hold"
            remedy = "Fit again: a posterior that was sampled and saved holds them"
            raise InputError(
                Fault(
                    where="posterior",
                    what="sampled coordinates",
                    value=f"no {name}",
                    rule=rule,
                    remedy=remedy,
                )
            )
    return sites


def prior_sites(observations: Observations, prior: Prior, *, draws: int, seed: int) -> Sites:
    """Every sampled site under the prior alone, (draws, ...); shared effects and a misfit's steps are normals."""
    structure, rng = observations.structure, np.random.default_rng((seed, 5))
    sites = prior_coordinates(structure.law, prior, observations.data["center"], draws=draws, rng=rng)
    for name, shape in structure.sites:
        if shape:
            sites[name] = rng.standard_normal((draws, *shape))
        elif name not in sites:
            sites[name] = density_draws(prior[name], draws, rng)
    return sites
