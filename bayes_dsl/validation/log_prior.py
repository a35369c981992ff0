"""How probable each draw of a posterior was under its prior, density by density."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.joint import Joint, joint_log_density
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.priors import Density, Prior

Floats = NDArray[np.float64]

CARRIED = "carried"
"""Name of the joint density of what was carried over from elsewhere, among those of single quantities."""


def log_prior(posterior: Posterior, prior: Prior | None = None) -> dict[str, Floats]:
    """ln of each density of `prior` (default: the posterior's own) at the draws, (draw,) by name.

    Of all that bears on the posterior: a density of a noise that its table does not have says nothing, and is left
    out. Shared effects and the misfit's steps follow from their scales, so that theirs are not prior choices and not
    here; hence ratios of two priors are exact, for neither moves with the prior.

    Raises
    ------
    InputError
        The posterior does not hold what was sampled.
    """
    prior = posterior.prior if prior is None else prior
    places = _places(posterior)
    found = {
        density.name: _log_density(density, places[density.name])
        for density in prior.densities
        if density.name in places
    }
    if prior.joint is not None:
        found[CARRIED] = _log_joint(posterior, prior.joint)
    return found


def can_be_reweighed(posterior: Posterior) -> bool:
    """Whether the posterior holds the coordinates that were sampled; every one that `fit` gives does."""
    tree = posterior.tree
    if "unconstrained_posterior" not in tree.children:
        return False
    return set(coordinates_of(posterior.law).names) <= set(tree["unconstrained_posterior"].data_vars)


def flat(posterior: Posterior, group: str, name: str) -> Floats:
    """One quantity of a group, (draw,), chain after chain."""
    return np.asarray(posterior.tree[group][name], dtype=np.float64).ravel()


def _places(posterior: Posterior) -> dict[str, Floats]:
    """Where the draws stand in each density that bears on them, (draw,) by the density's name."""
    if not can_be_reweighed(posterior):
        raise InputError(
            Fault(
                where="posterior",
                what="sampled coordinates",
                value="none",
                rule="another prior weighs the draws by their coordinates, which it does not hold",
                remedy="Fit again: a posterior that was sampled and saved holds them",
            )
        )
    joint = posterior.prior.joint
    carried = () if joint is None else joint.names
    coordinates = coordinates_of(posterior.law)
    stand_in = {coordinate: parameter for parameter, coordinate in coordinates.replaces}
    group = posterior.tree["unconstrained_posterior"]
    names = [str(name) for name, values in group.data_vars.items() if values.ndim == 2]
    return {
        stand_in.get(name, name): flat(
            posterior,
            "posterior" if name in stand_in else "unconstrained_posterior",
            stand_in.get(name, name),
        )
        for name in names
        if name not in carried
    }


def _log_density(density: Density, values: Floats) -> Floats:
    if density.family == "student_t":
        found = stats.t.logpdf(values, density.df, density.loc, density.scale)
    else:
        found = stats.norm.logpdf(values, density.loc, density.scale)
    return np.asarray(found, dtype=np.float64)


def _log_joint(posterior: Posterior, joint: Joint) -> Floats:
    law = posterior.law
    with jax.enable_x64(True):
        numbers = jax.tree.map(jnp.asarray, joint.numbers(law, posterior.center))
        parameters = {name: jnp.asarray(draws) for name, draws in posterior.law_draws().items()}
        found = jax.vmap(lambda p: joint_log_density(law, joint.names, joint.family, numbers, p))(parameters)
        return np.asarray(found, dtype=np.float64)
