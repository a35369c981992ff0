"""A plan as people write it: `ours: student=1B, tokens=20B, teacher=3B, teacher-tokens=60B`."""

from __future__ import annotations

from collections.abc import Sequence

from bayes_dsl.decisions.plans import Plan
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.runs.quantities import parse_quantity

FIELDS = {
    "student": "student_params",
    "tokens": "student_tokens",
    "teacher": "teacher_params",
    "teacher-tokens": "teacher_tokens",
    "teacher-loss": "teacher_loss",
}
_EXAMPLE = "Write it like 'ours: student=1B, tokens=20B, teacher=3B, teacher-tokens=60B'"


def plans_of(texts: Sequence[str], *, taken: Sequence[str]) -> dict[str, Plan]:
    """The plans by name, in the order given; every fault of every plan at once.

    Raises
    ------
    InputError
        A plan without a name or with one that is `taken`, an unknown or repeated part, or a bad number.
    """
    faults: list[Fault] = []
    plans: dict[str, Plan] = {}
    for text in texts:
        name, colon, parts = text.partition(":")
        name = name.strip()
        if not colon or not name:
            faults.append(_fault(text, "a plan is NAME: PART=VALUE, ...", _EXAMPLE))
            continue
        if name in plans or name in taken:
            faults.append(_fault(name, "a plan of this name is there already", "Give it another name"))
            continue
        try:
            plans[name] = _plan(name, parts)
        except InputError as error:
            faults.extend(error.faults)
    if faults:
        raise InputError(faults)
    return plans


def _plan(name: str, parts: str) -> Plan:
    faults: list[Fault] = []
    given: dict[str, float] = {}
    for part in parts.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or key not in FIELDS or FIELDS[key] in given:
            known = ", ".join(FIELDS)
            faults.append(_fault(f"{name}: {part.strip()}", f"its parts are {known}, each once", _EXAMPLE))
            continue
        try:
            given[FIELDS[key]] = parse_quantity(value, where=f"--plan {name}", what=key)
        except InputError as error:
            faults.extend(error.faults)
            given[FIELDS[key]] = float("nan")
    for key in ("student", "tokens"):
        if FIELDS[key] not in given:
            faults.append(_fault(f"{name}: {parts.strip()}", f"{key} is missing", _EXAMPLE))
    if faults:
        raise InputError(faults)
    return Plan(**given)


def _fault(value: str, rule: str, remedy: str) -> Fault:
    return Fault(where="risk", what="--plan", value=value, rule=rule, remedy=remedy)
