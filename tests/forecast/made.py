"""Posteriors that forecasts are asked of: draws around a known truth, with what a test wants changed in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_dsl.inference.misfit import DRIFT, Misfit, grids_of
from bayes_dsl.inference.paths import beyond, edges_of
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.laws.published import published
from bayes_dsl.laws.registry import law
from bayes_dsl.runs.table import RunTable
from tests.inference.by_hand import supervised_loss
from tests.posteriors import CHAINS, DRAWS, posterior_around

TRUTH = published("busbridge_corrected").parameters
MISFIT = Misfit(students=True)
SPAN = {"low": float(np.log(2e9)), "center": float(np.log(2e10)), "high": float(np.log(2e11))}


def table(roles: tuple[str, ...] = ("supervised", "distilled")) -> RunTable:
    """Params 1e8 to 4e9, tokens 2e9 to 2e11, teachers of 2.0 to 2.6; the losses do not matter here."""
    rows: list[dict[str, Any]] = []
    for role in roles:
        for i in range(6):
            row = {"role": role, "params": 1e8 * 40 ** (i / 5), "tokens": 2e9 * 100 ** (i / 5), "loss": 2.7}
            rows.append(row | ({"teacher_loss": 2.0 + 0.12 * i} if role == "distilled" else {}))
    return RunTable.from_pandas(pd.DataFrame(rows))


def made(
    law_name: str = "distillation",
    roles: tuple[str, ...] | None = None,
    spread: float = 1e-3,
    sigma: float = 0.005,
) -> Posterior:
    """300 draws around Busbridge's corrected coefficients; `roles` are those of the table's runs."""
    known = law(law_name)
    asked = roles or tuple(role.name for role in known.roles)
    truth = {name: TRUTH[name] for name in known.names}
    return posterior_around(known, truth, table(asked), spread=spread, sigma=sigma)


def with_draws(
    posterior: Posterior, *, token_span: Mapping[str, Any] | None = None, **draws: Any
) -> Posterior:
    """The same posterior with these quantities set (a number, or an array (draw,)); None takes one out."""
    group = posterior.tree["posterior"].to_dataset()
    for name, values in draws.items():
        if values is None:
            group = group.drop_vars(name, errors="ignore")
        else:
            shape = (group.sizes["chain"], group.sizes["draw"])
            group[name] = (("chain", "draw"), np.broadcast_to(values, np.prod(shape)).reshape(shape))
    tree = posterior.tree.copy()
    tree["posterior"] = xr.DataTree(group)
    if token_span is not None:
        tree.attrs["token_span"] = json.dumps(token_span)
    return replace(posterior, tree=tree)


def many_draws(posterior: Posterior, times: int) -> Posterior:
    """The same draws over and over: a posterior of thousands, without sampling."""
    group = xr.concat([posterior.tree["posterior"].to_dataset()] * times, dim="draw")
    group = group.assign_coords(draw=np.arange(group.sizes["draw"]))
    tree = xr.DataTree.from_dict(
        {
            "/posterior": group,
            "/constant_data": posterior.tree["constant_data"].to_dataset(),
        }
    )
    tree.attrs.update(posterior.tree.attrs)
    return replace(posterior, tree=tree)


def drifting(posterior: Posterior, *, seed: int = 0, rho: float = 0.1, misfit: Misfit = MISFIT) -> Posterior:
    """The same posterior with a misfit whose paths wander by `rho` a decade, in the form that `fit` gives it."""
    frame = posterior.table.to_pandas()
    frame["loss"] = supervised_loss(TRUTH, frame["params"], frame["tokens"])
    grids = grids_of(misfit, posterior.law, RunTable.from_pandas(frame).used)
    shape = tuple(posterior.tree["posterior"].sizes[dim] for dim in ("chain", "draw"))
    rng, tree = np.random.default_rng(seed), posterior.tree.copy()
    drawn = beyond(grids, shape=shape, seed=seed)
    sampled = {
        f"steps_{axis}": (("chain", "draw", f"knot_{axis}"), rng.standard_normal((*shape, grid.sampled)))
        for axis, grid in grids.items()
    }
    far = {f"beyond_{a}": (("chain", "draw", f"far_knot_{a}"), steps) for a, steps in drawn.items()}
    tree["unconstrained_posterior"] = xr.DataTree(xr.Dataset(sampled))
    tree["misfit"] = xr.DataTree(xr.Dataset(far))
    records = {axis: grid.to_record() for axis, grid in grids.items()}
    tree.attrs.update(misfit=DRIFT, misfit_grids=json.dumps(records))
    scales = dict.fromkeys([*(f"drift_{axis}" for axis in grids), *edges_of(grids).values()], rho)
    return with_draws(replace(posterior, tree=tree), **scales)


N_DRAWS = CHAINS * DRAWS
