"""Which coefficients the data identify: prior-to-posterior contraction, and a sentence for each that they do not."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.priors import Density, Prior
from bayes_dsl.laws.base import Law
from bayes_dsl.laws.distillation import DISTILLATION

# Beyond this share of its prior's width a coefficient has mostly kept its prior.
MOST_OF_PRIOR = 0.4
# A positive coefficient whose 90 % interval spans more than this factor is no number to quote.
WIDEST_FACTOR = 10.0


def prior_draws(
    law: Law, prior: Prior, center: Mapping[str, float], *, draws: int, seed: int
) -> dict[str, np.ndarray]:
    """The law's parameters under the prior alone, arrays (draws,)."""
    coordinates = coordinates_of(law)
    z = prior_coordinates(law, prior, center, draws=draws, rng=np.random.default_rng((seed, 1)))
    with jax.enable_x64(True):
        where = {name: jnp.full(draws, value) for name, value in center.items()}
        parameters = coordinates.to_parameters({n: jnp.asarray(v) for n, v in z.items()}, where)
        return {name: np.asarray(value) for name, value in parameters.items()}


def prior_coordinates(
    law: Law, prior: Prior, center: Mapping[str, float], *, draws: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """The law's sampled coordinates under the prior alone, arrays (draws,)."""
    coordinates = coordinates_of(law)
    carried = {}
    if prior.joint is not None:
        carried = prior.joint.moved(law, prior.joint.draws(draws, rng), center)
    stand_in = {coordinate: name for name, coordinate in coordinates.replaces if coordinate not in carried}
    with jax.enable_x64(True):
        z = {
            n: jnp.asarray(
                carried[n] if n in carried else density_draws(prior[stand_in.get(n, n)], draws, rng)
            )
            for n in coordinates.names
        }
        where = {name: jnp.full(draws, value) for name, value in center.items()}
        for coordinate, name in stand_in.items():
            # The coordinate is the parameter shifted by other coordinates; at 0 it shows the shift.
            wanted = z[coordinate]
            shift = coordinates.to_parameters({**z, coordinate: jnp.zeros(draws)}, where)[name]
            z[coordinate] = wanted - shift
        return {name: np.asarray(value) for name, value in z.items()}


def density_draws(density: Density, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draws of one density of a prior, (size,)."""
    standard = rng.standard_normal(size) if density.family == "normal" else rng.standard_t(density.df, size)
    return density.loc + density.scale * standard


def unidentified(
    law: Law,
    posterior: Mapping[str, np.ndarray],
    prior: Mapping[str, np.ndarray],
    *,
    carried: bool = False,
) -> tuple[str, ...]:
    """A sentence for every coefficient that the data do not identify, from draws (draw,) of both.

    Under a prior `carried` over from elsewhere such a coefficient may be known well, only not from this table.
    """
    positive = {parameter.name: parameter.support == "positive" for parameter in law.parameters}
    derived_only = ("c_1", "d_1", "s") if law is DISTILLATION else ()
    sentences = []
    for name in prior:
        if name in derived_only:
            continue
        log = positive.get(name, True)
        width, prior_width = _width(posterior[name], log), _width(prior[name], log)
        if width > MOST_OF_PRIOR * prior_width:
            whole = (
                f"{name} is mostly what the carried prior says" if carried else f"{name} is not identified"
            )
            sentences.append(
                f"{whole}: its 90 % interval is {width / prior_width:.0%} as wide as its prior's"
                + (" (in logarithms)" if log else "")
            )
        elif log and width > np.log(WIDEST_FACTOR):
            sentences.append(
                f"{name} is not identified as a number: its 90 % interval spans a factor of {np.exp(width):,.0f}, "
                "traded off against its exponent"
            )
    if derived_only:
        sentences.append(
            "c_1 and d_1 are only derived: the data tell r_0, s and an upper bound of eta = 1 / (c_1 f_1)"
        )
    return tuple(sentences)


def _width(draws: np.ndarray, log: bool) -> float:
    finite = draws[np.isfinite(draws)]
    if log:
        finite = np.log(finite[finite > 0])
    lower, upper = np.quantile(finite, [0.05, 0.95])
    return float(upper - lower)
