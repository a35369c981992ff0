"""Published coefficients as a prior: a joint density about the point that a paper printed, as firm as its errors.

A multivariate Student-t with 4 degrees of freedom in centred coordinates: tails that a table can overrule. Its
standard deviations are

* of a set with printed standard errors (besiroglu): these. Printed are marginal errors; the correlations, without
  which ln A and alpha apart would leave every loss open, are those of the linearised information at runs laid out over
  the span of the authors' (relative noise of one size): Sigma = D R D, D the printed errors of (E, ln A, ln B, alpha,
  beta), R the correlations, carried to the coordinates by their slopes at the printed point.
* of a set without (hoffmann), or with intervals too narrow to be believed (both of Busbridge et al.: A to .3 %, B to
  .4 %, c_1 without width, as an optimiser gives that stops early): `DOUBT` of the default prior's, each coordinate
  apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log

import jax
import jax.numpy as jnp
import numpy as np

from bayes_dsl.inference.carried import CarriedPrior
from bayes_dsl.inference.coordinates import Coordinates, coordinates_of
from bayes_dsl.inference.design import Design, busbridge_study_design, isoflop_design
from bayes_dsl.inference.joint import Joint
from bayes_dsl.inference.observations import center_of
from bayes_dsl.inference.priors import default_prior
from bayes_dsl.inference.simulate import NOISELESS, simulate
from bayes_dsl.laws.published import Published, published

DEGREES_OF_FREEDOM = 4.0
DOUBT = 0.5
"""Standard deviations of a set without believable errors, in those of the default prior.

Where two sets were taken from the same runs (hoffmann, whose fit had not converged, and besiroglu) they stand at most
.3 default standard deviations apart in a coordinate: .6 of this doubt. Half the default is thus a little less than
twice what such a point was once found to be off.
"""

COUNTING = {
    "hoffmann": "total",
    "besiroglu": "total",
    "busbridge_table6": "non_embedding",
    "busbridge_corrected": "non_embedding",
}


def chinchilla_design() -> Design:
    """Runs over the span of the 240 that Besiroglu et al. read off Hoffmann et al.'s Figure 4.

    57e6 to 16e9 parameters, .46 to 341 tokens per parameter, 1.4e18 to 1.3e22 FLOPs (arXiv 2404.10102); evenly in
    logarithms.
    """
    return isoflop_design(
        np.geomspace(1.4e18, 1.3e22, 12).tolist(),
        np.geomspace(5.7e7, 1.6e10, 30).tolist(),
        tokens_per_param=(0.46, 341.0),
    )


def prior_from_published(name: str, *, inflate: float = 1.0) -> CarriedPrior:
    """A published set of coefficients as the prior of a fit.

    Parameters
    ----------
    name : str
        One of `laws.published.names()`: hoffmann, besiroglu, busbridge_table6 or busbridge_corrected. Losses are in
        nats per token.
    inflate : float
        Factor of every standard deviation: above 1 for another corpus, tokenizer or recipe, which shift the
        coefficients by more than their errors.

    Returns
    -------
    CarriedPrior
        For `fit(table, prior=...)`. It cannot recognise the authors' own runs, which are not in this package: do
        not fit those with it.

    Raises
    ------
    UnknownName
        No set has that name.
    InputError
        `inflate` is no finite number above 0.
    """
    known = published(name)
    design = chinchilla_design() if COUNTING[name] == "total" else busbridge_study_design()
    table = simulate(known.law, known.parameters, design, noise=NOISELESS, seed=0)
    center = center_of(table.used)
    coordinates = coordinates_of(known.law)
    with jax.enable_x64(True):
        point = coordinates.from_parameters(_arrays(known.parameters), _arrays(center))
    mean = tuple(float(point[key]) for key in coordinates.names)
    printed = all(estimate.standard_error is not None for estimate in known.estimates)
    if printed:
        covariance = _from_errors(known, coordinates, design, center)
    else:
        covariance = _from_doubt(known, coordinates, float(np.median(table.values("loss"))))
    joint = Joint(
        names=coordinates.names,
        mean=mean,
        covariance=tuple(tuple(row) for row in covariance.tolist()),
        center=tuple(center.items()),
        origin=f"published {name}" + ("" if printed else f" (no usable errors, doubt {DOUBT:g})"),
        family="student_t",
        df=DEGREES_OF_FREEDOM,
    )
    return CarriedPrior(law=known.law, joint=joint, counting=COUNTING[name]).inflated(inflate)


def _from_errors(
    known: Published, coordinates: Coordinates, design: Design, center: Mapping[str, float]
) -> np.ndarray:
    """Covariance of the coordinates from printed errors, and the correlations that the runs give."""
    logs = [estimate.scale == "log" for estimate in known.estimates]
    point = np.array(
        [log(e.value) if is_log else e.value for e, is_log in zip(known.estimates, logs, strict=True)]
    )
    inputs = {
        "N": np.array([run.params for run in design.runs]),
        "D": np.array([run.tokens for run in design.runs]),
    }

    def parameters(values: jax.Array) -> dict[str, jax.Array]:
        return {
            estimate.name: jnp.exp(value) if is_log else value
            for estimate, value, is_log in zip(known.estimates, values, logs, strict=True)
        }

    def losses(values: jax.Array) -> jax.Array:
        return known.law.log_loss("supervised", parameters(values), inputs)

    def coordinate_values(values: jax.Array) -> jax.Array:
        z = coordinates.from_parameters(parameters(values), _arrays(center))
        return jnp.stack([z[name] for name in coordinates.names])

    with jax.enable_x64(True):
        slopes = np.asarray(jax.jacfwd(losses)(jnp.asarray(point)))
        turn = np.asarray(jax.jacfwd(coordinate_values)(jnp.asarray(point)))
    unscaled = np.linalg.inv(slopes.T @ slopes)
    sd = np.sqrt(np.diag(unscaled))
    errors = np.array([estimate.standard_error for estimate in known.estimates], dtype=np.float64)
    covariance: np.ndarray = turn @ (unscaled * np.outer(errors / sd, errors / sd)) @ turn.T
    symmetric: np.ndarray = 0.5 * (covariance + covariance.T)
    return symmetric


def _from_doubt(known: Published, coordinates: Coordinates, typical_loss: float) -> np.ndarray:
    """Covariance of the coordinates where no error is believed: `DOUBT` of the default prior's (its slope: c_0)."""
    stand_in = {coordinate: name for name, coordinate in coordinates.replaces}
    prior = default_prior(known.law, typical_loss=typical_loss)
    scales = [prior[stand_in.get(name, name)].scale for name in coordinates.names]
    covariance: np.ndarray = np.diag((DOUBT * np.array(scales)) ** 2)
    return covariance


def _arrays(numbers: Mapping[str, float]) -> dict[str, jax.Array]:
    return {name: jnp.asarray(value) for name, value in numbers.items()}
