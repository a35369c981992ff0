"""The NumPyro program: law, prior and noise as one joint density of the coordinates and the observed losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist

from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.joint import joint_log_density
from bayes_dsl.inference.misfit import expected_log_loss
from bayes_dsl.inference.noise import token_scale, total_scale
from bayes_dsl.inference.observations import Structure
from bayes_dsl.inference.paths import Drift, at_runs, edges_of

Tree = Mapping[str, Any]


def program(structure: Structure, data: Tree) -> None:
    """ln(loss) of every run, given the law, its prior and the noise.

    `structure` is static (what is sampled), `data` a tree of arrays (`observations.py`), so that tables of
    one shape share one compiled sampler. All sampled sites live on the real line; the law's parameters are
    deterministic sites under the law's names.
    """
    parameters = _law(structure, data)
    log_law = _log_mean(structure, data, parameters)
    sigma = _scales(structure, data)
    log_mean, unshared = log_law, jnp.zeros(structure.n_runs)
    for name, levels in structure.effects:
        sd = numpyro.deterministic(f"sd_{name}", jnp.exp(_sample(structure, data, f"log_sd_{name}")))
        effect = data["effects"][name]
        unshared = unshared + jnp.where(effect["alone"], sd**2, 0.0)
        if levels:
            shared = _shared_effect(data, name, levels, sd, log_law)
            log_mean = log_mean + jnp.where(effect["shared"], _of_rows(effect, shared), 0.0)
    nu = numpyro.deterministic("nu", 1.0 + jnp.exp(_sample(structure, data, "log_nu_minus_1")))
    with numpyro.plate("run", structure.n_runs):
        scale = total_scale(sigma, data["relative_se"], unshared)
        numpyro.sample("log_loss", dist.StudentT(nu, log_mean, scale), obs=data["log_loss"])


def _shared_effect(data: Tree, name: str, levels: int, sd: jax.Array, log_law: jax.Array) -> jax.Array:
    """Effects N(0, sd) of the levels, each sampled between non-centred (centring 0) and centred (1).

    Where its rows fix a level's mean log loss closely (`anchored`), that mean is sampled in place of its
    deviation from the law: it stays where it is while the law's parameters move.
    """
    effect, centring = data["effects"][name], data["centring"][name]
    weight = jnp.where(effect["shared"], 1.0 / effect["rows"], 0.0)
    above = _of_levels(effect, levels, weight * (log_law - data["log_loss"]))
    above = jnp.where(data["anchored"][name], above, 0.0)
    with numpyro.plate(name, levels):
        z = numpyro.sample(f"z_{name}", dist.Normal(above, sd**centring))
        shared: jax.Array = numpyro.deterministic(f"effect_{name}", sd ** (1.0 - centring) * (z - above))
    return shared


def _of_rows(effect: Tree, of_levels: jax.Array) -> jax.Array:
    """The value of each row's level, (run,)."""
    found: jax.Array = of_levels @ effect["member"] if "member" in effect else of_levels[effect["level"]]
    return found


def _of_levels(effect: Tree, levels: int, of_rows: jax.Array) -> jax.Array:
    """The sum over each level's rows, (level,)."""
    if "member" in effect:
        found: jax.Array = effect["member"] @ of_rows
        return found
    return jnp.zeros(levels).at[effect["level"]].add(of_rows)


def _density(structure: Structure, data: Tree, name: str) -> dist.Distribution:
    """The one map from a prior's density to NumPyro."""
    loc, scale, df = data["prior"][name]["loc"], data["prior"][name]["scale"], data["prior"][name]["df"]
    if structure.families[structure.prior_names.index(name)] == "student_t":
        return dist.StudentT(df, loc, scale)
    return dist.Normal(loc, scale)


def _sample(structure: Structure, data: Tree, name: str) -> jax.Array:
    value: jax.Array = numpyro.sample(name, _density(structure, data, name))
    return value


def _law(structure: Structure, data: Tree) -> dict[str, jax.Array]:
    coordinates = coordinates_of(structure.law)
    stand_in = {coordinate: prior for prior, coordinate in coordinates.replaces}
    carried, family = structure.carried
    z = {}
    for name in coordinates.names:
        if name in stand_in or name in carried:
            z[name] = numpyro.sample(name, dist.ImproperUniform(dist.constraints.real, (), ()))
        else:
            z[name] = _sample(structure, data, name)
    parameters = coordinates.to_parameters(z, data["center"])
    for coordinate, prior in stand_in.items():
        if coordinate in carried:
            continue
        # The coordinate is this parameter shifted by other coordinates: no Jacobian.
        log_density = _density(structure, data, prior).log_prob(parameters[prior])
        numpyro.factor(f"prior_{prior}", log_density)
    if carried:
        log_density = joint_log_density(structure.law, carried, family, data["carried"], parameters)
        numpyro.factor("prior_carried", log_density)
    for name, value in parameters.items():
        numpyro.deterministic(name, value)
    return parameters


def _log_mean(structure: Structure, data: Tree, parameters: Mapping[str, jax.Array]) -> jax.Array:
    """ln(expected loss) of the runs, role after role."""
    parts = []
    drifts = _drifts(structure, data) if structure.drifts else {}
    for role in structure.roles:
        inputs = dict(data["inputs"][role])
        if role == "distilled" and structure.blurred_teachers:
            with numpyro.plate("blurred_teacher", structure.blurred_teachers):
                z = numpyro.sample("z_teacher_loss", dist.Normal(0.0, 1.0))
            blur = data["teacher_blur"]
            inputs["L_T"] = inputs["L_T"] * jnp.exp(blur["relative_se"] * _of_rows(blur, z))
        parts.append(expected_log_loss(structure.law, role, parameters, inputs, drifts.get(role)))
    return jnp.concatenate(parts)


def _drifts(structure: Structure, data: Tree) -> dict[str, Drift]:
    """The paths of the misfit over the runs of each role: a scale and innovations for each axis."""
    rho, steps = {}, {}
    for axis, count in structure.drifts:
        rho[axis] = numpyro.deterministic(
            f"drift_{axis}", jnp.exp(_sample(structure, data, f"log_drift_{axis}"))
        )
        with numpyro.plate(f"knot_{axis}", count):
            steps[axis] = numpyro.sample(f"steps_{axis}", dist.Normal(0.0, 1.0))
    edges = edges_of(rho)
    sampled = {
        name: numpyro.deterministic(name, jnp.exp(_sample(structure, data, f"log_{name}")))
        for name in dict.fromkeys(edges.values())
    }
    edge = {axis: sampled[name] for axis, name in edges.items()}
    return at_runs(data["drift"], rho=rho, edge=edge, steps=steps, roles=structure.roles)


def _scales(structure: Structure, data: Tree) -> jax.Array:
    """Relative scatter of the runs, role after role."""
    parts = []
    for role in structure.roles:
        suffix = "" if role == "supervised" else f"_{role}"
        sigma = numpyro.deterministic(
            f"sigma{suffix}", jnp.exp(_sample(structure, data, f"log_sigma{suffix}"))
        )
        log_tokens = data["log_tokens"][role]
        if role in structure.sloped:
            slope = _sample(structure, data, f"noise_slope{suffix}")
            parts.append(token_scale(sigma, slope, log_tokens, data["token_span"][role]))
        else:
            parts.append(jnp.broadcast_to(sigma, log_tokens.shape))
    return jnp.concatenate(parts)
