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
from threading import Lock
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayes_dsl.cores import one_blas_thread, workers
from bayes_dsl.inference.compiled import Compiled, compiled_for, shapes_of, unflatten
from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.mode import Gradients, Mode, find_mode, local_scale
from bayes_dsl.inference.observations import Observations, Structure
from bayes_dsl.inference.settings import BLOCK, Settings
from bayes_dsl.inference.shear import no_shear, shear_at, straightens, to_sampler

Progress = Callable[[int, int], None]
Sites = dict[str, np.ndarray]
# A level whose rows tell this share of its effect is sampled as the mean of its rows.
LEAST_ANCHORED = 0.9
# A plausible low scale of an effect lies this many standard errors of its logarithm below the middle one.
SCALE_DOUBT = 3.0
# A start may lie so many nats a coordinate above the mode's potential; draws lie about half a nat above it.
STEEPEST = 10.0
# Sites of standard normals, which start at 0.
LATENT_SITES = ("z_", "steps_")
# Sites that scale noise, effects or paths: the mode search moves them by their marginal posterior.
SCALE_SITES = ("log_sigma", "log_sd_", "log_drift_", "noise_slope", "log_nu_minus_1")


@dataclass(frozen=True, kw_only=True, eq=False)
class Sampled:
    """Draws of one posterior: arrays (chain, draw, ...) by name.

    `sites` are the sampled coordinates, `parameters` everything that follows from them (the law's
    parameters, noise, shared effects), `stats` NUTS' own, `log_likelihood` (chain, draw, run). `mode` is where
    the search for a start ended, in the sampler's coordinates.
    """

    sites: Sites
    parameters: Sites
    stats: Sites
    log_likelihood: np.ndarray
    mode: Mode


def sample(
    observations: Observations,
    *,
    settings: Settings,
    seed: int,
    progress: Progress | None = None,
    enough: Callable[[Sampled], bool] | None = None,
) -> Sampled:
    """Draw from the posterior of `observations` with NUTS in float64.

    `progress(done, total)` is called as blocks of iterations end. Where `enough` says no of the draws, every
    chain goes on by `settings.draws` more, up to `settings.most_draws`. The same seed gives the same bits on
    one machine, however many cores it uses.
    """
    structure = observations.structure
    with jax.enable_x64(True), one_blas_thread():
        data = dict(observations.data)
        if straightens(structure):
            data["shear"] = no_shear(structure)
        data = jax.tree.map(jnp.asarray, data)
        compiled = compiled_for(structure, settings, shapes_of(data))
        mode, data = _start(structure, observations, data, compiled, seed)
        chains = _Chains(settings=settings, compiled=compiled, data=data, progress=progress)
        chains.warm_up(mode, seed)
        lengths: list[Sampled] = []
        while True:
            lengths.append(_length(settings, compiled, data, chains.draw(), mode))
            sampled = _joined(lengths)
            if enough is None or chains.drawn + settings.draws > settings.most_draws or enough(sampled):
                return sampled


def _length(settings: Settings, compiled: Compiled, data: Any, results: list[Sites], mode: Mode) -> Sampled:
    """One length of draws of every chain, with all that follows from them."""
    positions = np.stack([result["position"] for result in results])
    sites, parameters, log_likelihood = _derive(compiled, data, positions)
    stats = {
        name: np.stack([result[name] for result in results]) for name in results[0] if name != "position"
    }
    stats["reached_max_tree_depth"] = stats["n_steps"] >= 2**settings.max_tree_depth - 1
    return Sampled(
        sites=sites,
        parameters=parameters,
        stats=stats,
        log_likelihood=log_likelihood,
        mode=mode,
    )


def _joined(lengths: list[Sampled]) -> Sampled:
    if len(lengths) == 1:
        return lengths[0]

    def one(groups: list[Sites]) -> Sites:
        return {name: np.concatenate([group[name] for group in groups], axis=1) for name in groups[0]}

    return Sampled(
        sites=one([length.sites for length in lengths]),
        parameters=one([length.parameters for length in lengths]),
        stats=one([length.stats for length in lengths]),
        log_likelihood=np.concatenate([length.log_likelihood for length in lengths], axis=1),
        mode=lengths[0].mode,
    )


def _start(
    structure: Structure, observations: Observations, data: Any, compiled: Compiled, seed: int
) -> tuple[Mode, Any]:
    """The mode in the sampler's coordinates, and the data with the numbers that make these.

    Shared effects are centred by as much as the table tells about them, and the law follows the misfit's paths.
    """
    names = [name for name, shape in structure.sites for _ in range(int(np.prod(shape)))]
    latent = any(name.startswith(LATENT_SITES) for name in names)
    scales = np.array([latent and name.startswith(SCALE_SITES) for name in names])
    replaced = {coordinate: prior for prior, coordinate in coordinates_of(structure.law).replaces}
    known = {name: density["loc"] for name, density in observations.data["prior"].items()}
    known |= {coordinate: known[name] for coordinate, name in replaced.items() if name in known}
    known |= observations.data["carried"]["start"] if "carried" in observations.data else {}
    start = np.array([0.0 if name.startswith(LATENT_SITES) else known[name] for name in names])
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
    position = np.concatenate([np.atleast_1d(here[name]) for name, _ in structure.sites])
    if "shear" in data:
        shear = shear_at(structure, mode.position, mode.whiten)
        data["shear"] = jax.tree.map(jnp.asarray, shear)
        position = np.asarray(to_sampler(structure, jnp.asarray(position), data["shear"]))
    moved = replace(mode, position=position)
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


def nearby_start(gradients: Gradients, mode: Mode, z: np.ndarray) -> np.ndarray:
    """A chain's start in the mode's frame, (size,): `z`, halved until a chain can come back from there.

    Where a posterior is far narrower than the curvature at its mode says, a draw of the normal approximation can lie
    where the loss is no number, or so steep that no step size serves both there and near the mode.
    """
    halved = z * 0.5 ** np.arange(2 * z.size + 1)[:, None]
    values, slopes = gradients(mode.position + halved @ mode.whiten.T)
    fine = np.isfinite(slopes).all(axis=1) & (values - mode.potential <= STEEPEST * z.size)
    return np.asarray(halved[int(np.argmax(fine))] if fine.any() else np.zeros_like(z))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Frame:
    """An origin and a scale: positions are `center + whiten @ z`."""

    center: np.ndarray
    whiten: np.ndarray

    def standard(self, position: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.solve(self.whiten, position - self.center))


class _Chains:
    """All chains of one posterior: half of the warm-up in the mode's frame, the rest in that of what it found."""

    def __init__(
        self, *, settings: Settings, compiled: Compiled, data: Any, progress: Progress | None
    ) -> None:
        self.settings, self.compiled, self.data, self.progress = settings, compiled, data, progress
        self.done, self.drawn, self.counting = 0, 0, Lock()
        self.total = settings.chains * (settings.warmup + settings.draws)
        self.states: list[Any] = []
        self.frame = _Frame(center=np.zeros(0), whiten=np.zeros((0, 0)))

    def warm_up(self, mode: Mode, seed: int) -> None:
        half, count = self.settings.warmup // 2 // BLOCK, self.settings.chains
        first = _Frame(center=mode.position, whiten=mode.whiten)

        def early(chain: int) -> np.ndarray:
            z = np.random.default_rng((seed, chain)).standard_normal(len(mode.position))
            with jax.enable_x64(True):
                z = nearby_start(_gradients_of(self.compiled, self.data), mode, z)
            state = self._started(first, z, (seed, chain, 0))
            return self._advanced(first, state, half)[1]["position"][-BLOCK:]

        with ThreadPoolExecutor(max_workers=workers(count)) as pool:
            found = list(pool.map(early, range(count)))
            self.frame = _frame_of(first, np.concatenate(found))

            def late(chain: int) -> Any:
                z = self.frame.standard(found[chain][-1])
                state = self._started(self.frame, z, (seed, chain, 1))
                return self._advanced(self.frame, state, half)[0]

            self.states = list(pool.map(late, range(count)))

    def draw(self) -> list[Sites]:
        """The next `settings.draws` draws of every chain."""
        blocks = self.settings.draws // BLOCK
        if self.drawn:
            self.total += self.settings.chains * self.settings.draws
        with ThreadPoolExecutor(max_workers=workers(len(self.states))) as pool:
            results = list(pool.map(lambda state: self._advanced(self.frame, state, blocks), self.states))
        self.states = [state for state, _ in results]
        self.drawn += self.settings.draws
        return [draws for _, draws in results]

    def _started(self, frame: _Frame, z: np.ndarray, stream: tuple[int, int, int]) -> Any:
        """The state of one chain that starts at `z` of a frame."""
        with jax.enable_x64(True):
            position = np.tile(frame.center + frame.whiten @ z, (2 * len(z) + 1, 1))
            values, slopes = self.compiled.gradients(jnp.asarray(position), self.data)
            center, whiten = jnp.asarray(frame.center), jnp.asarray(frame.whiten)
            start, turned = jnp.asarray(np.array(stream)), jnp.asarray(np.ascontiguousarray(frame.whiten.T))
            return self.compiled.begin(
                start, jnp.asarray(z), values, slopes, turned, self.data, (center, whiten)
            )

    def _advanced(self, frame: _Frame, state: Any, blocks: int) -> tuple[Any, Sites]:
        """One chain some blocks of iterations later, and these."""
        with jax.enable_x64(True):
            center, whiten = jnp.asarray(frame.center), jnp.asarray(frame.whiten)
            results = []
            for _ in range(blocks):
                state, draws = self.compiled.advance(state, self.data, center, whiten)
                results.append({name: np.asarray(value) for name, value in draws.items()})
                self._report()
        return state, {name: np.concatenate([block[name] for block in results]) for name in results[0]}

    def _report(self) -> None:
        with self.counting:
            self.done += BLOCK
            if self.progress is not None:
                self.progress(self.done, self.total)


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


def _derive(compiled: Compiled, data: Any, positions: np.ndarray) -> tuple[Sites, Sites, np.ndarray]:
    """Sites and parameters by name, and the log-likelihood, at positions (chain, draw, size)."""
    per_chain = [compiled.derive(jnp.asarray(chain), data) for chain in positions]

    def stacked(groups: list[dict[str, Any]]) -> Sites:
        return {name: np.stack([np.asarray(group[name]) for group in groups]) for name in groups[0]}

    sites, parameters, log_likelihood = zip(*per_chain, strict=True)
    return (
        stacked(list(sites)),
        stacked(list(parameters)),
        np.stack([np.asarray(one) for one in log_likelihood]),
    )
