"""The optimiser: its schedule against formulae, its step against AdamW written out in NumPy."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax
import pytest

from models.optimiser import Settings, optimiser, rate, settings
from models.recipe import Recipe


def rates(recipe: Recipe, steps: int) -> np.ndarray:
    numbers = settings(recipe, steps=steps)
    return np.array([float(rate(step, numbers)) for step in range(steps)])


def test_cosine_rises_in_a_line_and_ends_at_a_thousandth() -> None:
    got = rates(Recipe(warmup_steps=10), 100)
    np.testing.assert_allclose(got[:10], 1e-2 * np.arange(1, 11) / 10, rtol=1e-6)
    x = np.arange(90 + 1) / 90
    np.testing.assert_allclose(got[9:], 1e-2 * (1e-3 + 0.999 * (1 + np.cos(np.pi * x)) / 2), rtol=2e-4)
    assert got[-1] == pytest.approx(1e-5, rel=1e-3)


def test_wsd_holds_the_peak_and_falls_in_a_line() -> None:
    got = rates(Recipe(schedule="wsd", warmup_steps=5, cooldown_share=0.2), 100)
    np.testing.assert_allclose(got[4:80], 1e-2, rtol=1e-6)
    np.testing.assert_allclose(got[80:], 1e-2 * (1 - 0.999 * np.arange(1, 21) / 20), rtol=1e-4)


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("schedule", ["cosine", "wsd"])
def test_the_shortest_runs_have_rates_too(steps: int, schedule: Any) -> None:
    got = rates(Recipe(schedule=schedule), steps)
    assert np.all((got > 0) & (got <= 1e-2 * (1 + 1e-6)))


def tree(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"a": rng.normal(size=(3, 4)).astype(np.float32), "b": rng.normal(size=4).astype(np.float32)}


MULTIPLIERS, DECAYS = {"a": 0.5, "b": 1.0}, {"a": True, "b": False}


def by_hand(recipe: Recipe, gradients: list[dict[str, np.ndarray]], learning_rate: float) -> dict[str, Any]:
    params = {name: x.astype(np.float64) for name, x in tree(0).items()}
    first = {name: np.zeros_like(x) for name, x in params.items()}
    second = {name: np.zeros_like(x) for name, x in params.items()}
    for step, grads in enumerate(gradients, start=1):
        norm = np.sqrt(sum(np.sum(np.square(g.astype(np.float64))) for g in grads.values()))
        for name in params:
            g = grads[name] * min(1.0, recipe.clip / norm)
            first[name] = recipe.beta1 * first[name] + (1 - recipe.beta1) * g
            second[name] = recipe.beta2 * second[name] + (1 - recipe.beta2) * g**2
            m, v = first[name] / (1 - recipe.beta1**step), second[name] / (1 - recipe.beta2**step)
            change = m / (np.sqrt(v) + recipe.epsilon)
            change = change + recipe.weight_decay * DECAYS[name] * params[name]
            params[name] = params[name] - learning_rate * MULTIPLIERS[name] * change
    return params


def by_optax(numbers: Settings, gradients: list[dict[str, np.ndarray]], rate: Any, flat: bool) -> Any:
    params = tree(0)
    change = optimiser(numbers, rate, multipliers=MULTIPLIERS, decays=DECAYS, flat=flat)
    state = change.init(params)
    for grads in gradients:
        updates, state = change.update(grads, state, params)
        params = optax.apply_updates(params, updates)
    return params


@pytest.mark.parametrize("flat", [False, True])
def test_a_step_is_clipped_adamw_with_mup_multipliers(flat: bool) -> None:
    recipe = Recipe(weight_decay=0.3, clip=1.5)
    # The first gradients are above the clip, the last below.
    gradients = [tree(1), tree(2), {name: 0.1 * x for name, x in tree(3).items()}]
    got = by_optax(settings(recipe, steps=3), gradients, 0.05, flat)
    wanted = by_hand(recipe, gradients, 0.05)
    for name in wanted:
        np.testing.assert_allclose(got[name], wanted[name], rtol=2e-5)
    unclipped = by_hand(Recipe(weight_decay=0.3, clip=1e9), gradients, 0.05)
    assert not np.allclose(got["a"], unclipped["a"], rtol=1e-3)
    undecayed = by_hand(Recipe(weight_decay=0.0, clip=1.5), gradients, 0.05)
    assert not np.allclose(got["a"], undecayed["a"], rtol=1e-3)


def test_every_number_is_traced() -> None:
    compiled: Any = jax.jit(lambda numbers, g: by_optax(numbers, [g], rate(0, numbers), True))
    one = compiled(settings(Recipe(), steps=10), tree(1))
    other = Recipe(peak_rate=1.0, beta1=0.5, beta2=0.5, epsilon=1e-3, clip=9.0, schedule="wsd")
    two = compiled(settings(other, steps=99, mixing=0.5, temperature=2.0), tree(1))
    assert compiled._cache_size() == 1
    assert not np.allclose(one["a"], two["a"])
