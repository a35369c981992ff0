"""Teachers of one loss: the curve of sizes and tokens that reach it, and where on that curve a budget is best spent."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp

from bayes_dsl.costs.flops import CostModel
from bayes_dsl.decisions.world import World
from bayes_dsl.inference.drift import Path

Floats = jax.Array


class Box(NamedTuple):
    """Natural logarithms of the least and greatest teacher: parameters and training tokens."""

    log_params: tuple[Floats, Floats]
    log_tokens: tuple[Floats, Floats]


class Paths(NamedTuple):
    """The misfit of every draw: where it leads ln N, ln D and the law's own ln(loss)."""

    N: Path
    D: Path
    L: Path


class Curve(NamedTuple):
    """The supervised law of every draw, (draw,), in the two coordinates that a teacher is searched in.

    `log_s` is ln s, s = A/N^alpha + B/D^beta, which fixes the loss E + s^gamma; `r` is the log odds of the
    share of the size term in s, which fixes the shape: larger r is a smaller teacher trained for longer. N and D
    are where the paths of the draw's misfit (None: the bare law) lead the teacher's size and tokens, and its loss
    is where they lead the law's.
    """

    log_a: Floats
    alpha: Floats
    log_b: Floats
    beta: Floats
    gamma: Floats
    E: Floats
    paths: Paths | None = None

    def log_params(self, log_s: Floats, r: Floats) -> Floats:
        log_N = (self.log_a - log_s + jax.nn.softplus(-r)) / self.alpha
        return log_N if self.paths is None else self.paths.N.inverse(log_N)

    def log_tokens(self, log_s: Floats, r: Floats) -> Floats:
        log_D = (self.log_b - log_s + jax.nn.softplus(r)) / self.beta
        return log_D if self.paths is None else self.paths.D.inverse(log_D)

    def loss(self, log_s: Floats) -> Floats:
        """Loss in nats per token of every teacher on the curve of `log_s`."""
        loss = self.E + jnp.exp(self.gamma * log_s)
        return loss if self.paths is None else jnp.exp(self.paths.L(jnp.log(loss)))

    def log_s(self, log_params: Floats, log_tokens: Floats) -> Floats:
        log_N, log_D = self._led(log_params, log_tokens)
        return jnp.logaddexp(self.log_a - self.alpha * log_N, self.log_b - self.beta * log_D)

    def _led(self, log_params: Floats, log_tokens: Floats) -> tuple[Floats, Floats]:
        """ln N and ln D of the law's equation."""
        if self.paths is None:
            return log_params, log_tokens
        return self.paths.N(log_params), self.paths.D(log_tokens)

    def elasticity(self, cost: CostModel, log_s: Floats, r: Floats) -> Floats:
        """d ln(forward FLOPs per token) / d ln N, over d ln(tokens) / d ln D, along the curve."""
        log_params = self.log_params(log_s, r)
        slope = elasticity(cost, log_params)
        if self.paths is None:
            return slope
        return slope * self.paths.D.slope(self.log_tokens(log_s, r)) / self.paths.N.slope(log_params)

    def log_s_range(self, box: Box) -> tuple[Floats, Floats]:
        """ln s of the strongest and of the weakest teacher in the box."""
        (low_params, high_params), (low_tokens, high_tokens) = box
        return self.log_s(high_params, high_tokens), self.log_s(low_params, low_tokens)

    def r_range(self, log_s: Floats, box: Box) -> tuple[Floats, Floats]:
        """Least and greatest r of the teachers with `log_s` in the box."""
        low_params, low_tokens = self._led(box.log_params[0], box.log_tokens[0])
        high_params, high_tokens = self._led(box.log_params[1], box.log_tokens[1])
        from_low_params = self.alpha * low_params - self.log_a + log_s
        from_high_params = self.alpha * high_params - self.log_a + log_s
        from_low_tokens = self.beta * low_tokens - self.log_b + log_s
        from_high_tokens = self.beta * high_tokens - self.log_b + log_s
        low = jnp.maximum(-_inverse_softplus(from_high_params), _inverse_softplus(from_low_tokens))
        high = jnp.minimum(-_inverse_softplus(from_low_params), _inverse_softplus(from_high_tokens))
        return jnp.minimum(low, high), jnp.maximum(low, high)


def curve_of(world: World) -> Curve:
    """The supervised law of each draw; the Chinchilla law has gamma = 1."""
    parameters = world.parameters
    alpha = parameters["alpha"]
    return Curve(
        log_a=jnp.log(parameters["A"]),
        alpha=alpha,
        log_b=jnp.log(parameters["B"]),
        beta=parameters["beta"],
        gamma=parameters.get("gamma", jnp.ones_like(alpha)),
        E=parameters["E"],
        paths=None
        if world.drift is None
        else Paths(*(cast("Path", getattr(world.drift, axis)) for axis in "NDL")),
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
    """Where F(N_T) D_T, the cost of training a teacher of this loss, is least: (beta / alpha) elasticity = e^r."""
    base = jnp.log(curve.beta / curve.alpha)
    r = jnp.broadcast_to(base, jnp.broadcast_shapes(base.shape, log_s.shape))
    if curve.paths is None:
        for _ in range(steps):
            r = base + jnp.log(curve.elasticity(cost, log_s, r))
        return r
    # In a loop: written out, inverses of paths take seconds to compile.
    found: Floats = jax.lax.fori_loop(
        0, steps, lambda _, r: base + jnp.log(curve.elasticity(cost, log_s, r)), r
    )
    return found
