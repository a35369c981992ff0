"""Teachers of one loss: the curve of sizes and tokens that reach it, and where on that curve a budget is best spent."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from bayes_dsl.costs.flops import CostModel
from bayes_dsl.laws.base import Values

Floats = jax.Array


class Box(NamedTuple):
    """Natural logarithms of the least and greatest teacher: parameters and training tokens."""

    log_params: tuple[Floats, Floats]
    log_tokens: tuple[Floats, Floats]


class Curve(NamedTuple):
    """The supervised law of every draw, (draw,), in the two coordinates that a teacher is searched in.

    `log_s` is ln s, s = A/N^alpha + B/D^beta, which fixes the loss E + s^gamma; `r` is the log odds of the
    share of the size term in s, which fixes the shape: larger r is a smaller teacher trained for longer.
    """

    log_a: Floats
    alpha: Floats
    log_b: Floats
    beta: Floats
    gamma: Floats
    E: Floats

    def log_params(self, log_s: Floats, r: Floats) -> Floats:
        return (self.log_a - log_s + jax.nn.softplus(-r)) / self.alpha

    def log_tokens(self, log_s: Floats, r: Floats) -> Floats:
        return (self.log_b - log_s + jax.nn.softplus(r)) / self.beta

    def loss(self, log_s: Floats) -> Floats:
        """Loss in nats per token of every teacher on the curve of `log_s`."""
        return self.E + jnp.exp(self.gamma * log_s)

    def log_s_of_loss(self, loss: Floats) -> Floats:
        return jnp.log(loss - self.E) / self.gamma

    def log_s(self, log_params: Floats, log_tokens: Floats) -> Floats:
        return jnp.logaddexp(self.log_a - self.alpha * log_params, self.log_b - self.beta * log_tokens)

    def log_s_range(self, box: Box) -> tuple[Floats, Floats]:
        """ln s of the strongest and of the weakest teacher in the box."""
        (low_params, high_params), (low_tokens, high_tokens) = box
        return self.log_s(high_params, high_tokens), self.log_s(low_params, low_tokens)

    def r_range(self, log_s: Floats, box: Box) -> tuple[Floats, Floats]:
        """Least and greatest r of the teachers with `log_s` in the box."""
        (low_params, high_params), (low_tokens, high_tokens) = box
        from_low_params = self.alpha * low_params - self.log_a + log_s
        from_high_params = self.alpha * high_params - self.log_a + log_s
        from_low_tokens = self.beta * low_tokens - self.log_b + log_s
        from_high_tokens = self.beta * high_tokens - self.log_b + log_s
        low = jnp.maximum(-_inverse_softplus(from_high_params), _inverse_softplus(from_low_tokens))
        high = jnp.minimum(-_inverse_softplus(from_low_params), _inverse_softplus(from_high_tokens))
        return jnp.minimum(low, high), jnp.maximum(low, high)


def curve_of(parameters: Values) -> Curve:
    """The supervised law of each draw; the Chinchilla law has gamma = 1."""
    alpha = parameters["alpha"]
    return Curve(
        log_a=jnp.log(parameters["A"]),
        alpha=alpha,
        log_b=jnp.log(parameters["B"]),
        beta=parameters["beta"],
        gamma=parameters.get("gamma", jnp.ones_like(alpha)),
        E=parameters["E"],
    )


def _inverse_softplus(value: Floats) -> Floats:
    """x with ln(1 + e^x) = value; -inf where value is not positive: such a bound does not bind."""
    positive = jnp.where(value > 0, value, 1.0)
    return jnp.where(value > 0, positive + jnp.log(-jnp.expm1(-positive)), -jnp.inf)


def log_forward(cost: CostModel, log_params: Floats) -> Floats:
    """ln(forward FLOPs per token) of networks of exp(`log_params`) parameters."""
    if not cost.terms:
        forward: Floats = jnp.log(cost.forward(jnp.exp(log_params)))
        return forward
    terms = [jnp.log(factor) + power * log_params for factor, power in cost.terms]
    if len(terms) == 1:
        return terms[0]
    top = terms[0]
    return top + jnp.log1p(sum((jnp.exp(term - top) for term in terms[1:]), start=jnp.zeros_like(top)))


def elasticity(cost: CostModel, log_params: Floats) -> Floats:
    """d ln(forward FLOPs per token) / d ln(parameters)."""
    forward: Callable[[Floats], Floats] = lambda point: log_forward(cost, point)  # noqa: E731
    slope: Floats
    _, slope = jax.jvp(forward, (log_params,), (jnp.ones_like(log_params),))
    return slope


def cheapest_r(curve: Curve, cost: CostModel, log_s: Floats, *, steps: int = 3) -> Floats:
    """Where F(N_T) D_T, the cost of training a teacher of this loss, is least: (beta / alpha) d ln F / d ln N = e^r."""
    base = jnp.log(curve.beta / curve.alpha)
    r = jnp.broadcast_to(base, jnp.broadcast_shapes(base.shape, log_s.shape))
    for _ in range(steps):
        r = base + jnp.log(elasticity(cost, curve.log_params(log_s, r)))
    return r
