"""The keys of `--json` for decisions: those that each verb's help lists, and what is not a number is null."""

import json
import math
import re

import pytest

from bayes_dsl.cli import decision_keys, decision_verbs, risk_keys, teacher_keys
from bayes_dsl.cli.json_keys import Keys

VERBS = {
    "allocate": (decision_verbs.allocate, decision_keys.AllocateKeys),
    "compare": (decision_verbs.compare, decision_keys.CompareKeys),
    "risk": (decision_verbs.risk, risk_keys.RiskKeys),
    "teachers": (decision_verbs.teachers, teacher_keys.TeachersKeys),
}
# What a decision recommends, as agreed on; more keys may follow these.
RECOMMENDED = (
    "student_params",
    "student_tokens",
    "teacher_params",
    "teacher_tokens",
    "teacher_loss",
    "cost_flops",
)


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_lists_the_keys(verb: str) -> None:
    function, keys = VERBS[verb]
    found = re.search(r"(?:Keys of --json|its keys): ([^.]*)\.", " ".join((function.__doc__ or "").split()))
    assert found is not None
    assert tuple(found[1].split(", ")) == tuple(keys.model_fields)


def test_the_keys_of_allocate_are_those_agreed_on() -> None:
    keys = tuple(decision_keys.AllocateKeys.model_fields)
    agreed = (
        "scenario",
        "budget_flops",
        "cost_model",
        "recommended",
        "near_optimal",
        "undetermined",
        "bounds_hit",
    )
    assert keys[: len(agreed)] == agreed
    recommended = tuple(decision_keys.RecommendedKeys.model_fields)
    assert recommended[: len(RECOMMENDED)] == RECOMMENDED and "student_loss" in recommended


def test_a_number_that_is_not_finite_is_null() -> None:
    numbers = {"median": math.nan, "lower": 1.0, "upper": math.inf, "prob": 0.9, "at_bound": 0.0}
    printed = json.loads(decision_keys.RangeKeys(**numbers, kind="eti").model_dump_json())
    assert printed == {**numbers, "median": None, "upper": None, "kind": "eti"}


def test_every_report_refuses_undeclared_keys() -> None:
    reports = [
        one
        for one in (*vars(decision_keys).values(), *vars(risk_keys).values())
        if isinstance(one, type) and issubclass(one, Keys)
    ]
    assert len(reports) > 4
    for report in reports:
        with pytest.raises(ValueError, match="Extra inputs are not permitted"):
            report(anything=1)
