"""Sums of numbers that are given by their logarithms, with derivatives that cost no exponential of their own."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def log_sum(a: jax.Array, b: jax.Array) -> jax.Array:
    """ln(e^a + e^b), as `jax.numpy.logaddexp` for arguments that are not both the same infinity.

    JAX's own derivative takes four more exponentials; that of this plain form reuses the one of the value,
    which the gradient of a law is mostly made of.
    """
    first = a >= b
    return jnp.where(first, a, b) + jnp.log1p(jnp.exp(jnp.where(first, b - a, a - b)))


def softplus(x: jax.Array) -> jax.Array:
    """ln(1 + e^x)."""
    return log_sum(x, jnp.zeros_like(x))
