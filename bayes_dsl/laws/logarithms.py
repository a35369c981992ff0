"""Sums of numbers that are given by their logarithms, with derivatives that reuse the value's exponential."""

from __future__ import annotations

import jax
import jax.numpy as jnp


@jax.custom_jvp
def log_sum(a: jax.Array, b: jax.Array) -> jax.Array:
    """ln(e^a + e^b), as `jax.numpy.logaddexp` for arguments that are not both the same infinity."""
    return jnp.maximum(a, b) + _log1p_of_share(_smaller_share(a, b))


@log_sum.defjvp
def _log_sum_tangent(
    primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (a, b), (change_a, change_b) = primals, tangents
    share = _smaller_share(a, b)
    larger = 1.0 / (1.0 + share)
    of_a = jnp.where(a >= b, larger, share * larger)
    of_b = jnp.where(a >= b, share * larger, larger)
    return jnp.maximum(a, b) + _log1p_of_share(share), of_a * change_a + of_b * change_b


def _smaller_share(a: jax.Array, b: jax.Array) -> jax.Array:
    """The smaller of e^a and e^b over the larger."""
    return jnp.exp(jnp.where(a >= b, b - a, a - b))


def _log1p_of_share(share: jax.Array) -> jax.Array:
    """ln(1 + x) for x from 0 to 1, by the series of 2 artanh(x / (2 + x)), 17 terms of which reach 1e-16.

    XLA takes a float64 logarithm on a CPU one number at a time; sums of products fill its vectors. They are
    nested by halves, as Estrin does, since each of Horner's products waits for the one before.
    """
    x = share / (2.0 + share)
    power = x * x
    terms = [jnp.asarray(2.0 / (2 * k + 1), x.dtype) for k in range(17)]
    while len(terms) > 1:
        odd = terms[-1:] if len(terms) % 2 else []
        terms = [low + high * power for low, high in zip(terms[::2], terms[1::2], strict=False)] + odd
        power = power * power
    return x * terms[0]


def softplus(x: jax.Array) -> jax.Array:
    """ln(1 + e^x)."""
    return log_sum(x, jnp.zeros_like(x))
