"""The program's density under a misfit is the one written out with SciPy's splines, and goes on beyond the data."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro import handlers
from numpyro.infer.util import log_density
from scipy import stats
from scipy.interpolate import BSpline

from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.misfit import Misfit, expected_log_loss, with_misfit
from bayes_dsl.inference.observations import Observations, observe
from bayes_dsl.inference.paths import paths
from bayes_dsl.inference.priors import Prior, default_prior
from bayes_dsl.inference.program import program
from bayes_dsl.laws.registry import law
from tests.inference.by_hand import (
    Floats,
    log_prior,
    parameters_by_hand,
    plain_rows,
    supervised_loss,
    table_of,
    truth,
)

POINTS = 200
LAWS = ["supervised", "chinchilla"]


def observed(name: str) -> tuple[Observations, Prior]:
    prior = with_misfit(default_prior(law(name), typical_loss=2.5), Misfit(size=0.1, tokens=0.2, level=0.3))
    return observe(table_of(plain_rows(name)), law=law(name), prior=prior, misfit=Misfit()), prior


def points(observations: Observations, prior: Prior, near_by: float = 0.1) -> dict[str, np.ndarray]:
    """Points of positive weight: the law near the published one, everything else from its prior."""
    rng, known = np.random.default_rng(2), observations.structure.law
    with jax.enable_x64(True):
        p = {n: jnp.asarray(v, float) for n, v in truth(known.name).items()}
        near = coordinates_of(known).from_parameters(p, observations.data["center"])
    drawn = {}
    for name, shape in observations.structure.sites:
        normal = rng.standard_normal((POINTS, *shape))
        if name in near:
            drawn[name] = float(near[name]) + near_by * normal
        else:
            drawn[name] = normal if shape else prior[name].loc + prior[name].scale * normal
    return drawn


def walked(steps: np.ndarray, first: int) -> np.ndarray:
    """The walk outwards from knot 0, whose innovations stand in the order of the knots."""
    walk = {0: 0.0}
    for k in range(1, first + len(steps) + 1):
        walk[k] = walk[k - 1] + steps[k - 1 - first]
    for k in range(-1, first - 1, -1):
        walk[k] = walk[k + 1] + steps[k - first]
    return np.array([walk[k] for k in sorted(walk)])


def warped(name: str, axis: str, z: Floats, log_values: np.ndarray, sign: float = 1.0) -> np.ndarray:
    """One axis warped at one point: origin, unit and knots worked out from the rows."""
    N, D, L = (np.log([row[n] for row in plain_rows(name)]) for n in ("params", "tokens", "loss"))
    values = {"N": N, "D": D, "L": L}[axis]
    origin, unit, spare = values.mean(), np.log(10), 0
    if axis == "L":
        Z = (N + D) / np.log(10)
        mean = np.ptp(L) / np.ptp(Z)
        last = L[Z.max() - 1 >= Z].min() - L.min()
        unit, spare = -min(max(last, mean / 4), mean), 1
    t = (values - origin) / unit
    step = max(0.25, np.ptp(t) / 10)
    first = round(t.min() / step) - 1 - spare
    scale = np.full(len(z[f"steps_{axis}"]), np.exp(z[f"log_drift_{axis}"]))
    if axis == "L":
        # Knots below the best loss of the data.
        ends = np.array([k for k in range(first, first + len(scale) + 1) if k])
        past = ends * step > (L.min() - origin) / unit
        scale = np.hypot(scale, np.exp(z["log_drift_edge"]) * past)
    log_c = np.sqrt(step) * walked(sign * scale * z[f"steps_{axis}"], first)
    knots = np.arange(first - 1.5, first + len(log_c) + 1.0) * step
    slope = BSpline(knots, np.exp(log_c), 2)
    path, t = slope.antiderivative(), (log_values - origin) / unit
    # Beyond the sampled knots a path goes on straight.
    inside = np.clip(t, (first + 0.5) * step, (first + len(log_c) - 1.5) * step)
    return np.asarray(origin + unit * (path(inside) - path(0.0) + (t - inside) * slope(inside)))


def by_hand(name: str, z: Floats, center: Floats, prior: Prior, sign: float = 1.0) -> float:
    p = parameters_by_hand({n: v for n, v in z.items() if np.ndim(v) == 0}, center)
    N, D, L = (np.array([row[n] for row in plain_rows(name)]) for n in ("params", "tokens", "loss"))
    size, tokens = np.exp(warped(name, "N", z, np.log(N), sign)), np.exp(warped(name, "D", z, np.log(D)))
    mean = warped(name, "L", z, np.log(supervised_loss(p, size, tokens)))
    scalars = {n: v for n, v in z.items() if np.ndim(v) == 0}
    total = log_prior(prior, scalars) + sum(stats.norm.logpdf(v).sum() for v in z.values() if np.ndim(v))
    nu, sigma = 1 + np.exp(z["log_nu_minus_1"]), np.exp(z["log_sigma"])
    return float(total + stats.t.logpdf(np.log(L), nu, mean, sigma).sum())


@pytest.mark.parametrize("name", LAWS)
def test_the_density_is_the_one_by_hand(name: str) -> None:
    observations, prior = observed(name)
    z = points(observations, prior)
    structure, center = observations.structure, observations.data["center"]
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, observations.data)
        density = jax.jit(jax.vmap(lambda z: log_density(program, (structure, data), {}, z)[0]))
        found = np.asarray(density({n: jnp.asarray(v) for n, v in z.items()}))
    each = [{n: v[i] for n, v in z.items()} for i in range(POINTS)]
    wanted = np.array([by_hand(name, one, center, prior) for one in each])
    np.testing.assert_allclose(found, wanted, rtol=1e-10)
    # Negative control: innovations of the other sign.
    mistaken = np.array([by_hand(name, one, center, prior, sign=-1.0) for one in each])
    assert np.median(np.abs(mistaken / wanted - 1)) > 1e-4


def test_the_sites_are_those_that_the_structure_names_and_the_bare_law_has_none_of_them() -> None:
    name = "supervised"
    observations, _ = observed(name)
    names = [name for name, _ in observations.structure.sites]
    assert [n for n in names if "drift" in n] == [f"log_drift_{one}" for one in ("N", "D", "L", "edge")]
    assert [n for n in names if n.startswith("steps_")] == ["steps_N", "steps_D", "steps_L"]
    bare = observe(
        table_of(plain_rows(name)), law=law(name), prior=default_prior(law(name), typical_loss=2.5)
    )
    assert not bare.structure.drifts and "drift" not in bare.data and not bare.grids


@pytest.mark.parametrize("name", LAWS)
def test_whole_paths_say_of_the_runs_what_the_program_said(name: str) -> None:
    """Beyond the data they go on; over the data they are the sampled ones."""
    observations, prior = observed(name)
    z = points(observations, prior, near_by=0.003)
    structure, grids, rng = observations.structure, observations.grids, np.random.default_rng(0)
    each: dict[str, Any] = {}
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, observations.data)
        drift = paths(
            grids,
            rho={axis: np.exp(z[f"log_drift_{axis}"]) for axis in grids},
            edge={"L": np.exp(z["log_drift_edge"])},
            sampled={axis: z[f"steps_{axis}"] for axis in grids},
            drawn={a: rng.standard_normal((POINTS, g.below + g.above)) for a, g in grids.items()},
        )
        at = jax.tree.map(lambda array: array[:, None] if array.ndim else array, drift)
        maps = coordinates_of(structure.law)
        coordinates = {n: jnp.asarray(z[n])[:, None] for n in maps.names}
        parameters = maps.to_parameters(coordinates, data["center"])
        each["forecast"] = expected_log_loss(
            structure.law, "supervised", parameters, data["inputs"]["supervised"], at
        )
        unwarped = at._replace(L=lambda log_loss: log_loss)
        law_alone = expected_log_loss(
            structure.law, "supervised", parameters, data["inputs"]["supervised"], unwarped
        )
        from_program = jax.jit(jax.vmap(lambda z: _mean_of_program(structure, data, z)))
        each["program"] = from_program({n: jnp.asarray(v) for n, v in z.items()})
    low, high = (grids["L"].origin + grids["L"].unit * t for t in (grids["L"].high, grids["L"].low))
    pace = abs(grids["L"].unit) * grids["L"].step
    # Where the law's own loss is among the sampled knots.
    mean, law_loss = np.asarray(each["program"]), np.asarray(law_alone)
    inside = np.all((law_loss > low - 0.5 * pace) & (law_loss < high + 0.5 * pace), axis=1)
    assert inside.mean() > 0.2
    np.testing.assert_allclose(np.asarray(each["forecast"])[inside], mean[inside], rtol=1e-12)


def _mean_of_program(structure: Any, data: Any, z: dict[str, jax.Array]) -> jax.Array:
    trace = handlers.trace(handlers.substitute(program, data=z)).get_trace(structure, data)
    mean: jax.Array = trace["log_loss"]["fn"].loc
    return mean
