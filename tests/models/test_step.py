"""One step: passes change rounding only, and a dispatch does as many steps as it is told."""

import jax
import jax.numpy as jnp
import numpy as np

from models.optimiser import settings
from models.recipe import Recipe
from models.step import Student, gradient, program, start
from tests.models.tiny import CONTEXT, network

NUMBERS = settings(Recipe(), steps=8)
WINDOWS = jnp.asarray(np.random.default_rng(0).integers(0, 32, (3, 8, CONTEXT + 1)), jnp.int32)


def student(micro_windows: int) -> Student:
    return Student(network=network(), objective=None, micro_windows=micro_windows)


def test_passes_change_rounding_only() -> None:
    params = start(jax.random.key(0), student(8))["params"]
    compiled = jax.jit(gradient, static_argnums=(0, 3))
    whole, loss = compiled(student(8), params, WINDOWS[0], None, NUMBERS)
    parts, loss_of_parts = compiled(student(2), params, WINDOWS[0], None, NUMBERS)
    np.testing.assert_allclose(loss, loss_of_parts, rtol=1e-5)
    for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(parts), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)


def test_a_dispatch_does_as_many_steps_as_it_is_told() -> None:
    run = program((student(8),), None)

    def done(*counts: int) -> tuple[list[np.ndarray], list[float]]:
        states, first, told = (start(jax.random.key(0), student(8)),), 0, []
        for count in counts:
            windows = jnp.roll(WINDOWS, -first, axis=0)
            states, losses_SxR = run(states, windows, count, first, (NUMBERS,), None, None)
            assert np.isnan(losses_SxR[count:]).all()
            told += np.asarray(losses_SxR[:count, 0]).tolist()
            first += count
        return [np.asarray(leaf) for leaf in jax.tree.leaves(states)], told

    at_once, losses = done(3)
    one_by_one, again = done(1, 2)
    assert len(losses) == 3 and losses == again
    assert all(np.array_equal(a, b) for a, b in zip(at_once, one_by_one, strict=True))
