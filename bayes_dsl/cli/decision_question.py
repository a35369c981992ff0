"""What the options of a decision mean: numbers, the scenario, the cost model and the search bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bayes_dsl.costs.flops import CostModel, cost_model
from bayes_dsl.costs.scenarios import PRETRAINING_AND_INFERENCE, SUPERVISED_TRAINING, Scenario
from bayes_dsl.costs.scenarios import scenario as scenario_of
from bayes_dsl.decisions.bounds import Bounds, bounds_of
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.runs.quantities import format_quantity, parse_quantity


def numbers(
    texts: Mapping[str, str | None] | Mapping[str, str | Sequence[str] | None], verb: str
) -> dict[str, list[float]]:
    """Quantities as people write them, by flag; every fault at once."""
    faults: list[Fault] = []
    found: dict[str, list[float]] = {}
    for flag, given in texts.items():
        for text in [given] if isinstance(given, str) else given or ():
            try:
                found.setdefault(flag, []).append(parse_quantity(text, where=verb, what=flag))
            except InputError as error:
                faults.extend(error.faults)
    if faults:
        raise InputError(faults)
    return found


def check_sizes(found: Mapping[str, Sequence[float]], verb: str) -> None:
    """Refuse students that are larger than what can be served.

    Raises
    ------
    InputError
        A `--student` is above `--max-student`; every one is listed.
    """
    most = min(found.get("--max-student", ()), default=math.inf)
    faults = [
        Fault(
            where=verb,
            what="--student",
            value=format_quantity(size),
            rule=f"--max-student is {format_quantity(most)}",
            remedy="Ask for a smaller student, or leave --max-student out",
        )
        for size in found.get("--student", ())
        if size > most
    ]
    if faults:
        raise InputError(faults)


def scenario_asked(
    posterior: Posterior,
    name: str | None,
    *,
    logits: float | None,
    pretraining: float | None,
    students: float,
    stored_logits: bool,
    serving_tokens: float,
) -> Scenario:
    """The scenario that the flags describe; unnamed, the dearest one that the posterior's law knows."""
    default = PRETRAINING_AND_INFERENCE if posterior.law.explains("distilled") else SUPERVISED_TRAINING
    changes: dict[str, float | bool] = {"serving_tokens": serving_tokens}
    if students != 1:
        changes["students"] = students
    if stored_logits:
        changes["stored_logits"] = True
    if logits is not None:
        changes["logits"] = logits
    if pretraining is not None:
        changes["pretraining"] = pretraining
    return scenario_of(name or default.name, **changes)


def cost_asked(posterior: Posterior, name: str | None) -> CostModel | None:
    """The cost model that a word names; None leaves it to the posterior."""
    if name != "table":
        return None if name is None else cost_model(name)
    if posterior.cost_model is None:
        raise InputError(
            Fault(
                where="--cost",
                what="cost",
                value=name,
                rule=f"the table {posterior.table.source} came without a cost model",
                remedy="Write runs.cost.toml beside runs.csv and fit again, or choose paper or 6ND",
            )
        )
    return posterior.cost_model


def bounds_asked(
    posterior: Posterior,
    max_student: str | None,
    max_tokens: str | None,
    max_teacher_tokens: str | None,
    verb: str,
) -> Bounds:
    """The search bounds of a posterior with the caps that the flags give."""
    found = numbers(
        {
            "--max-student": max_student,
            "--max-tokens": max_tokens,
            "--max-teacher-tokens": max_teacher_tokens,
        },
        verb,
    )
    caps = {flag: values[0] for flag, values in found.items()}
    return bounds_of(
        posterior,
        student_params_cap=caps.get("--max-student"),
        student_tokens_cap=caps.get("--max-tokens"),
        teacher_tokens_cap=caps.get("--max-teacher-tokens"),
    )


@dataclass(frozen=True, kw_only=True)
class Question:
    """What the flags of one verb ask: numbers by flag, and words that only a posterior gives a meaning."""

    verb: str
    found: Mapping[str, Sequence[float]]
    caps: Mapping[str, str | None]
    cost: str | None
    logits: float | None
    pretraining: float | None
    students: float
    stored_logits: bool

    def one(self, flag: str) -> float | None:
        """The number of a flag that is given once at most."""
        given = self.found.get(flag, ())
        return given[0] if given else None

    def scenario(self, posterior: Posterior, name: str | None) -> Scenario:
        """The scenario of that name with what the flags change in it."""
        return scenario_asked(
            posterior,
            name,
            logits=self.logits,
            pretraining=self.pretraining,
            students=self.students,
            stored_logits=self.stored_logits,
            serving_tokens=self.one("--serving") or 0.0,
        )

    def ground(self, posterior: Posterior) -> tuple[CostModel | None, Bounds]:
        """The cost model that was named, if any, and the search bounds."""
        return cost_asked(posterior, self.cost), bounds_asked(posterior, **self.caps, verb=self.verb)


def question_of(
    verb: str,
    texts: Mapping[str, str | Sequence[str] | None],
    *,
    max_student: str | None,
    max_tokens: str | None,
    max_teacher_tokens: str | None,
    cost: str | None,
    logits: float | None,
    pretraining: float | None,
    students: float,
    stored_logits: bool,
) -> Question:
    """The question that the flags ask; every bad number at once, before any posterior is opened.

    Raises
    ------
    InputError
        A number is none, or a student is larger than what can be served.
    """
    limits = {
        "--max-student": max_student,
        "--max-tokens": max_tokens,
        "--max-teacher-tokens": max_teacher_tokens,
    }
    found = numbers({**texts, **limits}, verb)
    check_sizes(found, verb)
    caps = {
        "max_student": max_student,
        "max_tokens": max_tokens,
        "max_teacher_tokens": max_teacher_tokens,
    }
    return Question(
        verb=verb,
        found=found,
        caps=caps,
        cost=cost,
        logits=logits,
        pretraining=pretraining,
        students=students,
        stored_logits=stored_logits,
    )
