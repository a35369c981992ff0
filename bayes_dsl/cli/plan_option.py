"""A plan as people write it: `ours: student=1B, tokens=20B, teacher=3B, teacher-tokens=60B`."""

from __future__ import annotations

from collections.abc import Sequence

from bayes_dsl.cli.named_parts import Grammar, named
from bayes_dsl.decisions.plans import Plan

GRAMMAR = Grammar(
    verb="risk",
    option="--plan",
    what="plan",
    parts={
        "student": "student_params",
        "tokens": "student_tokens",
        "teacher": "teacher_params",
        "teacher-tokens": "teacher_tokens",
        "teacher-loss": "teacher_loss",
    },
    needed=("student", "tokens"),
    example="ours: student=1B, tokens=20B, teacher=3B, teacher-tokens=60B",
)


def plans_of(texts: Sequence[str], *, taken: Sequence[str]) -> dict[str, Plan]:
    """The plans by name, in the order given; every fault of every plan at once.

    Raises
    ------
    InputError
        See `named`.
    """
    return named(texts, GRAMMAR, lambda _, numbers: Plan(**numbers), taken=taken)
