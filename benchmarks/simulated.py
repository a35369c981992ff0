"""A simulated table and the runs that it does not show: what every world of the back-tests gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_dsl.inference.misfit import Misfit
from bayes_dsl.runs.table import RunTable

Floats = NDArray[np.float64]


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
    apart; `floor` the least coverage that is asked of each world with misfit, and `seconds` a table's cost.
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
    apart: tuple[str, ...] = ()
