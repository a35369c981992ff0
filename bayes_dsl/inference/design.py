"""Which runs a study makes: sizes, tokens and teachers, before any loss is known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bayes_dsl.errors import Fault, InputError

FLOPS_PER_PARAM_AND_TOKEN = 6.0
"""The usual rule of thumb for training, forward and backward: a design needs no better count."""


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One run to be made.

    Attributes
    ----------
    role : {"supervised", "distilled"}
    params, tokens : float
        Non-embedding parameters, training tokens.
    teacher : int or None
        Of a distilled run: the position in the design of the supervised run that teaches it.
    teacher_loss : float or None
        Or the loss of a teacher that is no run of the design, nats per token.
    teacher_params, teacher_tokens : float or None
        Or its size and tokens: its loss is then simulated like a supervised run's, once for all its students.
    unique_tokens : float or None
        Distinct tokens among those seen; None leaves the column empty.
    group, seed : str
        Labels of the run table: rows of one group share an effect; rows that differ in seed alone are
        replicates.
    """

    role: Literal["supervised", "distilled"] = "supervised"
    params: float
    tokens: float
    teacher: int | None = None
    teacher_loss: float | None = None
    teacher_params: float | None = None
    teacher_tokens: float | None = None
    unique_tokens: float | None = None
    group: str = ""
    seed: str = ""


@dataclass(frozen=True, kw_only=True)
class Design:
    """The runs of a study, in the order of their rows.

    Raises
    ------
    InputError
        A run is impossible (a number that is not positive, a distilled run without exactly one teacher, a
        teacher that is not a supervised run of the design); every such run is listed.
    """

    runs: tuple[PlannedRun, ...]
    counting: Literal["non_embedding", "total"] | None = "non_embedding"

    def __post_init__(self) -> None:
        faults = tuple(fault for row, run in enumerate(self.runs) for fault in self._faults(row, run))
        if not self.runs:
            faults = (_fault("design", "runs", "()", "a design has at least one run"),)
        if faults:
            raise InputError(faults)

    def _faults(self, row: int, run: PlannedRun) -> Iterator[Fault]:
        where = f"design, run {row}"
        given = {
            name: getattr(run, name)
            for name in (
                *("params", "tokens", "teacher_loss", "teacher_params", "teacher_tokens", "unique_tokens"),
            )
        }
        for name, value in given.items():
            if value is not None and not (value > 0 and math.isfinite(value)):
                yield _fault(where, name, str(value), "it is a finite number above zero")
        if run.role not in ("supervised", "distilled"):
            yield _fault(where, "role", run.role, "a run is supervised or distilled")
        teachers = [
            run.teacher is not None,
            run.teacher_loss is not None,
            run.teacher_params is not None or run.teacher_tokens is not None,
        ]
        if sum(teachers) != (run.role == "distilled"):
            rule = (
                "a distilled run has one teacher (a run, a loss, or params and tokens), a supervised run none"
            )
            yield _fault(where, "teachers", str(sum(teachers)), rule)
        elif (run.teacher_params is None) != (run.teacher_tokens is None):
            yield _fault(where, "teacher", "half given", "teacher_params and teacher_tokens go together")
        elif run.teacher is not None and not self._teaches(run.teacher):
            yield _fault(where, "teacher", str(run.teacher), "it is the position of a supervised run")

    def _teaches(self, row: int) -> bool:
        return 0 <= row < len(self.runs) and self.runs[row].role == "supervised"

    def __len__(self) -> int:
        return len(self.runs)

    def __add__(self, other: Design) -> Design:
        """The runs of both, one after the other; teachers keep pointing at their own runs."""
        shift = len(self)
        moved = tuple(
            run if run.teacher is None else replace(run, teacher=run.teacher + shift) for run in other.runs
        )
        return replace(self, runs=self.runs + moved)

    def positions(self, role: str = "supervised") -> tuple[int, ...]:
        """Where the runs of a role stand."""
        return tuple(row for row, run in enumerate(self.runs) if run.role == role)

    def distil(self, *, teachers: Iterable[int], students: Iterable[tuple[float, float]]) -> Design:
        """This design, with every one of these students (params, tokens) taught by every one of these runs.

        Parameters
        ----------
        teachers : iterable of int
            Positions of supervised runs of this design.
        students : iterable of (float, float)
            Parameters and tokens of each student.
        """
        pairs = tuple(students)
        taught = tuple(
            PlannedRun(role="distilled", params=params, tokens=tokens, teacher=teacher)
            for teacher in teachers
            for params, tokens in pairs
        )
        return replace(self, runs=self.runs + taught)

    def replicated(self, seeds: int) -> Design:
        """Every run made with this many seeds; a student's teacher is the first seed of its teacher."""
        runs = tuple(
            replace(run, seed=str(seed), teacher=None if run.teacher is None else run.teacher * seeds)
            for run in self.runs
            for seed in range(seeds)
        )
        return replace(self, runs=runs)


def _fault(where: str, what: str, value: str, rule: str) -> Fault:
    return Fault(where=where, what=what, value=value, rule=rule, remedy="Change this run of the design")


def supervised_grid(
    params: Sequence[float],
    *,
    tokens: Sequence[float] = (),
    tokens_per_param: Sequence[float] = (),
    group_by_size: bool = False,
) -> Design:
    """Supervised runs of every size with every number of tokens, and at every ratio of tokens to parameters.

    Parameters
    ----------
    params : sequence of float
        Sizes, in parameters.
    tokens, tokens_per_param : sequence of float
        Training tokens, and training tokens per parameter.
    group_by_size : bool
        Whether the runs of one size are one group, like the checkpoints of one run.
    """
    runs = tuple(
        PlannedRun(params=size, tokens=trained, group=f"{size:.4g} params" if group_by_size else "")
        for size in params
        for trained in (*tokens, *(ratio * size for ratio in tokens_per_param))
    )
    return Design(runs=runs)


def isoflop_design(
    budgets_flops: Sequence[float],
    params: Sequence[float],
    *,
    tokens_per_param: tuple[float, float] = (2.0, 400.0),
) -> Design:
    """Supervised runs that spend each budget on every size for which it buys a sensible number of tokens.

    Parameters
    ----------
    budgets_flops : sequence of float
        Training compute of each profile, FLOPs, counted as 6 params tokens.
    params : sequence of float
        Sizes, in parameters.
    tokens_per_param : (float, float)
        Least and largest ratio; sizes outside it are left out of the profile.
    """
    least, most = tokens_per_param
    runs = tuple(
        PlannedRun(params=size, tokens=budget / (FLOPS_PER_PARAM_AND_TOKEN * size))
        for budget in budgets_flops
        for size in params
        if least <= budget / (FLOPS_PER_PARAM_AND_TOKEN * size * size) <= most
    )
    return Design(runs=runs)


# Sizes of Table 13 of arXiv 2502.08606, non-embedding parameters.
_FIXED_RATIO_SIZES = (
    *(0.1434e9, 0.1983e9, 0.3398e9, 0.546e9, 0.9755e9, 1.355e9),
    *(1.821e9, 2.718e9, 4.823e9, 7.747e9, 12.61e9),
)
_LONG_SIZES = (0.1983e9, 0.546e9, 0.9755e9, 1.821e9, 4.823e9, 7.747e9)
_TEACHER_SIZES = (0.546e9, 0.9755e9, 1.821e9, 2.718e9, 4.823e9, 7.747e9)
_STUDENT_RANGES = {  # budget, FLOPs: smallest and largest student
    3e19: (0.1983e9, 1.586e9),
    1e20: (0.3398e9, 3.082e9),
    3e20: (0.6636e9, 4.823e9),
    1e21: (1.355e9, 7.747e9),
}
_FIXED_RATIO_STUDENTS = (0.1983e9, 0.546e9, 0.9755e9, 1.821e9)


def busbridge_study_design() -> Design:
    """A study after the protocols of Busbridge et al. (arXiv 2502.08606, Section 4.2): 120 + 254 runs.

    Supervised: eleven sizes at 20 tokens per parameter, six sizes on 512e9 tokens, and IsoFLOP profiles of
    3e19, 1e20, 3e20 and 1e21 FLOPs. Distilled: six teachers of 20 tokens per parameter with six students on
    each of the four profiles (144 runs); five teachers of each profile with four students of 20 tokens per
    parameter (80); five teachers with two students at three ratios of tokens to parameters (30). Every
    teacher is a supervised run. Compute is 6 params tokens, where the paper counts attention too; it has
    fewer supervised runs (74) and more distilled ones (697).
    """
    fixed_ratio = supervised_grid(_FIXED_RATIO_SIZES, tokens_per_param=(20.0,))
    long = supervised_grid(_LONG_SIZES, tokens=(512e9,))
    profiles = [isoflop_design([budget], np.geomspace(1e8, 1e10, 46).tolist()) for budget in _STUDENT_RANGES]
    design = fixed_ratio + long
    several: list[int] = []
    for profile in profiles:
        several += (len(design) + np.linspace(1, len(profile) - 2, 5).round().astype(int)).tolist()
        design = design + profile
    by_size = {run.params: row for row, run in enumerate(fixed_ratio.runs)}
    students = [
        (size, budget / (FLOPS_PER_PARAM_AND_TOKEN * size))
        for budget, (smallest, largest) in _STUDENT_RANGES.items()
        for size in np.geomspace(smallest, largest, 6).tolist()
    ]
    design = design.distil(teachers=[by_size[size] for size in _TEACHER_SIZES], students=students)
    design = design.distil(teachers=several, students=[(size, 20 * size) for size in _FIXED_RATIO_STUDENTS])
    return design.distil(
        teachers=[by_size[size] for size in (0.1983e9, 0.546e9, 1.821e9, 4.823e9, 12.61e9)],
        students=[(size, ratio * size) for size in (0.1434e9, 0.546e9) for ratio in (40, 80, 320)],
    )
