"""Which costs one student pays, and what that comes to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from bayes_dsl.costs.checks import as_written, flag_faults, label, number_faults, text_faults
from bayes_dsl.costs.flops import CostModel
from bayes_dsl.errors import Fault, InputError, UnknownName


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Which part of the teacher's costs is charged to one student, and what the student will serve.

    FLOPs = 3 F(N_S) D_S + F(N_S) D_serving + F(N_T) (w_logits D_S + 3 w_pretraining D_T), with
    w_pretraining = pretraining / students and w_logits = logits, or logits / students where they are stored.

    Attributes
    ----------
    name : str
        What answers call it.
    logits : float
        Share of the teacher's inference that is charged, 0 to 1.
    pretraining : float
        Share of the teacher's training that is charged, 0 to 1.
    students : float
        Students that share the teacher, at least 1: each pays its part of the teacher's training.
    stored_logits : bool
        The logits are computed once and kept for all students, who share their cost, rather than computed
        again for each.
    serving_tokens : float
        Tokens that the student will serve in its lifetime, each a forward pass.
    teacher : bool
        Whether there is a teacher at all; without one, as in `SUPERVISED_TRAINING`, nothing of it is charged.

    Raises
    ------
    InputError
        A value is out of its range; every breach is listed.

    Notes
    -----
    Busbridge et al., Distillation Scaling Laws, arXiv 2502.08606, Eq. 9 and Table 2. Sharing among students
    and serving are ours.
    """

    name: str
    logits: float
    pretraining: float
    students: float = 1.0
    stored_logits: bool = False
    serving_tokens: float = 0.0
    teacher: bool = True

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise InputError(faults)
        for what in ("logits", "pretraining", "students", "serving_tokens"):
            object.__setattr__(self, what, float(getattr(self, what)))

    def _faults(self) -> Iterator[Fault]:
        where = f"scenario {label(self.name)}"
        yield from text_faults(self.name, where=where, what="name")
        for what in ("logits", "pretraining"):
            yield from number_faults(
                getattr(self, what),
                where=where,
                what=what,
                allowed=lambda x: 0 <= x <= 1,
                rule="the share that is charged must be a number from 0 to 1",
                remedy="Give 0 for nothing, 1 for all, or a fraction such as 0.5",
            )
        yield from number_faults(
            self.students,
            where=where,
            what="students",
            allowed=lambda x: x >= 1,
            rule="at least one student shares the teacher",
            remedy="Give a finite number of 1 or more",
        )
        yield from flag_faults(self.stored_logits, where=where, what="stored_logits")
        yield from flag_faults(self.teacher, where=where, what="teacher")
        if not self.teacher and (self.logits or self.pretraining):
            rule = "nothing can be charged for a teacher that is not there"
            value = f"logits {as_written(self.logits)}, pretraining {as_written(self.pretraining)}"
            remedy = "Give 0 for both shares, or let there be a teacher"
            yield Fault(where=where, what="teacher", value=value, rule=rule, remedy=remedy)
        yield from number_faults(
            self.serving_tokens,
            where=where,
            what="serving_tokens",
            allowed=lambda x: x >= 0,
            rule="must be a finite number of tokens, 0 or more",
            remedy="Give the tokens of a lifetime, such as 1e12, or 0",
        )

    @property
    def logits_weight(self) -> float:
        """What one student pays of the logits for its tokens: a fraction of F(N_T) D_S."""
        return self.logits / self.students if self.stored_logits else self.logits

    @property
    def pretraining_weight(self) -> float:
        """What one student pays of the teacher's training: a fraction of 3 F(N_T) D_T."""
        return self.pretraining / self.students

    def parts(
        self,
        model: CostModel,
        *,
        student_params: Any,
        student_tokens: Any,
        teacher_params: Any = None,
        teacher_tokens: Any = None,
    ) -> dict[str, Any]:
        """The four parts of one student's cost in FLOPs, the names in the order of the bill.

        Parameters
        ----------
        model : CostModel
            F(N).
        student_params, student_tokens, teacher_params, teacher_tokens : array_like
            N_S, D_S, N_T, D_T: scalars, numpy or JAX arrays, which broadcast. A teacher's value may be None
            where this scenario charges nothing that needs it.

        Returns
        -------
        dict
            `student_training`, `teacher_logits`, `teacher_training`, `serving`; each broadcast over the
            values that it is made of.

        Raises
        ------
        InputError
            A value of the teacher is None where the scenario charges for it.
        """
        logits: Any = 0.0
        pretraining: Any = 0.0
        if self.logits_weight or teacher_params is not None:
            self._require(teacher_params=teacher_params)
            logits = self.logits_weight * model.logits(teacher_params, student_tokens)
        if self.pretraining_weight or (teacher_params is not None and teacher_tokens is not None):
            self._require(teacher_params=teacher_params, teacher_tokens=teacher_tokens)
            pretraining = self.pretraining_weight * model.training(teacher_params, teacher_tokens)
        return {
            "student_training": model.training(student_params, student_tokens),
            "teacher_logits": logits,
            "teacher_training": pretraining,
            "serving": model.serving(student_params, self.serving_tokens),
        }

    def cost(
        self,
        model: CostModel,
        *,
        student_params: Any,
        student_tokens: Any,
        teacher_params: Any = None,
        teacher_tokens: Any = None,
    ) -> Any:
        """FLOPs that one student pays: the sum of `parts`, called the same way."""
        parts = self.parts(
            model,
            student_params=student_params,
            student_tokens=student_tokens,
            teacher_params=teacher_params,
            teacher_tokens=teacher_tokens,
        )
        return (
            parts["student_training"] + parts["teacher_logits"] + parts["teacher_training"] + parts["serving"]
        )

    def describe(self) -> str:
        """One line: what is charged."""
        if not self.teacher:
            line = f"{self.name}: the run's own training"
            return f"{line}; serving {self.serving_tokens:.4g} tokens" if self.serving_tokens else line
        line = (
            f"{self.name}: the student's training, {_share(self.logits)} of the teacher's logits, "
            f"{_share(self.pretraining)} of the teacher's training"
        )
        if self.students > 1:
            logits = " and its stored logits" if self.stored_logits else ", though not its logits"
            line += f"; {self.students:g} students share the teacher's training{logits}"
        if self.serving_tokens:
            line += f"; serving {self.serving_tokens:.4g} tokens"
        return line

    def _require(self, **values: Any) -> None:
        faults = [
            Fault(
                where=f"scenario {self.name}",
                what=what,
                value="None",
                rule="this scenario charges for the teacher",
                remedy=f"Give {what}, or choose {BEST_CASE.name}",
            )
            for what, value in values.items()
            if value is None
        ]
        if faults:
            raise InputError(faults)


def _share(fraction: float) -> str:
    return {0.0: "none", 1.0: "all"}.get(fraction, f"{100 * fraction:.4g} %")


BEST_CASE = Scenario(name="best-case", logits=0, pretraining=0)
"""The teacher costs nothing."""

TEACHER_INFERENCE = Scenario(name="teacher-inference", logits=1, pretraining=0)
"""The teacher exists, or has other uses: its logits are paid."""

TEACHER_PRETRAINING = Scenario(name="teacher-pretraining", logits=0, pretraining=1)
"""The teacher is trained for the student; its logits are kept and reused by many."""

PRETRAINING_AND_INFERENCE = Scenario(name="pretraining-and-inference", logits=1, pretraining=1)
"""The teacher is trained for this one student: both are paid in full."""

SUPERVISED_TRAINING = Scenario(name="supervised", logits=0, pretraining=0, teacher=False)
"""No teacher: the whole budget trains the network on data."""

SCENARIOS = (BEST_CASE, TEACHER_INFERENCE, TEACHER_PRETRAINING, PRETRAINING_AND_INFERENCE)
"""The four scenarios of the paper, cheapest teacher first; `SUPERVISED_TRAINING` is what they compete with."""


def scenario(name: str, /, **changes: Any) -> Scenario:
    """The named scenario, with some of its fields changed.

    Parameters
    ----------
    name : str
        best-case, teacher-inference, teacher-pretraining, pretraining-and-inference, or supervised.
    **changes
        Fields of `Scenario` to exchange, such as `students=4` or `logits=0.5`.

    Raises
    ------
    UnknownName
        No scenario has that name, or a scenario no such field; the message lists those that there are.
    InputError
        A value is out of its range.

    Examples
    --------
    >>> scenario("teacher-pretraining", students=4).pretraining_weight
    0.25
    """
    known = tuple(field.name for field in fields(Scenario))
    named = (*SCENARIOS, SUPERVISED_TRAINING)
    faults = [
        Fault(
            where=f"scenario {label(name)}",
            what="field",
            value=change,
            rule="a scenario has no such field",
            remedy=f"Choose from {', '.join(known)}",
        )
        for change in changes
        if change not in known
    ]
    found = [one for one in named if one.name == name]
    if not found:
        rule = "no scenario has this name"
        remedy = f"Choose one of {', '.join(one.name for one in named)}"
        faults.insert(0, Fault(where="scenario", what="name", value=label(name), rule=rule, remedy=remedy))
    if faults:
        raise UnknownName(faults)
    return replace(found[0], **changes)
