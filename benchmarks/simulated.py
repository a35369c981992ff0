"""A simulated table and the runs that it does not show: what every world of the back-tests gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_dsl.inference.misfit import Misfit
from bayes_dsl.inference.settings import Settings
from bayes_dsl.runs.table import RunTable

Floats = NDArray[np.float64]
Warp = Callable[[Floats], Floats]
LN10 = float(np.log(10.0))
SEED = 20261130
"""Of every table of the record."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A held-out run; losses in nats per token. A student's teacher is given by its loss or by its size and tokens."""

    kind: str
    params: float
    tokens: float
    loss: float
    teacher_loss: float | None = None
    teacher_params: float | None = None
    teacher_tokens: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Simulated:
    """What a forecaster is given, and what it is asked."""

    known: RunTable
    targets: tuple[Target, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """Worlds of one law: `simulated(world, number, seed=...)` makes a table, `tables` counts those of each world.

    `methods` are the misfits under test, None being the bare law; `apart` the kinds of targets that are reported
    apart; `floor` the least coverage that is asked of each world with misfit, `off` and `on` what it is to be in the
    right law's, `wider` and `worse` the price there in width and CRPS; `seconds` is a table's cost.
    """

    law: str
    simulated: Callable[..., Simulated]
    worlds: Sequence[str]
    tables: Mapping[str, int]
    methods: Mapping[str, Misfit | None]
    floor: Mapping[str, float]
    off: tuple[float, float]
    on: tuple[float, float]
    wider: float
    worse: float
    seconds: float
    sampler: Settings
    apart: tuple[str, ...] = ()


def signed(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between low and high, or its negative."""
    return float(rng.choice([-1.0, 1.0]) * rng.uniform(low, high))


def wandering(rng: np.random.Generator, scale: float, *, unit: float = LN10) -> Warp:
    """x -> the integral of 1 + scale B(x / unit), B a Brownian motion from 0 both ways: an exponent that wanders.

    Without the positivity, and without the knots, of the package's own paths; eight units each way.
    """
    step = 0.01
    knots = np.arange(-8.0, 8.0 + step / 2, step)
    middle = len(knots) // 2
    walk = np.cumsum(scale * np.sqrt(step) * rng.standard_normal(len(knots)))
    slope = 1.0 + walk - walk[middle]
    climbed = np.concatenate([[0.0], np.cumsum(0.5 * (slope[1:] + slope[:-1]) * step)])
    climbed -= climbed[middle]
    return lambda x: unit * np.interp(x / unit, knots, climbed)
