"""The expected loss of a run: the law, and the misfit between law and world, at the one seam where they meet.

The program conditions on `expected_log_loss` and the forecast evaluates it, so that what is believed and what is
forecast can never differ. Without a misfit the world follows the law exactly ("bare law"). With it three paths
(`drift.py`) warp ln N, ln D and the law's own ln L,

    ln L(N, D) = W_L(ln L_law(e^{W_N(ln N)}, e^{W_D(ln D)})),        W_N', W_D', W_L' > 0,

so that every local exponent of the law is multiplied by positive factors, W_N' W_L' in size and W_D' W_L' in
tokens, which are 1 at the data's middle and wander from there: more parameters or tokens never raise the expected
loss. W_L is measured in decades of compute, by how fast the best loss fell over the last of them; below the best
loss of the data it wanders faster, since no run has gone there (the edge). Distilled runs stay above their teacher by
a gap, whose own inputs are warped alike,

    ln(L_S - L_T) = ln gap_law(W(ln N_S), W(ln D_S), W(ln L_T), W(ln(L_T / L~))),        L~ = L(N_S, D_S) from above,

the scales of the last two counted by a quarter in ln(loss) where the others have a decade; students larger than any
seen, and teachers stronger than any seen, have edges too. The form asks nothing of a law but its inputs and its gap.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayes_dsl.errors import Fault, InputError, TableError
from bayes_dsl.inference.drift import LN10, AtRuns, Grid, Path, climbs, grid_over
from bayes_dsl.inference.gap_grids import gap_grids, gap_logs, students_alone
from bayes_dsl.inference.paths import EDGES, Drift, students_drift
from bayes_dsl.inference.priors import Density, Prior
from bayes_dsl.laws.base import GapInputs, Law, Values
from bayes_dsl.laws.logarithms import log_sum
from bayes_dsl.runs.table import RunTable

BARE_LAW = "none"
DRIFT = "drift"
AXES = ("N", "D", "L")
"""The logarithms that a misfit warps: size, tokens, and the law's own loss."""

EDGE = f"log_{EDGES['L']}"
FREE = ("L", "L_T", "R")
"""Axes on which the runs move with the draw."""

ROLE, DISTILLED = "supervised", "distilled"
# Knots: no closer than a quarter of a decade, no more than so many cells over the data.
LEAST_STEP, MOST_CELLS = 0.25, 10
# Where a table spans less compute than this (decades), its losses tell no pace.
LEAST_SPAN = 1.0
# A path may leave every number: its exponential is held within this, where no law still moves.
LARGEST = 500.0
SLOWEST = 0.25
LEAST_PACE = 0.01
"""Fall of ln(loss) in a decade of compute that is assumed at least."""


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """The prior of the misfit: medians of how far local exponents wander, relative, in a decade.

    `size`, `tokens` and `level` are those of W_N, W_D and W_L over the data, `edge` what is added to W_L's
    (as variances add) below the data's best loss. In the gap of distilled runs `student` is that of the student's
    size and of its tokens, `teacher` and `ratio` those of ln L_T and ln(L_T / L~), in a quarter of ln(loss);
    `student_edge` and `teacher_edge` are added beyond the largest student and the strongest teacher. `doubt` is the
    standard deviation of each one's logarithm. Paths reach `reach` decades of size and of tokens beyond the data.
    Without `students`, or where the law has no gap, distilled runs follow the law at their teacher's loss.
    """

    size: float = 0.03
    tokens: float = 0.03
    level: float = 0.03
    edge: float = 0.07
    student: float = 0.1
    teacher: float = 0.2
    ratio: float = 0.3
    student_edge: float = 0.2
    teacher_edge: float = 0.1
    doubt: float = 0.7
    reach: float = 4.0
    students: bool = True

    def __post_init__(self) -> None:
        faults = [
            Fault(
                where="Misfit",
                what=field.name,
                value=f"{getattr(self, field.name)}",
                rule="must be a finite number above 0" + (" and at most 8" if field.name == "reach" else ""),
                remedy=f"The default is {field.default}",
            )
            for field in fields(self)
            if field.name != "students"
            and not 0 < getattr(self, field.name) < (8.0 + 1e-9 if field.name == "reach" else math.inf)
        ]
        if faults:
            raise InputError(faults)

    def densities(self, *, gap: bool = False) -> tuple[Density, ...]:
        """The prior of the scales, on their logarithms; `gap`: with those of distilled runs."""
        over = "1 to 10 % of it in a decade"
        reasons = {
            "log_drift_N": (self.size, f"the exponent of size wanders: {over}"),
            "log_drift_D": (self.tokens, f"the exponent of tokens wanders: {over}"),
            "log_drift_L": (self.level, f"all exponents wander together as the loss falls: {over}"),
            EDGE: (
                self.edge,
                "beyond the best run no data vouch for the exponents: 2 to 22 % more in a decade",
            ),
        }
        reasons |= self._of_gap() if gap else {}
        return tuple(
            Density(name=name, loc=math.log(median), scale=self.doubt, reason=reason)
            for name, (median, reason) in reasons.items()
        )

    def _of_gap(self) -> dict[str, tuple[float, str]]:
        student = (
            "the gap's exponents are known from fewer runs, with more scatter: 3 to 32 % of them in a decade"
        )
        return {
            "log_drift_N_S": (self.student, student),
            "log_drift_D_S": (self.student, student),
            "log_drift_L_T": (
                self.teacher,
                "the few teachers hardly tell how the gap bends with their loss",
            ),
            "log_drift_R": (self.ratio, "the capacity transition has no theory behind its shape"),
            "log_drift_edge_student": (self.student_edge, "no run vouches for larger students"),
            "log_drift_edge_teacher": (self.teacher_edge, "no run vouches for stronger teachers"),
        }


def with_misfit(prior: Prior, misfit: Misfit, *, gap: bool = False) -> Prior:
    """The prior with the misfit's densities, `gap`: those of distilled runs too, except those that it has."""
    added = (d for d in misfit.densities(gap=gap) if d.name not in prior.names)
    return Prior(densities=(*prior.densities, *added))


def drifts_gap(misfit: Misfit, law: Law, used: RunTable) -> bool:
    """Whether students drift: it is asked for, a table has distilled runs, and the law a gap for them to drift in."""
    return _has_students(misfit, law, used) and law.role(DISTILLED).log_gap is not None


def _has_students(misfit: Misfit, law: Law, used: RunTable) -> bool:
    return misfit.students and law.explains(DISTILLED) and bool((used.values("role") == DISTILLED).any())


def students_held(misfit: Misfit, law: Law, used: RunTable) -> tuple[str, ...]:
    """A note where students were to drift and cannot: the law gives them no gap."""
    if _has_students(misfit, law, used) and not drifts_gap(misfit, law, used):
        return (
            f"students follow the law at their teacher's loss: the {law.name} law has no gap to drift in",
        )
    return ()


def _inputs(law: Law) -> tuple[str, ...]:
    return law.role(ROLE).inputs if law.explains(ROLE) else ()


def axes_of(law: Law) -> tuple[str, ...]:
    """The axes along which a law can drift.

    Raises
    ------
    InputError
        The law does not explain supervised runs by their size or tokens.
    """
    inputs = _inputs(law)
    if not {"N", "D"} & set(inputs):
        raise InputError(
            Fault(
                where=f"law {law.name}",
                what="misfit",
                value=f"inputs {', '.join(inputs) or 'none'}",
                rule="a misfit drifts along the size and tokens of supervised runs, and the law has neither",
                remedy="Fit the bare law: misfit=None, or --no-misfit",
            )
        )
    return tuple(axis for axis in AXES if axis == "L" or axis in inputs)


def misfit_of(law: Law, used: RunTable) -> tuple[Misfit | None, tuple[str, ...]]:
    """The package's misfit where law and table allow one; otherwise None, and a note that says why."""
    if law.takes("U"):
        return None, ("without misfit: it would change how often tokens were repeated, which the law reads",)
    if not {"N", "D"} & set(_inputs(law)):
        return None, (
            "without misfit: the law has neither size nor tokens of supervised runs to drift along",
        )
    if not bool((used.values("role") == ROLE).any()):
        return None, ("without misfit: it is learnt from supervised rows, and there are none",)
    return Misfit(), ()


def logs_of(used: RunTable) -> dict[str, np.ndarray]:
    """ln size, ln tokens and ln loss of a table's supervised runs, by axis, (run,)."""
    mask = used.values("role") == ROLE
    columns = {"N": "params", "D": "tokens", "L": "loss"}
    return {axis: np.log(used.values(column)[mask]) for axis, column in columns.items()}


def grids_of(misfit: Misfit, law: Law, used: RunTable) -> dict[str, Grid]:
    """Knots of each axis over a table's supervised runs, and of the gap's over its distilled ones.

    Raises
    ------
    TableError
        There is no supervised run. InputError where the law cannot drift.
    """
    axes, logs = axes_of(law), logs_of(used)
    log_loss = logs["L"]
    if not log_loss.size:
        raise TableError(
            Fault(
                where=used.source,
                what="misfit",
                value="no supervised rows",
                rule="the misfit is learnt from supervised rows",
                remedy="Fit the bare law: misfit=None, or --no-misfit",
            )
        )
    gap = drifts_gap(misfit, law, used)
    # L~ of students is evaluated at their sizes and tokens.
    students = gap_logs(used) if gap else {}
    grids = {
        axis: grid_over(
            logs[axis],
            origin=float(np.mean(logs[axis])),
            unit=LN10,
            least_step=LEAST_STEP,
            cells=MOST_CELLS,
            spare=0,
            reach=misfit.reach,
            also=students.get(f"{axis}_S"),
        )
        for axis in axes
        if axis != "L"
    }
    pace = _pace(np.sum([logs[axis] for axis in grids], axis=0) / LN10, log_loss)
    grids["L"] = grid_over(
        log_loss,
        origin=float(np.mean(log_loss)),
        unit=-pace,
        least_step=LEAST_STEP,
        cells=MOST_CELLS,
        spare=1,
        reach=misfit.reach,
        also=students_alone(used) if gap else None,
    )
    return grids | (gap_grids(used, reach=misfit.reach) if gap else {})


def _pace(compute: np.ndarray, log_loss: np.ndarray) -> float:
    """How far ln(loss) falls in a decade of compute at the data's far end: there the edge begins.

    The fall of the best loss over the last decade, no faster than over all the data and not much slower.
    """
    mean = float(np.ptp(log_loss)) / max(float(np.ptp(compute)), LEAST_SPAN)
    before = compute <= compute.max() - 1.0
    last = float(log_loss[before].min() - log_loss.min()) if before.any() else mean
    return max(min(last, mean), SLOWEST * mean, LEAST_PACE)


def numbers_of(grids: Mapping[str, Grid], used: RunTable) -> dict[str, dict[str, Any]]:
    """The grids as arrays for the program, with what each sampled knot adds to each run's size and tokens, by role."""
    numbers: dict[str, dict[str, Any]] = {}
    places: dict[str, dict[str, np.ndarray]] = {axis: {ROLE: log} for axis, log in logs_of(used).items()}
    if students_drift(grids):
        students = gap_logs(used)
        for axis in ("N", "D"):
            places[axis][DISTILLED] = students[f"{axis}_S"]
            places[f"{axis}_S"] = {DISTILLED: students[f"{axis}_S"]}
    for axis, grid in grids.items():
        numbers[axis] = grid.numbers(grid.first, grid.last)
        if axis in EDGES:
            numbers[axis]["edged"] = grid.edged(grid.first, grid.last).astype(np.float64)
        if axis not in FREE:
            numbers[axis]["climbs"] = {
                role: grid.unit
                * climbs((log - grid.origin) / grid.unit, grid.first, grid.sampled + 1, grid.step)
                for role, log in places[axis].items()
            }
    return numbers


def expected_log_loss(
    law: Law, role: str, parameters: Values, inputs: Values, drift: Drift | None = None
) -> jax.Array:
    """ln(expected loss / (nats per token)) of runs of one role; arrays broadcast against each other.

    `drift` (None: the bare law) bears on supervised runs, and where it has a `gap`, on distilled ones.
    """
    if drift is None or (role == DISTILLED and drift.gap is None):
        return law.log_loss(role, parameters, inputs)
    if role == DISTILLED:
        return _distilled(law, parameters, inputs, drift)
    warps: dict[str, Path | AtRuns | None] = {"N": drift.N, "D": drift.D}
    warped = dict(inputs)
    for name, warp in warps.items():
        if warp is not None:
            warped[name] = jnp.exp(jnp.clip(warp(jnp.log(inputs[name])), -LARGEST, LARGEST))
    return drift.L(law.log_loss(role, parameters, warped))


def _distilled(law: Law, parameters: Values, inputs: Values, drift: Drift) -> jax.Array:
    """ln of the teacher's loss and the gap above it, whose inputs follow their paths."""
    gap, log_gap = drift.gap, law.role(DISTILLED).log_gap
    if gap is None or log_gap is None:
        raise ValueError(f"the {law.name} law has no gap to drift in")
    log_N_S, log_D_S, log_L_T = (jnp.log(inputs[name]) for name in ("N_S", "D_S", "L_T"))
    student = {"N": inputs["N_S"], "D": inputs["D_S"]}
    log_ratio = log_L_T - expected_log_loss(law, ROLE, parameters, student, drift)
    at = GapInputs(gap.N_S(log_N_S), gap.D_S(log_D_S), gap.L_T(log_L_T), gap.R(log_ratio))
    return log_sum(log_L_T, log_gap(parameters, at))
