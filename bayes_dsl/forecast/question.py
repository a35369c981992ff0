"""What is asked of a posterior: students, their tokens and teachers, as checked arrays of one length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bayes_dsl.errors import Fault, InputError, NotIdentified
from bayes_dsl.inference.paths import students_drift
from bayes_dsl.inference.posterior import Posterior

Floats = np.ndarray
# No network and no corpus comes near; products of such numbers are still finite.
BELOW = 1e30


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """Candidates, each (candidate,): a student's params and tokens, and its teacher by loss, by size, or none.

    `unique_tokens`, the distinct ones among the tokens, is NaN for laws that do not ask for them. `teacher` is "none"
    (the supervised loss is asked for), "loss" or "size".
    """

    params: Floats
    tokens: Floats
    teacher: str
    teacher_loss: Floats
    teacher_params: Floats
    teacher_tokens: Floats
    unique_tokens: Floats

    @property
    def role(self) -> str:
        return "supervised" if self.teacher == "none" else "distilled"

    @property
    def size(self) -> int:
        return len(self.params)

    def inputs(self) -> dict[str, Floats]:
        """What was asked, by the words of the run table."""
        asked = {"params": self.params, "tokens": self.tokens}
        if not np.isnan(self.unique_tokens).all():
            asked["unique_tokens"] = self.unique_tokens
        if self.teacher == "loss":
            asked["teacher_loss"] = self.teacher_loss
        if self.teacher == "size":
            asked.update(teacher_params=self.teacher_params, teacher_tokens=self.teacher_tokens)
        return asked


def question(
    posterior: Posterior,
    *,
    student_params: ArrayLike,
    student_tokens: ArrayLike,
    teacher_loss: ArrayLike | None = None,
    teacher_params: ArrayLike | None = None,
    teacher_tokens: ArrayLike | None = None,
    unique_tokens: ArrayLike | None = None,
) -> Question:
    """Check a question against the posterior's law; scalars and arrays broadcast to one length.

    Raises
    ------
    InputError
        A value is not a positive finite number, or the teacher is given by half or twice; unique tokens are not given
        to a law that reads them, or given to another; or a supervised run, asked
        about or a teacher, is beyond the reach of the posterior's misfit.
    NotIdentified
        A teacher is asked about and the posterior's law knows none.
    """
    teacher = _teacher(posterior, teacher_loss, teacher_params, teacher_tokens)
    _refuse_unique(posterior, unique_tokens)
    given = {
        "student_params": student_params,
        "student_tokens": student_tokens,
        "teacher_loss": teacher_loss,
        "teacher_params": teacher_params,
        "teacher_tokens": teacher_tokens,
        "unique_tokens": unique_tokens,
    }
    arrays = {
        name: np.full(1, np.nan) if value is None else _numbers(name, value) for name, value in given.items()
    }
    faults = [
        _fault(
            name,
            f"{bad}",
            f"must be a number above 0 and below {BELOW:g}",
            "Give it in plain units, such as 1e9",
        )
        for name, array in arrays.items()
        if given[name] is not None
        for bad in array[~((array > 0) & (array < BELOW))][:1]
    ]
    if faults:
        raise InputError(faults)
    try:
        broadcast = np.broadcast_arrays(*arrays.values())
    except ValueError:
        lengths = ", ".join(
            f"{name} {array.shape}" for name, array in arrays.items() if given[name] is not None
        )
        raise InputError(
            _fault(
                "shapes", lengths, "must broadcast to one length", "Give scalars or arrays of equal length"
            )
        ) from None
    flat = dict(zip(arrays, (np.array(array, dtype=np.float64).ravel() for array in broadcast), strict=True))
    _refuse_beyond_reach(posterior, flat, teacher)
    return Question(
        params=flat["student_params"],
        tokens=flat["student_tokens"],
        teacher=teacher,
        teacher_loss=flat["teacher_loss"],
        teacher_params=flat["teacher_params"],
        teacher_tokens=flat["teacher_tokens"],
        unique_tokens=flat["unique_tokens"],
    )


def _refuse_unique(posterior: Posterior, unique_tokens: object) -> None:
    """Distinct tokens are asked for by laws that read them, and by no others."""
    law = posterior.law
    if law.takes("U") and unique_tokens is None:
        rule = f"the {law.name} law asks how many distinct tokens a run sees"
        remedy = "Give unique_tokens (--unique): the tokens themselves where nothing is repeated"
        raise InputError(_fault("unique_tokens", "none", rule, remedy))
    if unique_tokens is not None and not law.takes("U"):
        rule = f"the {law.name} law takes every token for a new one"
        remedy = "Leave it out, or fit a law of repeated data (--law repetition)"
        raise InputError(_fault("unique_tokens", f"{unique_tokens}", rule, remedy))


def _refuse_beyond_reach(posterior: Posterior, flat: dict[str, Floats], teacher: str) -> None:
    """Losses follow paths that end some decades beyond the runs."""
    student, trained = ("student_params", "student_tokens"), ("teacher_params", "teacher_tokens")
    asked = {"none": student, "size": trained}
    pairs = list(zip(("N", "D"), asked.get(teacher, ()), strict=False))
    if teacher != "none" and students_drift(posterior.grids):
        # Also what the student would reach without its teacher.
        pairs += [*zip(("N", "D"), student, strict=True), *zip(("N_S", "D_S"), student, strict=True)]
        pairs += [("L_T", "teacher_loss")] if teacher == "loss" else []
    faults, told = [], set[str]()
    for axis, name in pairs:
        if axis not in posterior.grids or name in told:
            continue
        least, most = posterior.grids[axis].ends()
        values = flat[name]
        # A bound that was printed and typed in again is inside.
        outside = values[(values < least * (1.0 - 1e-6)) | (values > most * (1.0 + 1e-6))]
        if outside.size:
            told.add(name)
            faults.append(
                _fault(
                    name,
                    f"{outside[0]:g}",
                    f"the misfit's paths go from {least:.3g} to {most:.3g}, as far beyond the runs as was asked",
                    "Ask nearer, or fit with a longer reach (misfit=Misfit(reach=...)) or without the misfit",
                )
            )
    if faults:
        raise InputError(faults)


def _numbers(name: str, value: ArrayLike) -> Floats:
    rule, remedy = "must be numbers, at least one", "Give a number or an array of numbers, such as 1e9"
    try:
        array = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        raise InputError(_fault(name, repr(value), rule, remedy)) from None
    if not array.size:
        raise InputError(_fault(name, "empty", rule, remedy))
    return array


def _teacher(posterior: Posterior, loss: object, params: object, tokens: object) -> str:
    by_size = params is not None or tokens is not None
    if by_size and (params is None or tokens is None):
        missing = "teacher_params" if params is None else "teacher_tokens"
        raise InputError(
            _fault(
                missing, "none", "a teacher given by size needs params and tokens", "Give both, or its loss"
            )
        )
    if by_size and loss is not None:
        raise InputError(
            _fault(
                "teacher",
                "loss and size",
                "a teacher is given by its loss or by its size",
                "Give one of them",
            )
        )
    asked = "size" if by_size else "none" if loss is None else "loss"
    role = "supervised" if asked == "none" else "distilled"
    if not posterior.law.explains(role):
        raise NotIdentified(
            _fault(
                "role",
                role,
                f"the {posterior.law.name} posterior does not explain {role} runs",
                "Ask without a teacher, or sample a distillation posterior from a table with distilled rows"
                if role == "distilled"
                else "Give the teacher's loss, or its size and tokens",
            )
        )
    return asked


def _fault(what: str, value: str, rule: str, remedy: str) -> Fault:
    return Fault(where="forecast", what=what, value=value, rule=rule, remedy=remedy)
