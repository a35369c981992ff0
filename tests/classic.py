"""Classic posteriors for the sampler, each with moments that are exact or computed by quadrature.

A `Classic` stands in for a law's `Structure`: the sampler asks it for its sites only. Models are NumPyro programs whose
sampled sites lie on the real line and whose data have the site `log_loss`, as the package's own program has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from scipy import stats
from scipy.special import betaln, expit

from bayes_dsl.inference.observations import Observations
from bayes_dsl.laws.base import Law
from bayes_dsl.laws.supervised import CHINCHILLA

Grid = Mapping[str, np.ndarray]
Moments = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Classic:
    """What the sampler asks of a structure, and the model; hashable by its name."""

    name: str
    sites: tuple[tuple[str, tuple[int, ...]], ...]
    model: Callable[[Any, Mapping[str, Any]], None] = field(compare=False)
    exact: Callable[[], Moments] = field(compare=False)
    effects: tuple[()] = ()
    drifts: tuple[()] = ()
    law: Law = CHINCHILLA

    @property
    def size(self) -> int:
        return sum(int(np.prod(shape)) for _, shape in self.sites)

    def observations(self) -> Observations:
        priors = {
            name: {"loc": np.zeros(()), "scale": np.ones(()), "df": np.ones(())} for name, _ in self.sites
        }
        data = {"prior": priors, "centring": {}, "anchored": {}}
        return Observations(
            structure=self,  # type: ignore[arg-type]
            data=data,
            order=np.arange(0),
            levels={},
            notes=(),
            grids={},
        )


def quadrature(
    log_density: Callable[[Grid], np.ndarray],
    box: Mapping[str, tuple[float, float]],
    *,
    points: int,
    more: Callable[[Grid], Mapping[str, tuple[np.ndarray, np.ndarray]]] = lambda grid: {},
) -> Moments:
    """Mean and mean square of every coordinate of a density on a box, and of what `more` gives for the grid.

    `log_density` takes open grids by name and broadcasts; the density must have vanished at the box's faces.
    """
    axes = [np.linspace(low, high, points) for low, high in box.values()]
    grid = dict(zip(box, np.meshgrid(*axes, indexing="ij", sparse=True), strict=True))
    value = log_density(grid)
    weight = np.exp(value - value.max())
    for axis in range(len(axes)):
        assert max(weight.take(0, axis).max(), weight.take(-1, axis).max()) < 1e-6, "the box is too small"
    weight /= weight.sum()
    plain = {name: (values, values**2) for name, values in grid.items()}
    return {
        name: (float((weight * first).sum()), float((weight * second).sum()))
        for name, (first, second) in (plain | dict(more(grid))).items()
    }


def _normal(name: str, scale: float = 1.0) -> Any:
    return numpyro.sample(name, dist.Normal(0.0, scale))


# Correlated Gaussian: ten coordinates, neighbours at .95, scales over a factor of a hundred.
SIZE = 10
SCALES = np.geomspace(0.1, 10.0, SIZE)
COVARIANCE = np.outer(SCALES, SCALES) * 0.95 ** np.abs(np.subtract.outer(np.arange(SIZE), np.arange(SIZE)))
CENTER = np.linspace(-1.0, 1.0, SIZE) * SCALES


def _gaussian(_: Any, data: Any) -> None:
    x = jnp.stack(
        [numpyro.sample(f"x{i}", dist.ImproperUniform(dist.constraints.real, (), ())) for i in range(SIZE)]
    )
    numpyro.sample("log_loss", dist.MultivariateNormal(x, COVARIANCE), obs=jnp.asarray(CENTER))


def _gaussian_moments() -> Moments:
    return {f"x{i}": (m, m**2 + v) for i, (m, v) in enumerate(zip(CENTER, np.diag(COVARIANCE), strict=True))}


# A normal sample of six: mean and logarithm of the standard deviation.
SAMPLE = np.array([1.2, -0.4, 0.7, 2.9, 0.1, 1.5])


def _sample(_: Any, data: Any) -> None:
    mean, log_sigma = _normal("mean", 10.0), _normal("log_sigma")
    numpyro.sample("log_loss", dist.Normal(mean, jnp.exp(log_sigma)), obs=jnp.asarray(SAMPLE))


def _sample_moments() -> Moments:
    def density(g: Grid) -> np.ndarray:
        each = stats.norm.logpdf(SAMPLE, g["mean"][..., None], np.exp(g["log_sigma"])[..., None]).sum(-1)
        return each + stats.norm.logpdf(g["mean"], 0, 10) + stats.norm.logpdf(g["log_sigma"])

    return quadrature(density, {"mean": (-8.0, 10.0), "log_sigma": (-2.5, 2.7)}, points=500)


# Eight schools (Rubin 1981), effects not centred.
EFFECT = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERROR = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


def _schools(_: Any, data: Any) -> None:
    mean, log_sd = _normal("mean", 5.0), _normal("log_sd_school", 1.0)
    with numpyro.plate("school", 8):
        z = numpyro.sample("z_school", dist.Normal(0.0, 1.0))
    effects = numpyro.deterministic("effects", mean + 5.0 * jnp.exp(log_sd) * z)
    numpyro.deterministic("first", effects[0])
    numpyro.sample("log_loss", dist.Normal(effects, jnp.asarray(ERROR)), obs=jnp.asarray(EFFECT))


def _schools_moments() -> Moments:
    def density(g: Grid) -> np.ndarray:
        scale = np.sqrt(ERROR**2 + 25.0 * np.exp(2 * g["log_sd_school"])[..., None])
        each = stats.norm.logpdf(EFFECT, g["mean"][..., None], scale).sum(-1)
        return each + stats.norm.logpdf(g["mean"], 0, 5) + stats.norm.logpdf(g["log_sd_school"])

    def first(g: Grid) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
        precision, between = ERROR[0] ** -2, np.exp(-2 * g["log_sd_school"]) / 25.0
        mean = (EFFECT[0] * precision + g["mean"] * between) / (precision + between)
        return {"first": (mean, mean**2 + 1 / (precision + between))}

    return quadrature(density, {"mean": (-24.0, 30.0), "log_sd_school": (-6.0, 4.0)}, points=500, more=first)


# Logistic and Poisson regressions: an intercept and a slope.
DOSE = np.linspace(-2.0, 2.0, 12)
DIED = np.array([0, 0, 0, 1, 0, 0, 1, 1, 0, 1, 1, 1])
COUNTED = np.array([0, 1, 0, 0, 2, 1, 3, 2, 5, 4, 7, 9])


def _logistic(_: Any, data: Any) -> None:
    logits = _normal("intercept", 2.5) + _normal("slope", 2.5) * jnp.asarray(DOSE)
    numpyro.sample("log_loss", dist.Bernoulli(logits=logits), obs=jnp.asarray(DIED))


def _poisson(_: Any, data: Any) -> None:
    log_rate = _normal("intercept", 2.5) + _normal("slope", 2.5) * jnp.asarray(DOSE)
    numpyro.sample("log_loss", dist.Poisson(jnp.exp(log_rate)), obs=jnp.asarray(COUNTED))


def _regression(log_likelihood: Callable[[np.ndarray], np.ndarray], box: Mapping[str, Any]) -> Moments:
    def density(g: Grid) -> np.ndarray:
        linear = g["intercept"][..., None] + g["slope"][..., None] * DOSE
        prior = stats.norm.logpdf(g["intercept"], 0, 2.5) + stats.norm.logpdf(g["slope"], 0, 2.5)
        return log_likelihood(linear).sum(-1) + prior

    return quadrature(density, box, points=500)


def _logistic_moments() -> Moments:
    box = {"intercept": (-6.0, 6.0), "slope": (-2.0, 12.0)}
    return _regression(lambda linear: stats.bernoulli.logpmf(DIED, expit(linear)), box)


def _poisson_moments() -> Moments:
    box = {"intercept": (-2.5, 2.5), "slope": (-0.5, 3.0)}
    return _regression(lambda linear: stats.poisson.logpmf(COUNTED, np.exp(linear)), box)


# A line under Student-t noise of 4 degrees of freedom, one point far off.
LINE = 0.5 + 0.8 * DOSE + 0.2 * np.array([1.0, -1, 0.3, 0.6, -0.4, 12.0, -0.8, 0.2, 0.9, -1.1, 0.1, 0.5])


def _robust(_: Any, data: Any) -> None:
    line = _normal("intercept", 2.5) + _normal("slope", 2.5) * jnp.asarray(DOSE)
    scale = jnp.exp(_normal("log_sigma"))
    numpyro.sample("log_loss", dist.StudentT(4.0, line, scale), obs=jnp.asarray(LINE))


def _robust_moments() -> Moments:
    def density(g: Grid) -> np.ndarray:
        line = g["intercept"][..., None] + g["slope"][..., None] * DOSE
        each = stats.t.logpdf(LINE, 4.0, line, np.exp(g["log_sigma"])[..., None]).sum(-1)
        prior = stats.norm.logpdf(g["intercept"], 0, 2.5) + stats.norm.logpdf(g["slope"], 0, 2.5)
        return each + prior + stats.norm.logpdf(g["log_sigma"])

    box = {"intercept": (-0.6, 1.8), "slope": (-0.2, 1.8), "log_sigma": (-4.0, 1.5)}
    return quadrature(density, box, points=72)


# A Gaussian process on nine places: logarithms of amplitude, length and noise.
PLACES = np.linspace(-1.0, 1.0, 9)
HEIGHTS = np.sin(2.5 * PLACES) + 0.15 * np.array([1, -1, 0.5, -0.3, 0.8, -0.9, 0.2, 1.1, -0.6])
APART = np.subtract.outer(PLACES, PLACES) ** 2


def _process(_: Any, data: Any) -> None:
    amplitude, length, noise = (jnp.exp(_normal(f"log_{what}")) for what in ("amplitude", "length", "noise"))
    covariance = amplitude**2 * jnp.exp(-0.5 * APART / length**2) + noise**2 * jnp.eye(len(PLACES))
    numpyro.sample(
        "log_loss", dist.MultivariateNormal(jnp.zeros(len(PLACES)), covariance), obs=jnp.asarray(HEIGHTS)
    )


def _process_moments() -> Moments:
    def density(g: Grid) -> np.ndarray:
        amplitude, length, noise = (
            np.exp(g[f"log_{what}"])[..., None, None] for what in ("amplitude", "length", "noise")
        )
        covariance = amplitude**2 * np.exp(-0.5 * APART / length**2) + noise**2 * np.eye(len(PLACES))
        _, log_det = np.linalg.slogdet(covariance)
        quadratic = np.linalg.solve(covariance, HEIGHTS[:, None])[..., 0] @ HEIGHTS
        return -0.5 * (log_det + quadratic) + sum(stats.norm.logpdf(values) for values in g.values())

    box = dict.fromkeys(("log_amplitude", "log_length", "log_noise"), (-5.6, 5.6))
    return quadrature(density, box, points=72)


# An autoregression of order two, given its first two values.
SERIES = np.array(
    [0.3, -0.2, 0.5, 0.9, 0.4, -0.3, -0.9, -1.1, -0.2, 0.7, 1.2, 1.0, 0.1, -0.8, -1.3, -0.5, 0.2, 0.6, 1.1]
)
LAGS = np.stack([SERIES[1:-1], SERIES[:-2]], axis=1)


def _autoregression(_: Any, data: Any) -> None:
    mean = jnp.asarray(LAGS) @ jnp.stack([_normal("phi_1"), _normal("phi_2")])
    numpyro.sample("log_loss", dist.Normal(mean, jnp.exp(_normal("log_sigma"))), obs=jnp.asarray(SERIES[2:]))


def _autoregression_moments() -> Moments:
    def density(g: Grid) -> np.ndarray:
        mean = g["phi_1"][..., None] * LAGS[:, 0] + g["phi_2"][..., None] * LAGS[:, 1]
        each = stats.norm.logpdf(SERIES[2:], mean, np.exp(g["log_sigma"])[..., None]).sum(-1)
        return each + sum(stats.norm.logpdf(values) for values in g.values())

    box = {"phi_1": (-0.4, 2.6), "phi_2": (-2.4, 0.8), "log_sigma": (-2.4, 1.0)}
    return quadrature(density, box, points=72)


# Rats with tumours (a part of Tarone 1982): rates from one beta distribution, integrated out.
TUMOURS = np.array([0, 0, 1, 2, 2, 3, 4, 5, 9, 10])
RATS = np.array([20, 18, 19, 20, 25, 20, 20, 19, 24, 48])


def _rats(_: Any, data: Any) -> None:
    rate, size = 1.0 / (1.0 + jnp.exp(-_normal("logit_rate", 1.5))), jnp.exp(2.0 + _normal("log_size"))
    numpyro.sample(
        "log_loss",
        dist.BetaBinomial(rate * size, (1 - rate) * size, jnp.asarray(RATS)),
        obs=jnp.asarray(TUMOURS),
    )


def _rats_moments() -> Moments:
    def density(g: Grid) -> np.ndarray:
        rate, size = expit(g["logit_rate"])[..., None], np.exp(2.0 + g["log_size"])[..., None]
        a, b = rate * size, (1 - rate) * size
        each = (betaln(TUMOURS + a, RATS - TUMOURS + b) - betaln(a, b)).sum(-1)
        return each + stats.norm.logpdf(g["logit_rate"], 0, 1.5) + stats.norm.logpdf(g["log_size"])

    return quadrature(density, {"logit_rate": (-4.5, 1.5), "log_size": (-4.0, 5.5)}, points=400)


def _scalars(*names: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple((name, ()) for name in names)


CLASSICS = (
    Classic("correlated-gaussian", _scalars(*(f"x{i}" for i in range(SIZE))), _gaussian, _gaussian_moments),
    Classic("normal-sample", _scalars("mean", "log_sigma"), _sample, _sample_moments),
    Classic(
        "eight-schools", (*_scalars("mean", "log_sd_school"), ("z_school", (8,))), _schools, _schools_moments
    ),
    Classic("logistic-regression", _scalars("intercept", "slope"), _logistic, _logistic_moments),
    Classic("poisson-regression", _scalars("intercept", "slope"), _poisson, _poisson_moments),
    Classic("robust-regression", _scalars("intercept", "slope", "log_sigma"), _robust, _robust_moments),
    Classic(
        "gaussian-process", _scalars("log_amplitude", "log_length", "log_noise"), _process, _process_moments
    ),
    Classic(
        "autoregression", _scalars("phi_1", "phi_2", "log_sigma"), _autoregression, _autoregression_moments
    ),
    Classic("rats", _scalars("logit_rate", "log_size"), _rats, _rats_moments),
)
