"""NUTS compiled once ahead of time for a table's shape: one chain a call, the chains spread over the cores.

`numpyro.infer.MCMC.run` traces its program anew at every call, which for tables of this size costs far more than
the sampling. Here NumPyro's own NUTS kernel advances one chain by a block of iterations inside one compiled
function that takes data and state as arguments. Chains are independent calls of that function, each with a key of
its own, so that neither their number at a time nor the number of cores can change a draw.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import handlers
from numpyro.infer.hmc import hmc
from numpyro.infer.util import ParamInfo, log_density

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.mode import Gradients, Mode, find_mode, local_scale
from bayes_dsl.inference.observations import Observations, Structure
from bayes_dsl.inference.program import program

BLOCK = 250
# A level whose rows tell this share of its effect is sampled as the mean of its rows.
LEAST_ANCHORED = 0.9
# Sites that scale noise or effects: the mode search moves them by their marginal posterior.
SCALE_SITES = ("log_sigma", "log_sd_", "noise_slope", "log_nu_minus_1")
Progress = Callable[[int, int], None]
Sites = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a posterior is sampled; warm-up in halves, in blocks of 250 iterations."""

    chains: int = 4
    warmup: int = 1000
    draws: int = 1000
    target_accept: float = 0.95
    max_tree_depth: int = 10

    def __post_init__(self) -> None:
        rules = {
            "chains": (self.chains >= 2, "R-hat compares chains, so at least 2 are needed"),
            "warmup": (
                self.warmup >= 2 * BLOCK and self.warmup % (2 * BLOCK) == 0,
                f"a multiple of {2 * BLOCK}",
            ),
            "draws": (self.draws >= BLOCK and self.draws % BLOCK == 0, f"a multiple of {BLOCK}"),
            "target_accept": (0.0 < self.target_accept < 1.0, "a probability between 0 and 1"),
            "max_tree_depth": (1 <= self.max_tree_depth <= 15, "between 1 and 15"),
        }
        faults = [
            Fault(
                where="Settings",
                what=name,
                value=str(getattr(self, name)),
                rule=f"must be {rule}" if "so" not in rule else rule,
                remedy=f"The default is {self.__dataclass_fields__[name].default}",
            )
            for name, (kept, rule) in rules.items()
            if not kept
        ]
        if faults:
            raise InputError(faults)


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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Compiled:
    gradients: Callable[..., Any]
    begin: Callable[..., Any]
    advance: Callable[..., Any]
    derive: Callable[..., Any]


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
        compiled = _compile(structure, settings, _shapes(data))
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


def unflatten(structure: Structure, flat: Any) -> dict[str, Any]:
    """Sites by name from flat vectors (..., size)."""
    return dict(_pieces(structure, flat))


def _pieces(structure: Structure, flat: Any) -> Iterator[tuple[str, Any]]:
    begin = 0
    for name, shape in structure.sites:
        size = int(np.prod(shape))
        yield name, flat[..., begin] if shape == () else flat[..., begin : begin + size]
        begin += size


def _split(structure: Structure, positions: np.ndarray) -> Sites:
    return {name: np.ascontiguousarray(piece) for name, piece in _pieces(structure, positions)}


def _shapes(data: Any) -> Any:
    leaves, tree = jax.tree.flatten(data)
    return tree, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)


@lru_cache(maxsize=16)
def _compile(structure: Structure, settings: Settings, shapes: Any) -> _Compiled:
    """Trace and compile everything for one shape of table, the slow part beside the rest."""
    tree, leaves = shapes
    data = jax.tree.unflatten(tree, [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in leaves])
    size = structure.size
    vector = jax.ShapeDtypeStruct((size,), np.float64)
    matrix = jax.ShapeDtypeStruct((size, size), np.float64)
    scalar = jax.ShapeDtypeStruct((), np.float64)
    key = jax.eval_shape(lambda: jax.random.PRNGKey(0))

    def potential(position: jax.Array, data: Any) -> jax.Array:
        return -log_density(program, (structure, data), {}, unflatten(structure, position))[0]

    def gradients(positions: jax.Array, data: Any) -> Any:
        return jax.lax.map(lambda position: jax.value_and_grad(potential)(position, data), positions)

    def whitened(data: Any, center: jax.Array, whiten: jax.Array) -> Any:
        return lambda z: potential(center + whiten @ z, data)

    start_kernel, kernel = hmc(potential_fn_gen=whitened, algo="NUTS")

    def begin(key: jax.Array, z: Any, value: Any, slope: Any, data: Any, center: Any, whiten: Any) -> Any:
        return start_kernel(
            ParamInfo(z, value, slope),
            settings.warmup // 2,
            step_size=0.5,
            target_accept_prob=settings.target_accept,
            max_tree_depth=settings.max_tree_depth,
            model_args=(data, center, whiten),
            rng_key=key,
        )

    def advance(state: Any, data: Any, center: Any, whiten: Any) -> Any:
        def once(state: Any, _: None) -> Any:
            state = kernel(state, model_args=(data, center, whiten))
            draw = {
                "position": center + whiten @ state.z,
                "n_steps": state.num_steps,
                "diverging": state.diverging,
                "energy": state.energy,
                "acceptance_rate": state.accept_prob,
                "step_size": state.adapt_state.step_size,
                "lp": -state.potential_energy,
            }
            return state, draw

        return jax.lax.scan(once, state, None, length=BLOCK)

    def derive(positions: jax.Array, data: Any) -> Any:
        def one(position: jax.Array) -> Any:
            sites = unflatten(structure, position)
            trace = handlers.trace(handlers.substitute(program, data=sites)).get_trace(structure, data)
            parameters = {n: s["value"] for n, s in trace.items() if s["type"] == "deterministic"}
            observed = trace["log_loss"]
            return parameters, observed["fn"].log_prob(observed["value"])

        return jax.lax.map(one, positions, batch_size=50)

    first = jax.jit(begin).lower(key, vector, scalar, vector, data, vector, matrix)
    state = jax.eval_shape(begin, key, vector, scalar, vector, data, vector, matrix)
    many = jax.ShapeDtypeStruct((2 * size + 1, size), np.float64)
    draws = jax.ShapeDtypeStruct((settings.draws, size), np.float64)
    with ThreadPoolExecutor(max_workers=_workers(4)) as pool:
        slow = pool.submit(_compiled, jax.jit(advance).lower(state, data, vector, matrix))
        others = [
            pool.submit(_compiled, lowered)
            for lowered in (jax.jit(gradients).lower(many, data), first, jax.jit(derive).lower(draws, data))
        ]
        return _Compiled(
            gradients=others[0].result(),
            begin=others[1].result(),
            advance=slow.result(),
            derive=others[2].result(),
        )


def _compiled(lowered: Any) -> Any:
    with jax.enable_x64(True):
        return lowered.compile()


def _workers(most: int) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(most, cores or 1))


def _start(
    structure: Structure, observations: Observations, data: Any, compiled: _Compiled, seed: int
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
            told = np.clip(1.0 - 1.0 / np.maximum(curvature[f"z_{name}"], 1e-9), 0.0, 1.0)
            fixed = told > LEAST_ANCHORED
            centring[name], anchored[name] = jnp.asarray(np.where(fixed, 1.0, told)), jnp.asarray(fixed)
            # An anchored level's z is its mean log loss against the observed one: nearly 0 at the mode.
            scaled = here[f"z_{name}"] * np.exp(here[f"log_sd_{name}"] * told)
            here[f"z_{name}"] = np.where(fixed, 0.0, scaled)
    data = {**data, "centring": centring, "anchored": anchored}
    moved = replace(mode, position=np.concatenate([np.atleast_1d(here[name]) for name, _ in structure.sites]))
    return local_scale(_gradients_of(compiled, data), moved, scales=scales, seed=seed), data


def _gradients_of(compiled: _Compiled, data: Any) -> Gradients:
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
    settings: Settings, compiled: _Compiled, data: Any, mode: Mode, seed: int, progress: Progress | None
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

    with ThreadPoolExecutor(max_workers=_workers(settings.chains)) as pool:
        found = [result["position"][-BLOCK:] for result in pool.map(early, range(settings.chains))]
        frame = _frame_of(first, np.concatenate(found))

        def late(chain: int) -> Sites:
            z = frame.standard(found[chain][-1])
            return _chain(compiled, data, frame, z, (seed, chain, 1), half + draws, draws, report)

        return list(pool.map(late, range(settings.chains)))


def _chain(
    compiled: _Compiled,
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
        key = jax.random.PRNGKey(stream[0])
        for part in stream[1:]:
            key = jax.random.fold_in(key, part)
        slope = whiten.T @ slopes[0]
        state = compiled.begin(key, jnp.asarray(z), values[0], slope, data, center, whiten)
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


def _derive(compiled: _Compiled, data: Any, positions: np.ndarray) -> tuple[Sites, np.ndarray]:
    per_chain = [compiled.derive(jnp.asarray(chain), data) for chain in positions]
    parameters = {
        name: np.stack([np.asarray(chain[0][name]) for chain in per_chain]) for name in per_chain[0][0]
    }
    return parameters, np.stack([np.asarray(chain[1]) for chain in per_chain])
