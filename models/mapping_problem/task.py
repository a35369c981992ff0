"""The mapping problem: which position of a context does a query stand for?

An input has 2 K entries for K classes: a context of K values 0, 1 or 2, and a query, one-hot, at position i.
Where the context holds 0 at i, the label is i itself (copy). Otherwise it is the other position that holds the
same value as i (match); the context is drawn so that there is exactly one, while the third value stands there
any number of times.

Busbridge et al., arXiv 2502.08606, appendix C.2; akin to Pointer Value Retrieval, Zhang et al., arXiv 2107.12580.
The paper gives neither K nor the law of the contexts. Here every context of a kind (copy or match) has the same
probability, and `copy_share` is the probability of a copy: 1/3, as if the value at i were drawn evenly.

Array axes: B batch, K classes (and positions), I = 2 K inputs.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

VALUES = 3
"""Context values 0, 1 and 2; 0 says copy."""


class Samples(NamedTuple):
    """A batch of the task.

    Attributes
    ----------
    inputs_BxI
        Context and one-hot query, float32.
    labels_B
        Positions 0..K-1, int32.
    is_copy_B
        True where the context holds 0 at the query.
    """

    inputs_BxI: jax.Array
    labels_B: jax.Array
    is_copy_B: jax.Array


def sample(key: jax.Array, batch: int, classes: int, copy_share: float | jax.Array = 1 / VALUES) -> Samples:
    """Draw a batch: a pure function of the key; nothing is drawn and thrown away."""
    # One call to the generator: it is what takes long to compile. A remainder of 32 bits is even to 1e-6 or better.
    bits_BxR = jax.random.bits(key, (batch, classes + 4), jnp.uint32)
    first_B, second_B, third_B, fourth_B = bits_BxR[:, :4].T
    query_B = (first_B % classes).astype(jnp.int32)
    is_copy_B = (second_B >> 8).astype(jnp.float32) * 2.0**-24 < copy_share
    value_B = jnp.where(is_copy_B, 0, 1 + (third_B % (VALUES - 1)).astype(jnp.int32))
    partner_B = (query_B + 1 + (fourth_B % (classes - 1)).astype(jnp.int32)) % classes
    # Of a copy, the rest of the context is free; of a match, it must not hold the value once more.
    free_BxK = (bits_BxR[:, 4:] % VALUES).astype(jnp.int32)
    third_BxK = (bits_BxR[:, 4:] % 2).astype(jnp.int32) * (VALUES - value_B)[:, None]
    rest_BxK = jnp.where(is_copy_B[:, None], free_BxK, third_BxK)
    at_query_BxK = jax.nn.one_hot(query_B, classes, dtype=bool)
    at_partner_BxK = jax.nn.one_hot(partner_B, classes, dtype=bool) & ~is_copy_B[:, None]
    context_BxK = jnp.where(at_query_BxK | at_partner_BxK, value_B[:, None], rest_BxK)
    inputs_BxI = jnp.concatenate([context_BxK, at_query_BxK], axis=1).astype(jnp.float32)
    return Samples(inputs_BxI, labels(context_BxK, query_B), is_copy_B)


def labels(context_BxK: jax.Array, query_B: jax.Array) -> jax.Array:
    """The label rule: the query itself over a 0, otherwise the first other position of the same value."""
    value_Bx1 = jnp.take_along_axis(context_BxK, query_B[:, None], axis=1)
    others_BxK = ~jax.nn.one_hot(query_B, context_BxK.shape[1], dtype=bool)
    match_B = jnp.argmax((context_BxK == value_Bx1) & others_BxK, axis=1)
    return jnp.where(value_Bx1[:, 0] == 0, query_B, match_B).astype(jnp.int32)
