"""Where the misfit of distilled runs has its knots: over their size, tokens, teachers' losses, and these against L~."""

from __future__ import annotations

import numpy as np

from bayes_dsl.inference.drift import LN10, Grid, grid_over
from bayes_dsl.runs.table import RunTable

ROLE = "distilled"
# What a decade is to size and tokens, this is to ln(loss): about half of what the teachers of a study span.
TAU = 0.25
LEAST_STEP, MOST_CELLS = 0.25, 8
LEAST_LOSS_STEP, MOST_LOSS_CELLS = 0.5, 6


def gap_weights(used: RunTable) -> np.ndarray:
    """The gap of each distilled run, (run,), where the law has something to explain; equal where none has a gap."""
    mask = used.values("role") == ROLE
    gap = np.maximum(used.values("loss")[mask] - used.values("teacher_loss")[mask], 0.0)
    return np.asarray(gap if gap.sum() > 0 else np.ones_like(gap))


def students_alone(used: RunTable) -> np.ndarray:
    """About ln L~ of each student, (run,): a plane through the supervised runs, to place knots by."""
    role, log_loss = used.values("role"), np.log(used.values("loss"))
    planes = np.column_stack(
        [np.ones(len(used)), np.log(used.values("params")), np.log(used.values("tokens"))]
    )
    supervised = role != ROLE
    plane, *_ = np.linalg.lstsq(planes[supervised], log_loss[supervised], rcond=None)
    return np.asarray(planes[role == ROLE] @ plane)


def gap_logs(used: RunTable) -> dict[str, np.ndarray]:
    """What a misfit warps in the gap, by axis, (run,): ln N_S, ln D_S, ln L_T, and about ln(L_T / L~) ("R")."""
    mask = used.values("role") == ROLE
    log_L_T = np.log(used.values("teacher_loss")[mask])
    return {
        "N_S": np.log(used.values("params")[mask]),
        "D_S": np.log(used.values("tokens")[mask]),
        "L_T": log_L_T,
        "R": log_L_T - students_alone(used),
    }


def gap_grids(used: RunTable, *, reach: float) -> dict[str, Grid]:
    """Knots over a table's distilled runs, and `reach` decades of size and tokens, or TAUs of ln(loss), beyond."""
    weights, grids = gap_weights(used), {}
    for axis, logs in gap_logs(used).items():
        by_loss = axis in ("L_T", "R")
        grids[axis] = grid_over(
            logs,
            origin=float(np.average(logs, weights=weights)),
            # Upwards is towards stronger teachers.
            unit=LN10 if not by_loss else -TAU if axis == "L_T" else TAU,
            least_step=LEAST_LOSS_STEP if by_loss else LEAST_STEP,
            cells=MOST_LOSS_CELLS if by_loss else MOST_CELLS,
            spare=1 if by_loss else 0,
            reach=reach,
            filled=True,
        )
    return grids
