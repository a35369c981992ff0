"""A run table from a law and a design, with noise that is known: for tests, demonstrations and planning."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import jax
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.design import Design
from bayes_dsl.laws.base import INPUT_COLUMNS, Law, Role
from bayes_dsl.runs.table import RunTable

Floats = NDArray[np.float64]

# The order fixes which random stream each part of the noise draws from.
_EFFECTS = ("group", "replicate", "teacher", "student")


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How runs scatter about the law, on ln(loss): so every number here is relative to the loss.

    ln(loss) = ln(law) + shared effects + scale (tokens / tokens_reference)^-slope t, with t a Student-t draw.

    Attributes
    ----------
    scale, scale_distilled : float
        Scale of the Student-t scatter of supervised and distilled runs at `tokens_reference`; its standard
        deviation is larger by sqrt(degrees_of_freedom / (degrees_of_freedom - 2)).
    degrees_of_freedom : float
        Of the Student-t; infinity is the normal distribution.
    slope : float
        Power by which the scale falls with tokens.
    tokens_reference : float
        Tokens at which the scales hold.
    group_effect : float
        Standard deviation of the effect shared by the rows of one `group`.
    replicate_effect : float
        Of the effect shared by the supervised runs of one configuration (params, tokens).
    teacher_effect : float
        Of the effect shared by the students of one teacher; the teacher's own loss does not have it.
    student_effect : float
        Of the effect shared by the distilled runs of one student configuration (params, tokens).

    Raises
    ------
    InputError
        A number is negative or not finite where it must be; every such number is listed.
    """

    scale: float = 0.005
    scale_distilled: float = 0.005
    degrees_of_freedom: float = 5.0
    slope: float = 0.0
    tokens_reference: float = 2e10
    group_effect: float = 0.0
    replicate_effect: float = 0.0
    teacher_effect: float = 0.0
    student_effect: float = 0.0

    def __post_init__(self) -> None:
        faults = []
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if name in ("degrees_of_freedom", "tokens_reference"):
                fine = value > 0 and (name == "degrees_of_freedom" or math.isfinite(value))
                rule, remedy = "it is above zero", "Give a positive number, such as the default"
            else:
                fine = (name == "slope" or value >= 0) and math.isfinite(value)
                rule = "it is finite, and no scale is negative"
                remedy = "Give 0 for a part that is to be absent"
            if not fine:
                faults.append(Fault(where="Noise", what=name, value=str(value), rule=rule, remedy=remedy))
        if faults:
            raise InputError(faults)


NOISELESS = Noise(scale=0.0, scale_distilled=0.0)
"""Every run on the law: for tests of what a fit does with perfect data."""


def simulate(
    law: Law, parameters: Mapping[str, float], design: Design, *, noise: Noise, seed: int
) -> RunTable:
    """Make the run table of a study whose truth is known.

    A student learns from its teacher's measured loss, luck included; the teacher's row, or a teacher that is
    no row of the design, is measured before it. Teachers may be far weaker than the student would be alone.

    Parameters
    ----------
    law : Law
        Any law that explains the design's roles, whose inputs are columns of the run table.
    parameters : mapping of str to float
        The truth: one number for each of the law's parameters.
    design : Design
        The runs to make.
    noise : Noise
        How they scatter. The draws of each part come from a stream of their own, so that switching one
        part off leaves the others as they were.
    seed : int
        The same seed gives the same table to the last bit.

    Returns
    -------
    RunTable
        One row for each run of the design, in its order; `source` says that it is simulated.

    Raises
    ------
    InputError
        The law does not explain a role of the design, a parameter is missing, or a run lacks the unique tokens that
        the law reads.
    """
    frame = _planned(design)
    scatter = _scatter(frame, noise, seed)
    teacher = frame["_teacher"].to_numpy()
    loss = np.full(len(frame), np.nan)
    for role in ("supervised", "distilled"):  # teachers are measured before they teach
        rows = np.asarray(frame["role"] == role)
        if rows.any():
            loss[rows] = np.exp(_log_losses(law, law.role(role), parameters, frame[rows]) + scatter[rows])
        frame.loc[teacher >= 0, "teacher_loss"] = loss[teacher[teacher >= 0]]
    frame["loss"] = loss
    kept = frame.iloc[: len(design)].drop(columns="_teacher")
    kept = kept[[name for name in kept if not _is_empty(kept[name])]]
    return replace(RunTable.from_pandas(kept, counting=design.counting), source=f"simulated, {law.name} law")


def _planned(design: Design) -> pd.DataFrame:
    """The design's rows, and after them one supervised row for each teacher that is no run of the design.

    `_teacher` is the row of a student's teacher, -1 where there is none.
    """
    runs = list(design.runs)
    outside = {
        (run.teacher_params, run.teacher_tokens): 0
        for run in runs
        if run.teacher_params is not None and run.teacher_tokens is not None
    }
    for position, teacher in enumerate(outside, start=len(runs)):
        outside[teacher] = position
    frame = pd.DataFrame(
        {
            "run_id": [f"{run.role}-{row:04d}" for row, run in enumerate(runs)],
            "role": [run.role for run in runs],
            "params": [_whole(run.params) for run in runs],
            "tokens": [_whole(run.tokens) for run in runs],
            "loss": np.nan,
            "teacher_loss": [_or_nan(run.teacher_loss) for run in runs],
            "unique_tokens": [_or_nan(run.unique_tokens) for run in runs],
            "group": [run.group for run in runs],
            "seed": [run.seed for run in runs],
            "_teacher": [
                outside.get((run.teacher_params or 0.0, run.teacher_tokens or 0.0), -1)
                if run.teacher is None
                else run.teacher
                for run in runs
            ],
        }
    )
    extra = pd.DataFrame(
        {
            "run_id": [f"teacher-{position:04d}" for position in outside.values()],
            "role": "supervised",
            "params": [_whole(params) for params, _ in outside],
            "tokens": [_whole(tokens) for _, tokens in outside],
            "loss": np.nan,
            "teacher_loss": np.nan,
            "unique_tokens": np.nan,
            "group": "",
            "seed": "",
            "_teacher": -1,
        }
    )
    every = pd.concat([frame, extra], ignore_index=True) if outside else frame
    return _with_teachers(every)


def _with_teachers(frame: pd.DataFrame) -> pd.DataFrame:
    teacher = frame["_teacher"].to_numpy()
    known = teacher >= 0
    for column, of_teacher in (
        ("teacher_id", "run_id"),
        ("teacher_params", "params"),
        ("teacher_tokens", "tokens"),
    ):
        values = frame[of_teacher].to_numpy()[teacher]
        frame[column] = np.where(known, values, "" if of_teacher == "run_id" else np.nan)
    named = ~known & frame["teacher_loss"].notna().to_numpy()
    frame.loc[named, "teacher_id"] = [f"loss {loss:.6g}" for loss in frame.loc[named, "teacher_loss"]]
    return frame


def _scatter(frame: pd.DataFrame, noise: Noise, seed: int) -> Floats:
    """What is added to ln(loss) of each row."""
    streams = np.random.SeedSequence(seed).spawn(1 + len(_EFFECTS))
    rng = np.random.default_rng(streams[0])
    if math.isinf(noise.degrees_of_freedom):
        t = rng.standard_normal(len(frame))
    else:
        t = rng.standard_t(noise.degrees_of_freedom, len(frame))
    distilled = np.asarray(frame["role"] == "distilled")
    scale = np.where(distilled, noise.scale_distilled, noise.scale)
    tokens: Floats = frame["tokens"].to_numpy(np.float64)
    total: Floats = scale * (tokens / noise.tokens_reference) ** -noise.slope * t
    configuration = [f"{p!r} {d!r}" for p, d in zip(frame["params"], frame["tokens"], strict=True)]
    shared = {
        "group": list(frame["group"]),
        "replicate": [
            "" if student else name for student, name in zip(distilled, configuration, strict=True)
        ],
        "teacher": list(frame["teacher_id"]),
        "student": [name if student else "" for student, name in zip(distilled, configuration, strict=True)],
    }
    for effect, stream in zip(_EFFECTS, streams[1:], strict=True):
        sd = float(getattr(noise, f"{effect}_effect"))
        total = total + sd * _shared_draws(shared[effect], np.random.default_rng(stream))
    return total


def _shared_draws(labels: Sequence[str], rng: np.random.Generator) -> Floats:
    """One standard normal draw for each label, in the order of appearance; 0 for rows without a label."""
    levels = {label: position for position, label in enumerate(dict.fromkeys(filter(None, labels)))}
    draws: Floats = np.concatenate([rng.standard_normal(len(levels)), [0.0]])
    rows = np.array([levels.get(label, len(levels)) for label in labels], dtype=np.intp)
    found: Floats = draws[rows]
    return found


def _log_losses(law: Law, role: Role, parameters: Mapping[str, float], rows: pd.DataFrame) -> Floats:
    """The law's ln(loss) of rows of one role."""
    inputs = {name: rows[INPUT_COLUMNS[name]].to_numpy(np.float64) for name in role.inputs}
    if np.isnan(inputs.get("U", np.zeros(1))).any():
        rule, remedy = f"the {law.name} law reads it for every run", "Give every PlannedRun its unique_tokens"
        raise InputError(Fault(where="design", what="unique_tokens", value="None", rule=rule, remedy=remedy))
    with jax.enable_x64(True):
        values = law.log_loss(role.name, {name: float(value) for name, value in parameters.items()}, inputs)
        return np.asarray(values, np.float64)


def _is_empty(column: pd.Series) -> bool:
    return bool((column.isna() | (column == "")).all())


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _whole(count: float) -> float:
    return float(round(count))
