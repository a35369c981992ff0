"""NUTS compiled once ahead of time for a table's shape: one chain a call, the chains spread over the cores.

`numpyro.infer.MCMC.run` traces its program anew at every call, which for tables of this size costs far more than
the sampling. Here NumPyro's own NUTS kernel advances one chain by a block of iterations inside one compiled
function that takes data and state as arguments. Chains are independent calls of that function, each with a key of
its own, so that neither their number at a time nor the number of cores can change a draw.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayes_dsl.cores import workers
from bayes_dsl.inference.compiled import Compiled, compiled_for, pieces, shapes_of, unflatten
from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.mode import Gradients, Mode, find_mode, local_scale
from bayes_dsl.inference.observations import Observations, Structure
from bayes_dsl.inference.settings import BLOCK, Settings

Progress = Callable[[int, int], None]
Sites = dict[str, np.ndarray]
# A level whose rows tell this share of its effect is sampled as the mean of its rows.
LEAST_ANCHORED = 0.9
# A plausible low scale of an effect lies this many standard errors of its logarithm below the middle one.
SCALE_DOUBT = 3.0
# Sites that scale noise or effects: the mode search moves them by their marginal posterior.
SCALE_SITES = ("log_sigma", "log_sd_", "noise_slope", "log_nu_minus_1")


@dataclass(frozen=True, kw_only=True, eq=False)
class Sampled:
    """Draws of one posterior: arrays (chain, draw, ...) by name.

    `sites` are the sampled coordinates, `parameters` everything that follows from them (the law's
    parameters, noise, shared effects), `stats` NUTS' own, `log_likelihood` (chain, draw, run).
    """

    sites: Sites
    parameters: Sites
    stats: Sites
    log_likelihood: np.ndarray
    mode: Mode


def sample(
    observations: Observations, *, settings: Settings, seed: int, progress: Progress | None = None
) -> Sampled:
    """Draw from the posterior of `observations` with NUTS in float64.

    `progress(done, total)` is called as blocks of iterations end. The same seed gives the same bits on one
    machine, however many cores it uses.
    """
    structure = observations.structure
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, observations.data)
        compiled = compiled_for(structure, settings, shapes_of(data))
        mode, data = _start(structure, observations, data, compiled, seed)
        results = _chains(settings, compiled, data, mode, seed, progress)
        positions = np.stack([result["position"] for result in results])
        sites = _split(structure, positions)
        derived, log_likelihood = _derive(compiled, data, positions)
    stats = {
        name: np.stack([result[name] for result in results]) for name in results[0] if name != "position"
    }
    stats["reached_max_tree_depth"] = stats["n_steps"] >= 2**settings.max_tree_depth - 1
    return Sampled(sites=sites, parameters=derived, stats=stats, log_likelihood=log_likelihood, mode=mode)


def _split(structure: Structure, positions: np.ndarray) -> Sites:
    return {name: np.ascontiguousarray(piece) for name, piece in pieces(structure, positions)}


def _start(
    structure: Structure, observations: Observations, data: Any, compiled: Compiled, seed: int
) -> tuple[Mode, Any]:
    """The mode, in coordinates whose shared effects are centred by as much as the table tells about them."""
    names = [name for name, shape in structure.sites for _ in range(int(np.prod(shape)))]
    latent = any(name.startswith("z_") for name in names)
    scales = np.array([latent and name.startswith(SCALE_SITES) for name in names])
    replaced = {coordinate: prior for prior, coordinate in coordinates_of(structure.law).replaces}
    prior = observations.data["prior"]
    start = np.array(
        [0.0 if name.startswith("z_") else prior[replaced.get(name, name)]["loc"] for name in names]
    )
    mode = find_mode(_gradients_of(compiled, data), start, scales=scales, seed=seed)
    if not latent:
        return mode, data
    here, curvature = unflatten(structure, mode.position), unflatten(structure, mode.curvature)
    centring, anchored = dict(data["centring"]), dict(data["anchored"])
    for name, levels in structure.effects:
        if levels:
            told = _told(curvature[f"z_{name}"], levels)
            fixed = told > LEAST_ANCHORED
            centring[name], anchored[name] = jnp.asarray(np.where(fixed, 1.0, told)), jnp.asarray(fixed)
            # An anchored level's z is its mean log loss against the observed one: nearly 0 at the mode.
            scaled = here[f"z_{name}"] * np.exp(here[f"log_sd_{name}"] * told)
            here[f"z_{name}"] = np.where(fixed, 0.0, scaled)
    data = {**data, "centring": centring, "anchored": anchored}
    moved = replace(mode, position=np.concatenate([np.atleast_1d(here[name]) for name, _ in structure.sites]))
    return local_scale(_gradients_of(compiled, data), moved, scales=scales, seed=seed), data


def _told(curvature: np.ndarray, levels: int) -> np.ndarray:
    """Share of each level's effect that its rows tell (0 to 1), at a scale as low as the levels leave plausible.

    Few levels leave the scale of their effect open; centred at its middle value they would make a funnel
    below it.
    """
    precision = np.maximum(curvature - 1.0, 0.0)
    lower = precision * np.exp(-2.0 * SCALE_DOUBT / np.sqrt(2.0 * levels))
    return np.asarray(lower / (1.0 + lower))


def _gradients_of(compiled: Compiled, data: Any) -> Gradients:
    def gradients(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, slopes = compiled.gradients(jnp.asarray(positions), data)
        return np.asarray(values), np.asarray(slopes)

    return gradients


@dataclass(frozen=True, kw_only=True, eq=False)
class _Frame:
    """An origin and a scale: positions are `center + whiten @ z`."""

    center: np.ndarray
    whiten: np.ndarray

    def standard(self, position: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.solve(self.whiten, position - self.center))


def _chains(
    settings: Settings, compiled: Compiled, data: Any, mode: Mode, seed: int, progress: Progress | None
) -> list[Sites]:
    """Draws of every chain: half of the warm-up in the mode's frame, the rest in the frame of what it found."""
    total = settings.chains * (settings.warmup + settings.draws)
    done = 0

    def report() -> None:
        nonlocal done
        done += BLOCK
        if progress is not None:
            progress(done, total)

    half, draws = settings.warmup // 2 // BLOCK, settings.draws // BLOCK
    first = _Frame(center=mode.position, whiten=mode.whiten)
    normals = [
        np.random.default_rng((seed, c)).standard_normal(len(mode.position)) for c in range(settings.chains)
    ]

    def early(chain: int) -> Sites:
        return _chain(compiled, data, first, normals[chain], (seed, chain, 0), half, half, report)

    with ThreadPoolExecutor(max_workers=workers(settings.chains)) as pool:
        found = [result["position"][-BLOCK:] for result in pool.map(early, range(settings.chains))]
        frame = _frame_of(first, np.concatenate(found))

        def late(chain: int) -> Sites:
            z = frame.standard(found[chain][-1])
            return _chain(compiled, data, frame, z, (seed, chain, 1), half + draws, draws, report)

        return list(pool.map(late, range(settings.chains)))


def _chain(
    compiled: Compiled,
    data: Any,
    frame: _Frame,
    z: np.ndarray,
    stream: tuple[int, int, int],
    blocks: int,
    kept: int,
    report: Callable[[], None],
) -> Sites:
    """Run one chain for some blocks of iterations from `z`, and return the last `kept` of them."""
    with jax.enable_x64(True):
        size = len(z)
        position = np.tile(frame.center + frame.whiten @ z, (2 * size + 1, 1))
        values, slopes = compiled.gradients(jnp.asarray(position), data)
        center, whiten = jnp.asarray(frame.center), jnp.asarray(frame.whiten)
        start, turned = jnp.asarray(np.array(stream)), jnp.asarray(np.ascontiguousarray(frame.whiten.T))
        state = compiled.begin(start, jnp.asarray(z), values, slopes, turned, data, (center, whiten))
        results = []
        for block in range(blocks):
            state, draws = compiled.advance(state, data, center, whiten)
            if block >= blocks - kept:
                results.append({name: np.asarray(value) for name, value in draws.items()})
            else:
                jax.block_until_ready(state)
            report()
    return {name: np.concatenate([block[name] for block in results]) for name in results[0]}


def _frame_of(before: _Frame, positions: np.ndarray) -> _Frame:
    """The frame in which positions (draw, size) of all chains have mean 0 and covariance 1.

    Their covariance, in the frame before, is shrunk to its diagonal by as much as so few draws ask for.
    """
    z = np.linalg.solve(before.whiten, (positions - before.center).T)
    size, count = z.shape
    covariance = np.cov(z)
    share = count / (count + 2.0 * size)
    shrunk = share * covariance + (1.0 - share) * np.diag(np.diag(covariance))
    values, vectors = np.linalg.eigh(shrunk)
    root = vectors * np.sqrt(np.maximum(values, 1e-8))
    return _Frame(center=positions.mean(axis=0), whiten=before.whiten @ root)


def _derive(compiled: Compiled, data: Any, positions: np.ndarray) -> tuple[Sites, np.ndarray]:
    per_chain = [compiled.derive(jnp.asarray(chain), data) for chain in positions]
    parameters = {
        name: np.stack([np.asarray(chain[0][name]) for chain in per_chain]) for name in per_chain[0][0]
    }
    return parameters, np.stack([np.asarray(chain[1]) for chain in per_chain])
