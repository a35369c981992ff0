"""The perceptron computes what its equation says, and starts at a scale at which it learns."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from models import mlp


def start(width: int = 64) -> mlp.Params:
    return mlp.init(jax.random.key(3), inputs=10, width=width, outputs=4)


def test_the_logits_are_two_hidden_layers_of_relu() -> None:
    params = start()
    params[0]["bias"] += 0.3
    params[1]["bias"] -= 0.2
    params[2]["bias"] += jnp.arange(4.0)
    x = np.random.default_rng(0).normal(size=(7, 10))
    (w1, b1), (w2, b2), (w3, b3) = (
        (np.asarray(p["weight"], float), np.asarray(p["bias"], float)) for p in params
    )
    wanted = np.maximum(np.maximum(x @ w1 + b1, 0) @ w2 + b2, 0) @ w3 + b3
    np.testing.assert_allclose(mlp.logits(params, jnp.asarray(x, jnp.float32)), wanted, rtol=2e-5, atol=2e-5)
    without_relu = ((x @ w1 + b1) @ w2 + b2) @ w3 + b3
    assert np.abs(without_relu - wanted).max() > 0.1


def test_it_has_the_declared_shapes_in_float32() -> None:
    params = start(width=5)
    assert [p["weight"].shape for p in params] == [(10, 5), (5, 5), (5, 4)]
    assert [p["bias"].shape for p in params] == [(5,), (5,), (4,)]
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}


def test_the_logits_start_at_a_scale_that_the_width_does_not_change() -> None:
    x = jax.random.normal(jax.random.key(0), (2000, 10))
    spread = [float(jnp.std(mlp.logits(start(width), x))) for width in (32, 256, 1024)]
    assert all(0.5 < one < 2.0 for one in spread)


def test_a_key_gives_the_same_network_and_another_key_another_one() -> None:
    first, again = start(), start()
    other = mlp.init(jax.random.key(4), inputs=10, width=64, outputs=4)
    assert jax.tree.all(jax.tree.map(lambda a, b: (a == b).all(), first, again))
    assert not (first[0]["weight"] == other[0]["weight"]).any()


def test_it_learns_a_batch_by_heart() -> None:
    x = jax.random.normal(jax.random.key(0), (32, 10))
    y = jax.random.randint(jax.random.key(1), (32,), 0, 4)
    adam = optax.adam(1e-2)

    def loss(params: mlp.Params) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(mlp.logits(params, x), y).mean()

    @jax.jit
    def learnt(params: mlp.Params) -> mlp.Params:
        def step(_: int, carry: tuple[mlp.Params, optax.OptState]) -> tuple[mlp.Params, optax.OptState]:
            update, state = adam.update(jax.grad(loss)(carry[0]), carry[1])
            return optax.apply_updates(carry[0], update), state

        return jax.lax.fori_loop(0, 200, step, (params, adam.init(params)))[0]

    assert loss(start()) > 1.0
    assert loss(learnt(start())) < 0.01
