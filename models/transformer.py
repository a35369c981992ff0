"""The transformer: its parameters, its logits, and the learning rate that muP gives each parameter."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from models.config import Network

Params = dict[str, Any]
"""Parameters as a plain tree: `embedding`, `layers` (a list of dicts of arrays) and `norm`."""


def init(key: jax.Array, network: Network) -> Params:
    """Random float32 parameters: matrices normal with deviation fan_in^-1/2, gains 1.

    The embedding is also the readout. Its entries have the deviation base_width^-1/2 at every width, which
    is fan-in at the base width.
    """
    shape = network.architecture
    first, *keys = jax.random.split(key, 1 + shape.layers)
    return {
        "embedding": jax.random.normal(first, (shape.vocabulary, shape.width)) * _fan_in(network.base_width),
        "layers": [_init_layer(one, network) for one in keys],
        "norm": jnp.ones(shape.width),
    }


@partial(jax.jit, static_argnames="network")  # traced once, however many layers there are
def _init_layer(key: jax.Array, network: Network) -> Params:
    shape = network.architecture
    queries, keys_values = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    sizes = {
        "query": (shape.width, queries),
        "key": (shape.width, keys_values),
        "value": (shape.width, keys_values),
        "output": (queries, shape.width),
        "gate": (shape.width, shape.ffn_width),
        "up": (shape.width, shape.ffn_width),
        "down": (shape.ffn_width, shape.width),
    }
    # One draw for all matrices: each draw costs a quarter of a second to compile.
    ends = np.cumsum([math.prod(size) for size in sizes.values()])
    pieces = jnp.split(jax.random.normal(key, (int(ends[-1]),)), ends[:-1])
    named = zip(sizes.items(), pieces, strict=True)
    return {
        "attention_norm": jnp.ones(shape.width),
        "query_norm": jnp.ones(shape.head_size),
        "key_norm": jnp.ones(shape.head_size),
        "ffn_norm": jnp.ones(shape.width),
        **{name: piece.reshape(size) * _fan_in(size[0]) for (name, size), piece in named},
    }


def _fan_in(inputs: int) -> float:
    return math.sqrt(1 / inputs)


def logits(params: Params, tokens_BxT: jax.Array, network: Network) -> jax.Array:
    """Logits of the next token at every position, float32, from this token and those before it.

    They carry the factor base_width / width, which muP asks of a readout: the embedding learns at one rate at
    all widths, so that without it a step would change the logits by an amount that grows with the width.
    """
    return read_out(params, hidden(params, params["embedding"][tokens_BxT], network), network)


def hidden(params: Params, x_BxTxM: jax.Array, network: Network) -> jax.Array:
    """The residual stream after the last layer, from embedded tokens."""
    for layer in params["layers"]:
        x_BxTxM = x_BxTxM + _attention(layer, _norm(x_BxTxM, layer["attention_norm"], network), network)
        x_BxTxM = x_BxTxM + _ffn(layer, _norm(x_BxTxM, layer["ffn_norm"], network), network)
    return x_BxTxM


def read_out(params: Params, x_BxTxM: jax.Array, network: Network) -> jax.Array:
    """Logits from the residual stream after the last layer."""
    factor = network.base_width / network.architecture.width
    x_BxTxM = _norm(x_BxTxM, params["norm"] * factor, network)
    return _product("btm,vm->btv", x_BxTxM, params["embedding"], network)


def _attention(layer: Params, x_BxTxM: jax.Array, network: Network) -> jax.Array:
    # G key and value heads, each shared by R query heads.
    shape = network.architecture
    batch, length, _ = x_BxTxM.shape
    groups, size = shape.kv_heads, shape.head_size
    query, key, value = _products(x_BxTxM, [layer[name] for name in ("query", "key", "value")], network)
    query_BxTxGxRxK = query.reshape(batch, length, groups, shape.heads // groups, size)
    key_BxTxGxK = key.reshape(batch, length, groups, size)
    value_BxTxGxK = value.reshape(batch, length, groups, size)
    # The scale of the scores goes into the small array of gains.
    query_BxTxGxRxK = _norm(query_BxTxGxRxK, layer["query_norm"] * size**-0.5, network)
    key_BxTxGxK = _norm(key_BxTxGxK, layer["key_norm"], network)
    query_BxTxGxRxK, key_BxTxGxK = _turn(query_BxTxGxRxK, network), _turn(key_BxTxGxK, network)
    scores = _product("btgrk,bsgk->bgrts", query_BxTxGxRxK, key_BxTxGxK, network)
    weights = jax.nn.softmax(jnp.where(visible(length), scores, -jnp.inf))
    mixed = _product("bgrts,bsgk->btgrk", weights, value_BxTxGxK, network)
    return _product("btf,fm->btm", mixed.reshape(batch, length, -1), layer["output"], network)


def _ffn(layer: Params, x_BxTxM: jax.Array, network: Network) -> jax.Array:
    gate_BxTxF, up_BxTxF = _products(x_BxTxM, [layer["gate"], layer["up"]], network)
    return _product("btf,fm->btm", jax.nn.silu(gate_BxTxF) * up_BxTxF, layer["down"], network)


def _products(x_BxTxM: jax.Array, matrices: list[jax.Array], network: Network) -> list[jax.Array]:
    """Products of one array with several matrices, taken as one: a tenth less time a step at small widths."""
    ends = np.cumsum([matrix.shape[1] for matrix in matrices])[:-1]
    return jnp.split(
        _product("btm,mf->btf", x_BxTxM, jnp.concatenate(matrices, axis=1), network), ends, axis=-1
    )


def _product(equation: str, left: jax.Array, right: jax.Array, network: Network) -> jax.Array:
    """An einsum whose inputs have the network's precision and whose sums are float32."""
    left, right = left.astype(network.compute), right.astype(network.compute)
    return jnp.einsum(equation, left, right, preferred_element_type=jnp.float32)


def _norm(x: jax.Array, gain: jax.Array, network: Network) -> jax.Array:
    mean_square = jnp.mean(jnp.square(x), axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(mean_square + network.norm_epsilon) * gain


def visible(length: int) -> np.ndarray:
    """Which positions (columns) each position (row) looks at: itself and those before it."""
    return np.tri(length, dtype=bool)


def _turn(x_BxTxAxK: jax.Array, network: Network) -> jax.Array:
    """Rotary position embedding: pairs (k, k + K/2) turn by position times base^(-2k/K); any axes after T."""
    length, half = x_BxTxAxK.shape[1], x_BxTxAxK.shape[-1] // 2
    frequencies = network.rope_base ** (-np.arange(half) / half)
    angles = np.outer(np.arange(length), frequencies).reshape(length, *[1] * (x_BxTxAxK.ndim - 3), half)
    cosine, sine = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    left, right = x_BxTxAxK[..., :half], x_BxTxAxK[..., half:]
    return jnp.concatenate([left * cosine - right * sine, right * cosine + left * sine], axis=-1)


def shapes(network: Network) -> Params:
    """The tree of `init` with shapes in place of arrays; nothing is allocated."""
    tree: Params = jax.eval_shape(lambda: init(jax.random.key(0), network))
    return tree


def rate_multipliers(network: Network) -> Params:
    """What muP (simple) multiplies each parameter's learning rate by: base_width / width for the matrices.

    The embedding and the norms' gains keep the rate at all widths.

    Notes
    -----
    Wortsman et al., arXiv 2309.14322, as Busbridge et al., arXiv 2502.08606, appendix I, take it over.
    """
    slower = network.base_width / network.architecture.width
    return {**jax.tree.map(lambda x: slower if x.ndim == 2 else 1.0, shapes(network)), "embedding": 1.0}


def decays(network: Network) -> Params:
    """Which parameters weight decay acts on: the matrices, not the embedding and the norms' gains.

    The paper states a decoupled decay of 1e-4 and no exception; the choice is ours.
    """
    return {**jax.tree.map(lambda x: x.ndim == 2, shapes(network)), "embedding": False}
