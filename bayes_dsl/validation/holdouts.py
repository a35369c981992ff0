"""Which runs a back-test keeps from the posterior: those that are larger than all that it conditions on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.runs.quantities import format_quantity
from bayes_dsl.runs.summary import compute
from bayes_dsl.runs.table import RunTable

Scale = Literal["compute", "params", "tokens"]
LEAST_ROWS = 14
"""Rows that must be left to condition on: the laws have five to eighteen coordinates."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Holdout:
    """A table cut in two by scale.

    Attributes
    ----------
    factor : float
        Rows at no more than 1/factor of the largest scale are conditioned on.
    by : str
        "compute" (FLOPs; 6 params tokens where the table has none), "params" or "tokens".
    limit : float
        The largest scale that may be conditioned on.
    known, later : RunTable
        The rows on either side, status ok.
    beyond : ndarray (row of later,)
        Scale of each later row over the largest among the known ones.
    cluster : ndarray of str (row of later,)
        Rows that are no independent tests of a forecast share it: runs of one group, students of one
        teacher, or repetitions of one configuration.
    """

    factor: float
    by: Scale
    limit: float
    known: RunTable
    later: RunTable
    beyond: np.ndarray
    cluster: np.ndarray


def holdouts(table: RunTable, factors: Sequence[float], *, by: Scale = "compute") -> tuple[Holdout, ...]:
    """The table cut at 1/factor of its largest scale, for each factor from the smallest up.

    Parameters
    ----------
    table : RunTable
        Rows with another status than ok are left out on both sides.
    factors : sequence of float
        Above 1: 8 conditions on rows of at most an eighth of the largest compute.
    by : {"compute", "params", "tokens"}

    Raises
    ------
    InputError
        A factor is not above 1, or `by` is unknown, or a factor leaves fewer than 14 rows to condition on;
        every breach is listed.
    """
    faults = [
        _fault("holdout", f"{factor:g}x", "must be a finite number above 1", "Write 8x for an eighth")
        for factor in factors
        if not 1 < factor < math.inf
    ]
    if by not in get_args(Scale):
        rule, remedy = "is no scale of runs", f"Choose one of {', '.join(get_args(Scale))}"
        faults.append(_fault("by", by, rule, remedy))
    if not factors:
        faults.append(_fault("holdout", "none", "there must be one", "Write --holdout 8x"))
    if faults:
        raise InputError(faults)
    used = table.used
    if not len(used):
        rule, remedy = "a back-test needs finished runs", "Check the status column"
        raise InputError(_fault("rows with status ok", "0", rule, remedy))
    scale = compute(used.columns) if by == "compute" else used.values(by)
    cut = [_holdout(used, scale, float(factor), by) for factor in sorted(set(factors))]
    short = [one for one in cut if len(one.known) < LEAST_ROWS]
    if short:
        raise InputError(_too_short(one) for one in short)
    return tuple(cut)


def _holdout(used: RunTable, scale: np.ndarray, factor: float, by: Scale) -> Holdout:
    limit = float(scale.max()) / factor
    known = scale <= limit
    largest = float(scale[known].max(initial=0.0))
    return Holdout(
        factor=factor,
        by=by,
        limit=limit,
        known=used.select(known),
        later=used.select(~known),
        beyond=scale[~known] / largest if largest else np.full(int((~known).sum()), np.inf),
        cluster=clusters(used)[~known],
    )


def clusters(table: RunTable) -> np.ndarray:
    """A name for each row, shared by rows whose errors are not independent."""
    params, tokens = table.values("params"), table.values("tokens")
    role = table.values("role")
    names = np.array([f"{r} {n:.9g} {d:.9g}" for r, n, d in zip(role, params, tokens, strict=True)], object)
    for column in ("teacher_id", "group"):
        labels = table.values(column)
        names = np.where(labels != "", np.array([f"{column} {one}" for one in labels], object), names)
    return names


def _too_short(one: Holdout) -> Fault:
    rule = (
        f"{len(one.known)} rows have at most {format_quantity(one.limit)} in {one.by}, "
        f"and {LEAST_ROWS} are needed to condition on"
    )
    return _fault("holdout", f"{one.factor:g}x", rule, "Hold out less, or add small runs")


def _fault(what: str, value: str, rule: str, remedy: str) -> Fault:
    return Fault(where="back-test", what=what, value=value, rule=rule, remedy=remedy)
