"""The capacity gap in closed form: a student's error against its teacher's size, in kernel regression.

The target is `f* = sum_i alpha_i phi_i` over orthonormal features. A teacher fits it with the first m of them
and a norm of at most T; a student fits the teacher with the first n and a norm of at most D; both see
unlimited data, so that each fit is a projection, scaled down where its norm is too large:

    teacher: C alpha_1..m       C = min(1, T / |alpha_1..m|)
    student: Q C alpha_1..k     Q = min(1, D / (C |alpha_1..k|)),  k = min(m, n)

Past m = n a teacher spends its norm on features that the student lacks. The student's error stays where it is
while `C |alpha_1..n| >= D` (the student's norm is what limits it: Q C = D / |alpha_1..n| whatever C is), and
rises once `C |alpha_1..n| < D`, from about m = n (T / D)^2 where the coefficients are alike in size.

Busbridge et al., arXiv 2502.08606, appendix C.1 (Eqs 18-21, Fig. 10). The text of the proof there has the two
sub-cases of m >= n the wrong way round: it is with a norm below D, not above, that the error rises.

Array axes: P features, M teacher sizes 1..P, N student sizes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.runs.writing import write_table

Floats = NDArray[np.float64]

STUDENT_SIZES = (300, 400, 500, 600, 700, 800)
COLUMNS = ("student_size", "teacher_size", "teacher_error", "student_error", "teacher_norm_seen")

FLAT = 1e-9
"""Errors that differ by less than this share of their size are the same: rounding, in sums of squares."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """A target, and how large the functions may be that teachers and students answer with.

    Attributes
    ----------
    coefficients_P
        alpha, one coefficient for each feature; finite.
    teacher_norm, student_norm
        T and D, above 0. The paper has D <= T < |alpha|; the closed form needs neither.

    Raises
    ------
    InputError
        With every fault at once.
    """

    coefficients_P: Floats
    teacher_norm: float = 5.0
    student_norm: float = 4.5

    def __post_init__(self) -> None:
        faults = [_no_norm(name, getattr(self, name)) for name in ("teacher_norm", "student_norm")]
        found = [fault for fault in faults if fault is not None]
        alpha = self.coefficients_P
        if alpha.ndim != 1 or not alpha.size or not np.isfinite(alpha).all():
            found.append(
                _fault("coefficients_P", f"shape {alpha.shape}", "one finite coefficient for each feature")
            )
        if found:
            raise InputError(found)

    @property
    def norms_M(self) -> Floats:
        """|alpha_1..m| for m = 1..P."""
        return np.sqrt(np.cumsum(np.square(self.coefficients_P)))


def paper_problem(seed: int = 0) -> Problem:
    """The target of Fig. 10: 1000 coefficients, uniform on [-1, 1]; T = 5, D = 4.5."""
    return Problem(coefficients_P=np.random.default_rng(seed).uniform(-1.0, 1.0, 1000))


def teacher_errors(problem: Problem) -> Floats:
    """Distance |g* - f*| of the teacher of each size 1..P from the target, shape (M,); it never rises with m."""
    norms_M = problem.norms_M
    scale_M = _scale(problem.teacher_norm, norms_M)
    return _distance(scale_M, norms_M, norms_M[-1])


def student_errors(problem: Problem, student_sizes: ArrayLike) -> Floats:
    """Distance |h* - f*| of each student from the target under the teacher of each size, shape (N, M).

    Parameters
    ----------
    problem : Problem
    student_sizes : array_like of int
        n, each in 1..P.

    Returns
    -------
    numpy.ndarray
        Row by student, column m - 1 for the teacher of m features: non-increasing for m < n, non-decreasing
        from m = n on.

    Raises
    ------
    InputError
        A student's size is not a whole number of features in 1..P.
    """
    norms_M = problem.norms_M
    sizes_N = _sizes(student_sizes, norms_M.size)
    teacher_M = _scale(problem.teacher_norm, norms_M)
    shared_NxM = np.minimum(sizes_N[:, None], np.arange(1, norms_M.size + 1))
    seen_NxM = norms_M[shared_NxM - 1]
    student_NxM = _scale(problem.student_norm, teacher_M * seen_NxM)
    return _distance(student_NxM * teacher_M, seen_NxM, norms_M[-1])


def teacher_norms_seen(problem: Problem, student_sizes: ArrayLike) -> Floats:
    """C |alpha_1..k|, the norm of what a student can see of its teacher, shape (N, M): D divides its sub-cases."""
    norms_M = problem.norms_M
    sizes_N = _sizes(student_sizes, norms_M.size)
    shared_NxM = np.minimum(sizes_N[:, None], np.arange(1, norms_M.size + 1))
    seen_NxM: Floats = norms_M[shared_NxM - 1]
    return _scale(problem.teacher_norm, norms_M) * seen_NxM


def best_teachers(errors_M: Floats) -> tuple[int, int]:
    """The smallest and the largest teacher that leave a student its least error; a plateau often joins them."""
    least = errors_M.min()
    (best,) = np.nonzero(errors_M <= least + FLAT * max(least, 1.0))
    return int(best[0]) + 1, int(best[-1]) + 1


def figure(problem: Problem, student_sizes: Iterable[int] = STUDENT_SIZES) -> pd.DataFrame:
    """The data of Fig. 10: a row for each student and teacher, columns `COLUMNS`."""
    sizes_N = [*student_sizes]
    errors_NxM = student_errors(problem, sizes_N)
    teachers = errors_NxM.shape[1]
    columns: dict[str, Any] = {
        "student_size": np.repeat(sizes_N, teachers),
        "teacher_size": np.tile(np.arange(1, teachers + 1), len(sizes_N)),
        "teacher_error": np.tile(teacher_errors(problem), len(sizes_N)),
        "student_error": errors_NxM.ravel(),
        "teacher_norm_seen": teacher_norms_seen(problem, sizes_N).ravel(),
    }
    return pd.DataFrame(columns, columns=list(COLUMNS))


def summary(frame: pd.DataFrame) -> tuple[str, ...]:
    """A sentence for each student of a figure: its best teachers, and what the largest one costs it."""
    lines = []
    for size, rows in frame.groupby("student_size", sort=False):
        errors_M = rows["student_error"].to_numpy()
        first, last = best_teachers(errors_M)
        best = f"{first}" if first == last else f"{first} to {last}"
        lines.append(
            f"student of {size} features: best with a teacher of {best} (error {errors_M.min():.2f}), "
            f"{errors_M[-1]:.2f} with one of {len(errors_M)}"
        )
    return tuple(lines)


def write_figure(path: Path, *, seed: int = 0) -> tuple[str, ...]:
    """Write the data of Fig. 10 as CSV or Parquet, and return its summary.

    Raises
    ------
    InputError
        The name says another format, or the folder does not take the file.
    """
    frame = figure(paper_problem(seed))
    write_table(frame, path)
    return summary(frame)


def _scale(limit: float, norms: Floats) -> Floats:
    """min(1, limit / norm), which is 1 for the function 0."""
    return np.asarray(limit / np.maximum(norms, limit))


def _distance(scale: Floats, seen: Floats, whole: float) -> Floats:
    """|f* - scale f*_seen| where `seen` and `whole` are norms of a part of the target and of all of it."""
    return np.asarray(np.sqrt(np.square((1.0 - scale) * seen) + (np.square(whole) - np.square(seen))))


def _sizes(student_sizes: ArrayLike, features: int) -> NDArray[np.int64]:
    sizes_N = np.atleast_1d(np.asarray(student_sizes))
    bad = sizes_N.dtype.kind not in "iu" or sizes_N.ndim > 1 or np.any((sizes_N < 1) | (sizes_N > features))
    if bad:
        raise InputError(
            _fault("student_sizes", str(sizes_N.tolist()), f"whole numbers from 1 to {features}")
        )
    return sizes_N.astype(np.int64)


def _no_norm(name: str, value: float) -> Fault | None:
    return None if np.isfinite(value) and value > 0 else _fault(name, repr(value), "a finite number above 0")


def _fault(what: str, value: str, rule: str) -> Fault:
    remedy = "See the appendix C.1 that the module cites for what it stands for"
    return Fault(where="kernel regression", what=what, value=value, rule=f"must be {rule}", remedy=remedy)
