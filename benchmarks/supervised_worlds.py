"""Simulated supervised worlds for back-tests: the law, and six worlds that leave it a little.

Fixed here before any table of the record was sampled. Every table has coefficients of its own, 48 runs at six budgets
of compute, and one held-out run at 8 to 16 times the largest budget. All worlds share

    ln L = ln(E + m e^l),   l = gamma ln(w e^{-(a / gamma) x} + (1 - w) e^{-(b / gamma) y}),

x and y being the logarithms of size and tokens over their middles; the worlds bend x, y or l, or spoil the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayes_dsl.inference.misfit import Misfit
from bayes_dsl.inference.settings import Settings
from bayes_dsl.runs.table import RunTable
from benchmarks.simulated import LN10, Floats, Simulated, Study, Target, Warp, signed, wandering

BUDGETS = tuple(float(flops) for flops in np.geomspace(3e17, 1e20, 6))
TOKENS_PER_PARAM = tuple(float(ratio) for ratio in np.geomspace(3.0, 300.0, 8))
BEYOND = (8.0, 16.0)
ASKED_TOKENS_PER_PARAM = (10.0, 80.0)
SCALE, DEGREES_OF_FREEDOM = 0.004, 5.0
# Sizes from which the logarithm of a stretched exponent is counted.
SMALLEST_PARAMS, SMALLEST_TOKENS = 1e6, 1e7
SWAPPED = 3
# Half a decade below the largest budget.
BEND_BELOW = 0.5


@dataclass(frozen=True, kw_only=True)
class Coefficients:
    """A truth: `m` reducible nats at the middle, `w` the share of size there, outer exponents `a` and `b`."""

    E: float
    m: float
    gamma: float
    a: float
    b: float
    w: float

    @property
    def slope(self) -> float:
        """Fall of ln(reducible loss) in ln(compute) along the middle."""
        return 0.5 * (self.w * self.a + (1.0 - self.w) * self.b)


def coefficients(rng: np.random.Generator) -> Coefficients:
    """Within what the literature has found: see `bayes_dsl/laws/published.py`."""
    return Coefficients(
        E=rng.uniform(1.0, 2.2),
        m=rng.uniform(0.5, 1.3),
        gamma=float(np.exp(rng.uniform(np.log(0.3), 0.0))),
        a=rng.uniform(0.15, 0.35),
        b=rng.uniform(0.15, 0.35),
        w=rng.uniform(0.3, 0.7),
    )


@dataclass(frozen=True, kw_only=True)
class World:
    """How a world leaves the law: each part is drawn once a table; None changes nothing.

    `size` and `tokens` warp x and y; `interaction` is what y's exponent gains with each decade of size, relative, and
    `bend` what every exponent loses beyond the data's edge; `swapped` rows bear each other's sizes.
    """

    size: Warp | None = None
    tokens: Warp | None = None
    interaction: float = 0.0
    bend: float = 0.0
    degrees_of_freedom: float = DEGREES_OF_FREEDOM
    swapped: int = 0


def _right(rng: np.random.Generator) -> World:
    return World()


def _form(rng: np.random.Generator) -> World:
    """Exponents that follow a power of the logarithm: another form everywhere, not only outside the data."""

    def stretched(smallest: float, middle: float, power: float) -> Warp:
        here = np.log(middle / smallest)
        return lambda x: here / power * ((np.maximum(here + x, 0.0) / here) ** power - 1.0)

    powers = rng.uniform(0.75, 1.25, 2)
    return World(
        size=stretched(SMALLEST_PARAMS, MIDDLE[0], powers[0]),
        tokens=stretched(SMALLEST_TOKENS, MIDDLE[1], powers[1]),
    )


def _drift(rng: np.random.Generator) -> World:
    """Exponents wander by 5 to 10 % in a decade, from the middle on."""
    return World(size=wandering(rng, rng.uniform(0.05, 0.10)), tokens=wandering(rng, rng.uniform(0.05, 0.10)))


def _interaction(rng: np.random.Generator) -> World:
    """The exponent of tokens is 5 to 10 % larger or smaller for each decade of size."""
    return World(interaction=signed(rng, 0.05, 0.10))


def _heavy(rng: np.random.Generator) -> World:
    return World(degrees_of_freedom=2.0)


def _mislabelled(rng: np.random.Generator) -> World:
    return World(swapped=SWAPPED)


def _bend(rng: np.random.Generator) -> World:
    """All exponents change by 7 to 25 % half a decade below the largest budget."""
    return World(bend=signed(rng, 0.07, 0.25))


WORLDS: Mapping[str, Callable[[np.random.Generator], World]] = {
    "right law": _right,
    "other form": _form,
    "drifting exponents": _drift,
    "interaction": _interaction,
    "heavy tails": _heavy,
    "mislabelled rows": _mislabelled,
    "bend at the edge": _bend,
}
TABLES: Mapping[str, int] = {name: 500 if name == "right law" else 200 for name in WORLDS}


def _design() -> tuple[Floats, Floats]:
    flops, ratio = (grid.ravel() for grid in np.meshgrid(BUDGETS, TOKENS_PER_PARAM, indexing="ij"))
    params = np.sqrt(flops / (6.0 * ratio))
    return np.round(params), np.round(ratio * params)


PARAMS, TOKENS = _design()
MIDDLE = float(np.exp(np.log(PARAMS).mean())), float(np.exp(np.log(TOKENS).mean()))


def log_loss(truth: Coefficients, world: World, params: Floats, tokens: Floats) -> Floats:
    """ln(expected loss), nats per token, of runs (run,)."""
    x, y = np.log(params / MIDDLE[0]), np.log(tokens / MIDDLE[1])
    decades = (x + y + np.log(6.0 * MIDDLE[0] * MIDDLE[1] / BUDGETS[-1])) / LN10
    y = y if world.tokens is None else world.tokens(y)
    y = y * (1.0 + world.interaction * x / LN10)
    x = x if world.size is None else world.size(x)
    share = np.logaddexp(
        np.log(truth.w) - truth.a / truth.gamma * x, np.log1p(-truth.w) - truth.b / truth.gamma * y
    )
    beyond = np.maximum(decades + BEND_BELOW, 0.0)
    level = truth.gamma * share + world.bend * truth.slope * LN10 * beyond
    return np.asarray(np.log(truth.E + truth.m * np.exp(level)))


def simulated(name: str, number: int, *, seed: int) -> Simulated:
    """One table of a world, and the run that it does not show."""
    rng = np.random.default_rng((seed, list(WORLDS).index(name), number))
    truth, world = coefficients(rng), WORLDS[name](rng)
    flops = BUDGETS[-1] * np.exp(rng.uniform(*np.log(BEYOND)))
    ratio = np.exp(rng.uniform(*np.log(ASKED_TOKENS_PER_PARAM)))
    params = np.round(np.sqrt(flops / (6.0 * ratio)))
    tokens = np.round(ratio * params)
    every = np.append(PARAMS, params), np.append(TOKENS, tokens)
    noise = SCALE * rng.standard_t(world.degrees_of_freedom, len(every[0]))
    loss = np.exp(log_loss(truth, world, *every) + noise)
    labels = np.arange(len(PARAMS))
    if world.swapped:
        taken = rng.choice(len(PARAMS), world.swapped, replace=False)
        labels[taken] = np.roll(labels[taken], 1)
    known = pd.DataFrame(
        {"role": "supervised", "params": PARAMS[labels], "tokens": TOKENS, "loss": loss[:-1]}
    )
    target = Target(kind="8x to 16x", params=float(params), tokens=float(tokens), loss=float(loss[-1]))
    return Simulated(known=RunTable.from_pandas(known), targets=(target,))


STUDY = Study(
    law="supervised",
    simulated=simulated,
    worlds=tuple(WORLDS),
    tables=TABLES,
    methods={"bare law": None, "misfit": Misfit()},
    floor={name: 0.80 if name == "bend at the edge" else 0.85 for name in WORLDS if name != "right law"},
    off=(0.865, 0.935),
    on=(0.88, 0.99),
    wider=1.6,
    worse=1.15,
    sampler=Settings(chains=2, warmup=500, draws=500, most_draws=2000, target_accept=0.95),
    seconds=4.0,
)
