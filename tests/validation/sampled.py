"""Posteriors made by hand, with the coordinates that `fit` would have sampled."""

from __future__ import annotations

import json
from dataclasses import replace

import jax
import numpy as np
import xarray as xr

from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.misfit import BARE_LAW, Misfit, with_misfit
from bayes_dsl.inference.posterior import Posterior


def with_coordinates(posterior: Posterior) -> Posterior:
    """The same posterior with its draws as coordinates; the scales of its noise and its misfit scatter by 5 %."""
    shape = tuple(posterior.tree["posterior"].sizes[dim] for dim in ("chain", "draw"))
    rng = np.random.default_rng(5)
    coordinates = coordinates_of(posterior.law)
    with jax.enable_x64(True):
        z = coordinates.from_parameters(posterior.law_draws(), posterior.center)
    found = {name: np.asarray(z[name]).reshape(shape) for name in coordinates.names}
    scales = {"log_sigma": np.log(0.005), "log_nu_minus_1": np.log(4.0)}
    prior, tree = posterior.prior, posterior.tree.copy()
    if posterior.misfit != BARE_LAW:
        prior = with_misfit(prior, Misfit())
        scales |= {d.name: d.loc for d in prior.densities if d.name.startswith("log_drift")}
    found |= {name: at + 0.05 * rng.standard_normal(shape) for name, at in scales.items()}
    group = {name: (("chain", "draw"), array) for name, array in found.items()}
    kept = tree["unconstrained_posterior"].to_dataset() if "unconstrained_posterior" in tree.children else {}
    tree["unconstrained_posterior"] = xr.DataTree(xr.Dataset({**kept, **group}))
    tree.attrs["prior"] = json.dumps(prior.to_records())
    return replace(posterior, tree=tree)
