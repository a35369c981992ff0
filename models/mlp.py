"""A perceptron with two hidden layers of ReLU of one width: the network of the mapping problem.

Array axes: B batch, I inputs, M hidden width, O outputs.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

Params = list[dict[str, jax.Array]]
"""Layers from the inputs to the logits, each with its `weight` (from, to) and its `bias`; float32."""


def init(key: jax.Array, *, inputs: int, width: int, outputs: int) -> Params:
    """Parameters to start from: normal weights of variance 2 / from (1 / from in the last layer), biases 0.

    He et al., arXiv 1502.01852. The paper does not say how it starts.
    """
    sizes = ((inputs, width), (width, width), (width, outputs))
    gains = (2.0, 2.0, 1.0)
    layers = zip(jax.random.split(key, len(sizes)), sizes, gains, strict=True)
    return [
        {
            "weight": jax.random.normal(draw, size, jnp.float32) * (gain / size[0]) ** 0.5,
            "bias": jnp.zeros(size[1], jnp.float32),
        }
        for draw, size, gain in layers
    ]


def logits(params: Params, inputs_BxI: jax.Array) -> jax.Array:
    """The logits, BxO: linear, ReLU, linear, ReLU, linear."""
    *hidden, last = params
    x_BxM = inputs_BxI
    for layer in hidden:
        x_BxM = jax.nn.relu(x_BxM @ layer["weight"] + layer["bias"])
    return x_BxM @ last["weight"] + last["bias"]
