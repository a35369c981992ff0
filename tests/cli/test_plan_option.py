"""A plan is read as people write it, and every fault of every plan is said at once."""

import pytest

from bayes_dsl.cli.plan_option import plans_of
from bayes_dsl.decisions.plans import Plan
from bayes_dsl.errors import InputError


def test_plans_are_read_in_their_order() -> None:
    found = plans_of(
        [
            "ours: student=1B, tokens=20B, teacher=3B, teacher-tokens=60e9",
            "by loss:student=500M,tokens=1e10,teacher-loss=2.1",
            "alone: tokens=20B, student=1B",
        ],
        taken=(),
    )
    assert list(found) == ["ours", "by loss", "alone"]
    assert found["ours"] == Plan(
        student_params=1e9, student_tokens=2e10, teacher_params=3e9, teacher_tokens=6e10
    )
    assert found["by loss"].teacher_loss == 2.1
    assert found["alone"].supervised
    assert plans_of((), taken=("ours",)) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("student=1B", "a plan is NAME: PART=VALUE"),
        (": student=1B, tokens=1B", "a plan is NAME: PART=VALUE"),
        ("a: student=1B", "tokens is missing"),
        ("a: student=1B, tokens=1B, size=3", "its parts are student, tokens, teacher"),
        ("a: student=1B, tokens=1B, tokens=2B", "each once"),
        ("a: student=one, tokens=1B", "--plan a: student = one; must be a finite number above zero"),
        ("a: student=1B, tokens=1B, teacher=1B", "a teacher by size has parameters and tokens"),
        ("recommended: student=1B, tokens=1B", "a plan of this name is there already"),
    ],
)
def test_a_wrong_plan_is_refused_in_a_line(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        plans_of([text], taken=("recommended",))
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == len(caught.value.faults) == 1


def test_every_fault_is_listed_at_once() -> None:
    with pytest.raises(InputError) as caught:
        plans_of(
            ["a: student=x, tokens=y", "b", "c: student=1B, tokens=1B", "c: student=1B, tokens=1B"], taken=()
        )
    assert len(caught.value.faults) == 4
