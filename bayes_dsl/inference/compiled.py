"""NUTS for one shape of table, compiled once ahead of time: gradients, one block of one chain, derived quantities.

Data and state are arguments of the compiled functions, so that every table of one shape is served by them, and JAX's
persistent compilation cache, where one is set, keeps them for the next process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from numpyro import handlers
from numpyro.infer.hmc import hmc
from numpyro.infer.util import ParamInfo, log_density

from bayes_dsl.cores import workers
from bayes_dsl.inference.observations import Structure
from bayes_dsl.inference.program import program
from bayes_dsl.inference.settings import BLOCK, Settings
from bayes_dsl.inference.shear import to_program


@dataclass(frozen=True, kw_only=True, eq=False)
class Compiled:
    gradients: Callable[..., Any]
    begin: Callable[..., Any]
    advance: Callable[..., Any]
    derive: Callable[..., Any]


def unflatten(structure: Structure, flat: Any) -> dict[str, Any]:
    """Sites by name from flat vectors (..., size)."""
    return dict(pieces(structure, flat))


def pieces(structure: Structure, flat: Any) -> Iterator[tuple[str, Any]]:
    begin = 0
    for name, shape in structure.sites:
        size = int(np.prod(shape))
        yield name, flat[..., begin] if shape == () else flat[..., begin : begin + size]
        begin += size


def shapes_of(data: Any) -> Any:
    leaves, tree = jax.tree.flatten(data)
    return tree, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)


@lru_cache(maxsize=16)
def compiled_for(structure: Structure, settings: Settings, shapes: Any) -> Compiled:
    """Trace and compile everything for one shape of table, the slow part beside the rest."""
    tree, leaves = shapes
    data = jax.tree.unflatten(tree, [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in leaves])
    size = structure.size
    vector = jax.ShapeDtypeStruct((size,), np.float64)
    matrix = jax.ShapeDtypeStruct((size, size), np.float64)
    many = jax.ShapeDtypeStruct((2 * size + 1, size), np.float64)
    heights = jax.ShapeDtypeStruct((2 * size + 1,), np.float64)
    stream = jax.ShapeDtypeStruct((3,), np.int64)

    def sites_at(position: jax.Array, data: Any) -> dict[str, Any]:
        if "shear" in data:
            position = to_program(structure, position, data["shear"])
        return unflatten(structure, position)

    def potential(position: jax.Array, data: Any) -> jax.Array:
        value: jax.Array = -log_density(program, (structure, data), {}, sites_at(position, data))[0]
        return value

    def gradients(positions: jax.Array, data: Any) -> Any:
        return jax.lax.map(lambda position: jax.value_and_grad(potential)(position, data), positions)

    def whitened(data: Any, center: jax.Array, whiten: jax.Array) -> Any:
        return lambda z: potential(center + whiten @ z, data)

    start_kernel, kernel = hmc(potential_fn_gen=whitened, algo="NUTS")

    # The transpose comes laid out as such: the compiler would sum over the other one in another order.
    def begin(stream: Any, z: Any, values: Any, slopes: Any, turned: Any, data: Any, frame: Any) -> Any:
        key = jax.random.PRNGKey(stream[0])
        for part in (1, 2):
            key = jax.random.fold_in(key, stream[part])
        return start_kernel(
            ParamInfo(z, values[0], turned @ slopes[0]),
            settings.warmup // 2,
            step_size=0.5,
            target_accept_prob=settings.acceptance(misfit=bool(structure.drifts)),
            max_tree_depth=settings.max_tree_depth,
            model_args=(data, *frame),
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
            sites = sites_at(position, data)
            trace = handlers.trace(handlers.substitute(program, data=sites)).get_trace(structure, data)
            parameters = {n: s["value"] for n, s in trace.items() if s["type"] == "deterministic"}
            observed = trace["log_loss"]
            return sites, parameters, observed["fn"].log_prob(observed["value"])

        return jax.lax.map(one, positions, batch_size=50)

    starting = (stream, vector, heights, many, matrix, data, (vector, matrix))
    draws = jax.ShapeDtypeStruct((settings.draws, size), np.float64)
    with ThreadPoolExecutor(max_workers=workers(4)) as pool:
        # The slowest first, which compiles while the others are traced.
        state = jax.eval_shape(begin, *starting)
        slow = pool.submit(_built, jax.jit(advance).lower(state, data, vector, matrix))
        others = [
            pool.submit(_built, jax.jit(function).lower(*arguments))
            for function, arguments in (
                (gradients, (many, data)),
                (derive, (draws, data)),
                (begin, starting),
            )
        ]
        return Compiled(
            gradients=others[0].result(),
            begin=others[2].result(),
            advance=slow.result(),
            derive=others[1].result(),
        )


def _built(lowered: Any) -> Any:
    with jax.enable_x64(True):
        return lowered.compile()
