"""Which perceptrons a study of the mapping problem trains: a TOML file, refused with all its faults at once."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.files import read_bytes, shown
from models.plan_tables import Distinct, Each, Text, as_written, faults_of

LARGEST_BYTES = 1024**2
"""Bytes of a plan that are read at most."""

Width = Annotated[int, Field(ge=1, le=16_384)]
Steps = Annotated[int, Field(ge=1, lt=2**31)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TeacherSteps(_Table):
    """Teachers of one width that differ in how long they were trained (Fig. 12)."""

    width: Width
    steps: Annotated[tuple[Steps, ...], Each, Distinct]


class MappingPlan(_Table):
    """A study: every student learns from every teacher in every trial, and from labels alone.

    A network of N parameters is trained on `max(least_steps * batch, samples_per_param * N)` samples, the paper's
    rule; the steps of the teachers in `teacher_steps` are given instead.
    """

    name: Text
    classes: Annotated[int, Field(ge=2, le=1024)] = 12
    """K. The paper does not say; its printed examples have 8."""
    copy_share: Annotated[float, Field(ge=0, le=1)] = 1 / 3
    trials: Annotated[int, Field(ge=1, le=1000)] = 4
    first_trial: Annotated[int, Field(ge=0, lt=2**20)] = 0
    """Trials are numbered from here on; the number gives the seeds."""
    student_widths: Annotated[tuple[Width, ...], Each, Distinct]
    teacher_widths: Annotated[tuple[Width, ...], Field(strict=False), Distinct] = ()
    teacher_steps: TeacherSteps | None = None
    batch: Annotated[int, Field(ge=1, le=2**20)] = 512
    peak_rate: Annotated[float, Field(gt=0, le=1)] = 3e-4
    least_steps: Steps = 500
    samples_per_param: Annotated[float, Field(ge=0, le=1e6)] = 20.0
    mixing: Annotated[float, Field(gt=0, le=1)] = 1.0
    """lambda; 1 is pure distillation."""
    temperature: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """tau."""
    eval_samples: Annotated[int, Field(ge=1, le=2**24)] = 16_384
    eval_seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    def params_of(self, width: int) -> int:
        """Weights and biases of a perceptron with two hidden layers of a width."""
        inputs, outputs = 2 * self.classes, self.classes
        return (inputs + 1) * width + (width + 1) * width + (width + 1) * outputs

    def steps_of(self, width: int) -> int:
        """Steps of a network of a width by the rule above, the last of them whole."""
        return max(self.least_steps, int(-(-self.samples_per_param * self.params_of(width) // self.batch)))


def read_plan(path: Path) -> MappingPlan:
    """Read a plan and check all of it.

    Raises
    ------
    FileRefused
        The file is missing, unreadable or larger than 1 MiB.
    InputError
        It is no TOML, or breaks a rule; every breach is one line.
    """
    return parse_plan(read_bytes(Path(path), LARGEST_BYTES), Path(shown(path)).name)


def parse_plan(data: bytes, source: str) -> MappingPlan:
    """The plan that some bytes of TOML spell; `source` is what error lines call it. See `read_plan`."""
    try:
        content: dict[str, Any] = tomllib.loads(data.decode("utf-8-sig").replace("\r\n", "\n"))
    except (ValueError, RecursionError) as error:
        rule, remedy = "the file could not be read as TOML", "Start from models/plans/mapping_fast.toml"
        value = as_written(" ".join(str(error).split()))
        raise InputError(
            Fault(where=source, what="content", value=value, rule=rule, remedy=remedy)
        ) from error
    faults = []
    if not content.get("teacher_widths") and not content.get("teacher_steps"):
        rule, remedy = "a study has teachers", "Write teacher_widths, or a table [teacher_steps]"
        faults.append(Fault(where=source, what="teachers", value="none", rule=rule, remedy=remedy))
    try:
        plan = MappingPlan.model_validate(content)
    except ValidationError as error:
        raise InputError([*faults, *faults_of(error, source)]) from error
    if faults:
        raise InputError(faults)
    return plan
