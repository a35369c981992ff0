"""The network: it looks back only, knows distances only, learns a batch, and behaves alike at all widths."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import transformer
from models.config import SMALL_WIDTHS, Network, small
from models.objectives import nll

TINY = small(16, vocabulary=11, context=8)
GROUPED = Network(
    architecture=dataclasses.replace(TINY.architecture, heads=4, kv_heads=2, head_size=8, layers=3)
)
LENGTH = 6
INIT = jax.jit(transformer.init, static_argnums=1)
LOGITS = jax.jit(transformer.logits, static_argnums=2)


def made(network, *, seed=0, batch=2, length=LENGTH):
    """Parameters, with gains that are not all 1, and tokens."""
    key, *more = jax.random.split(jax.random.key(seed), 3)
    params = INIT(key, network)
    leaves, tree = jax.tree.flatten(params)
    shifts = jax.random.normal(more[0], (max(x.size for x in leaves),))
    gains = [x + 0.3 * shifts[: x.size] if x.ndim == 1 else x for x in leaves]
    tokens = jax.random.randint(more[1], (batch, length), 0, network.architecture.vocabulary)
    return jax.tree.unflatten(tree, gains), tokens


def plain_logits(params, tokens_T, network):
    """The network in NumPy float64 for one sequence, position by position and head by head."""
    shape = network.architecture
    params = jax.tree.map(lambda x: np.asarray(x, np.float64), params)

    def norm(x, gain):
        return x / np.sqrt((x**2).mean() + network.norm_epsilon) * gain

    def turn(x, position):
        half = len(x) // 2
        pairs = x[:half] + 1j * x[half:]
        waves = network.rope_base ** (-2 * np.arange(half) / len(x))
        turned = pairs * np.exp(1j * position * waves)
        return np.concatenate([turned.real, turned.imag])

    def head(layer, x_TxM, query, key_value):
        at = [slice(i * shape.head_size, (i + 1) * shape.head_size) for i in (query, key_value)]
        q = [turn(norm(x @ layer["query"][:, at[0]], layer["query_norm"]), t) for t, x in enumerate(x_TxM)]
        k = [turn(norm(x @ layer["key"][:, at[1]], layer["key_norm"]), t) for t, x in enumerate(x_TxM)]
        v = x_TxM @ layer["value"][:, at[1]]
        rows = []
        for t in range(len(x_TxM)):
            weights = np.exp([q[t] @ k[s] / np.sqrt(shape.head_size) for s in range(t + 1)])
            rows.append(weights @ v[: t + 1] / weights.sum())
        return np.array(rows)

    x_TxM = params["embedding"][np.asarray(tokens_T)]
    for layer in params["layers"]:
        normed = np.array([norm(x, layer["attention_norm"]) for x in x_TxM])
        share = shape.heads // shape.kv_heads
        heads = [head(layer, normed, query, query // share) for query in range(shape.heads)]
        x_TxM = x_TxM + np.concatenate(heads, axis=1) @ layer["output"]
        normed = np.array([norm(x, layer["ffn_norm"]) for x in x_TxM])
        gate = normed @ layer["gate"]
        x_TxM = x_TxM + (gate / (1 + np.exp(-gate)) * (normed @ layer["up"])) @ layer["down"]
    ended = np.array([norm(x, params["norm"]) for x in x_TxM])
    return ended @ params["embedding"].T * network.base_width / shape.width


@pytest.mark.parametrize("network", [TINY, GROUPED], ids=["one head", "grouped heads"])
def test_logits_are_those_of_a_plain_network(network):
    params, tokens = made(network)
    found = LOGITS(params, tokens, network)
    assert found.shape == (2, LENGTH, 11) and found.dtype == jnp.float32
    expected = [plain_logits(params, one, network) for one in tokens]
    np.testing.assert_allclose(found, expected, atol=2e-5)


def slopes(network):
    """Largest |d logits at t / d embedding at s|, by t and s."""
    params, tokens = made(network, batch=1)

    def of_embedded(x_BxTxM):
        return transformer.read_out(params, transformer.hidden(params, x_BxTxM, network), network)[0]

    jacobian = jax.jit(jax.jacrev(of_embedded))(params["embedding"][tokens])
    return np.abs(np.asarray(jacobian)).max(axis=(1, 2, 4))


@pytest.mark.parametrize("network", [TINY, GROUPED], ids=["one head", "grouped heads"])
def test_a_logit_depends_on_no_later_token(network):
    by_place = slopes(network)
    later = np.triu(np.ones((LENGTH, LENGTH), bool), 1)
    assert (by_place[later] == 0).all()
    assert (by_place[~later] > 1e-4).all()


def test_control_without_the_mask_it_does(monkeypatch):
    monkeypatch.setattr(transformer, "visible", lambda length: np.ones((length, length), bool))
    assert (slopes(TINY) > 1e-4).all()


@settings(max_examples=20)
@given(first=st.integers(0, 40), second=st.integers(0, 40), shift=st.integers(0, 20), seed=st.integers(0, 99))
def test_rotary_scores_know_distances_only(first, second, shift, seed):
    query, key = np.random.default_rng(seed).normal(size=(2, 16)).astype(np.float32)

    def score(i, j):
        turned_q, turned_k = (
            np.asarray(transformer._turn(np.tile(x, (1, 64, 1, 1)), TINY))[0, :, 0] for x in (query, key)
        )
        return turned_q[i] @ turned_k[j]

    assert score(first, second) == pytest.approx(score(first + shift, second + shift), abs=2e-4)


def test_control_rotary_scores_do_know_the_distance():
    x = np.asarray(transformer._turn(np.ones((1, 64, 1, 16), np.float32), TINY))[0, :, 0]
    np.testing.assert_allclose(np.linalg.norm(x, axis=-1), 4, rtol=1e-5)
    assert abs(x[0] @ x[1] - x[0] @ x[5]) > 0.5


def trained(network, *, steps, rate=1e-2, seed=0, batch=8, length=16):
    """Losses and parameters, at first and after some Adam steps on one batch."""
    key, more = jax.random.split(jax.random.key(seed))
    tokens = jax.random.randint(more, (batch, length + 1), 0, network.architecture.vocabulary)
    params = INIT(key, network)
    rates = transformer.rate_multipliers(network)
    adam = optax.adam(rate, b1=0.9, b2=0.95)

    def loss(params):
        return nll(transformer.logits(params, tokens[:, :-1], network), tokens[:, 1:]).mean()

    @jax.jit
    def several(params):
        def step(carry, _):
            params, state = carry
            value, slope = jax.value_and_grad(loss)(params)
            change, state = adam.update(slope, state)
            change = jax.tree.map(jnp.multiply, change, rates)
            return (optax.apply_updates(params, change), state), value

        (params, _), losses = jax.lax.scan(step, (params, adam.init(params)), length=steps)
        return params, losses

    after, losses = several(params)
    return tokens[:, :-1], params, after, np.asarray(losses)


@pytest.mark.parametrize("compute", ["float32", "bfloat16"])
def test_it_learns_one_batch_by_heart(compute):
    network = dataclasses.replace(small(32, vocabulary=32, context=16, layers=1), compute=compute)
    *_, losses = trained(network, steps=60)
    assert losses[0] > 3
    assert losses[-1] < 0.1


def moved(width, *, multiplied):
    """Root mean square of how far some steps moved the residual stream and the logits."""
    network = small(width, vocabulary=64, context=16, layers=1)
    if not multiplied:
        network = dataclasses.replace(network, base_width=width)  # every multiplier is 1
    tokens, before, after, _ = trained(network, steps=8, rate=2e-3)

    @jax.jit
    def seen(params):
        x = transformer.hidden(params, params["embedding"][tokens], network)
        return x, transformer.read_out(params, x, network)

    pairs = zip(seen(before), seen(after), strict=True)
    return [float(np.sqrt(np.mean((np.asarray(b) - np.asarray(a)) ** 2))) for a, b in pairs]


def test_with_mup_a_step_moves_activations_alike_at_all_widths():
    """Twelve times the width moves the stream 12 % less; the logits start smaller there and move less too."""
    stream, logits = np.transpose([moved(width, multiplied=True) for width in (16, 48, 192)])
    assert stream.max() / stream.min() < 1.3
    assert (np.diff(logits) < 0).all()


def test_control_without_multipliers_wide_networks_move_further():
    narrow, wide = (moved(width, multiplied=False) for width in (SMALL_WIDTHS[0], SMALL_WIDTHS[-1]))
    assert wide[0] / narrow[0] > 2.5
    assert wide[1] / narrow[1] > 2.5


def test_bfloat16_rounds_products_and_nothing_else():
    params, tokens = made(small(64), length=32)
    rounded = dataclasses.replace(small(64), compute="bfloat16")
    exact = LOGITS(params, tokens, small(64))
    found = LOGITS(params, tokens, rounded)
    assert found.dtype == jnp.float32
    off = float(jnp.abs(found - exact).max() / exact.std())
    assert 1e-4 < off < 0.1
    text = str(jax.make_jaxpr(lambda p: transformer.logits(p, tokens, rounded))(params))
    assert "bf16" in text
    assert "bf16" not in str(jax.make_jaxpr(lambda p: transformer.logits(p, tokens, small(64)))(params))


def test_parameters_start_as_said():
    network = small(96, vocabulary=256, layers=3)
    params = INIT(jax.random.key(1), network)
    assert all(x.dtype == jnp.float32 for x in jax.tree.leaves(params))
    assert float(params["embedding"].std()) == pytest.approx(64**-0.5, rel=0.02)
    for layer in params["layers"]:
        for matrix in (x for x in layer.values() if x.ndim == 2):
            assert float(matrix.std()) == pytest.approx(matrix.shape[0] ** -0.5, rel=0.03)
            assert abs(float(matrix.mean())) < 4 * matrix.size**-0.5 * matrix.shape[0] ** -0.5
        assert all((np.asarray(layer[name]) == 1).all() for name in layer if "norm" in name)
    # No two matrices share their draws.
    heads = [float(x.ravel()[0] * x.shape[0] ** 0.5) for x in jax.tree.leaves(params) if x.ndim == 2]
    assert len({round(x, 5) for x in heads}) == len(heads) == 22


def test_the_same_key_gives_the_same_network_and_another_does_not():
    first, again, other = (INIT(jax.random.key(seed), TINY) for seed in (1, 1, 2))
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), first, again))
    assert not (first["embedding"] == other["embedding"]).any()


def test_rates_and_decay_by_parameter():
    network = small(192)
    rates, decays = transformer.rate_multipliers(network), transformer.decays(network)
    assert jax.tree.structure(rates) == jax.tree.structure(transformer.shapes(network))
    for name in ("query", "key", "value", "output", "gate", "up", "down"):
        assert rates["layers"][0][name] == pytest.approx(1 / 3) and decays["layers"][1][name] is True
    for name in ("attention_norm", "query_norm", "key_norm", "ffn_norm"):
        assert rates["layers"][0][name] == 1.0 and decays["layers"][1][name] is False
    assert (rates["embedding"], rates["norm"], decays["embedding"], decays["norm"]) == (
        1.0,
        1.0,
        False,
        False,
    )
    assert set(jax.tree.leaves(transformer.rate_multipliers(small(64)))) == {1.0}
