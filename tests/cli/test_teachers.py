"""`teachers` says which existing teacher to take, or none, as the library does."""

import json
from pathlib import Path

import pytest

from bayes_dsl.cli.teacher_keys import OptionKeys, TeachersKeys
from bayes_dsl.costs.scenarios import TEACHER_INFERENCE
from bayes_dsl.decisions.existing import Teacher, choose_teacher
from bayes_dsl.inference.posterior import Posterior

ASKED = ("--student", "1B", "--budget", "1e20", "--scenario", "teacher-inference", "--accept-unhealthy")
GIVEN = (
    "weak: loss=2.6, params=1B",
    "good: loss=2.2, params=2B, price=1e19",
    "dear: loss=2.1, params=1B, price=1e21",
)
FLAGS = tuple(word for text in GIVEN for word in ("--teacher", text))
SAME = [
    Teacher(name="weak", loss=2.6, params=1e9),
    Teacher(name="good", loss=2.2, params=2e9, price_flops=1e19),
    Teacher(name="dear", loss=2.1, params=1e9, price_flops=1e21),
]


@pytest.fixture
def found(bayes_dsl, distilled_file: Path) -> dict:
    printed: dict = json.loads(bayes_dsl("teachers", distilled_file, *ASKED, *FLAGS, "--json").out)
    return printed


def test_the_numbers_are_the_library_s(found: dict, small_distilled: Posterior) -> None:
    choice = choose_teacher(
        small_distilled, TEACHER_INFERENCE, SAME, budget_flops=1e20, student_params=1e9, accept_unhealthy=True
    )
    assert list(found) == list(TeachersKeys.model_fields)
    assert [list(one) == list(OptionKeys.model_fields) for one in found["options"]] == [True] * 3
    assert [one["name"] for one in found["options"]] == list(choice.names) == ["weak", "good", "none"]
    assert [one["probability_best"] for one in found["options"]] == choice.probability_best.tolist()
    assert [one["regret"] for one in found["options"]] == choice.table()["regret"].tolist()
    assert found["recommended"] == choice.recommended and found["unaffordable"] == ["dear"]


def test_a_price_and_logits_are_paid_in_tokens(found: dict) -> None:
    tokens = {one["name"]: one["plan"]["student_tokens"] for one in found["options"]}
    assert tokens["good"] < tokens["weak"] < tokens["none"]


def test_people_read_the_same(bayes_dsl, distilled_file: Path, found: dict) -> None:
    shown = bayes_dsl("teachers", distilled_file, *ASKED, *FLAGS).out
    taken = "no teacher: just train" if found["recommended"] == "none" else found["recommended"]
    assert f"Take {taken} (least expected loss over the posterior)." in shown
    assert "dear: its price leaves too little for a student." in shown
    assert "all of the teacher's training" not in shown  # it is in the price


@pytest.mark.parametrize(
    ("teacher", "said"),
    [
        ("a: params=1B", "teachers: --teacher = a: params=1B; loss is missing"),
        ("a: loss=2.2", "charges its logits, which its size tells. Give its parameters."),
    ],
)
def test_what_is_wrong_is_one_line(bayes_dsl, distilled_file: Path, teacher: str, said: str) -> None:
    ran = bayes_dsl("teachers", distilled_file, *ASKED, "--teacher", teacher)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err and len(ran.err.splitlines()) == 1


def test_a_teacher_must_be_named(bayes_dsl, distilled_file: Path) -> None:
    ran = bayes_dsl("teachers", distilled_file, *ASKED)
    assert ran.code == 2 and "--teacher" in ran.err
