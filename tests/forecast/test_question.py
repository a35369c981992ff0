"""A question is checked before it is answered: positive numbers, one length, one teacher, a law that knows it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bayes_dsl.errors import InputError, NotIdentified
from bayes_dsl.forecast.question import question
from bayes_dsl.inference.posterior import Posterior
from tests.forecast.made import made
from tests.repeated import repeated_posterior

ASKED = {"student_params": 1e9, "student_tokens": 2e10}


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    return made()


def refusal(posterior: Posterior, **changed: Any) -> str:
    with pytest.raises(InputError) as error:
        question(posterior, **{**ASKED, **changed})
    return str(error.value)


def test_scalars_and_arrays_come_to_one_length(posterior: Posterior) -> None:
    asked = question(posterior, student_params=[1e9, 2e9, 3e9], student_tokens=2e10, teacher_loss=[2.1])
    assert asked.size == 3 and (asked.role, asked.teacher) == ("distilled", "loss")
    np.testing.assert_array_equal(asked.params, [1e9, 2e9, 3e9])
    np.testing.assert_array_equal(asked.tokens, np.full(3, 2e10))
    np.testing.assert_array_equal(asked.teacher_loss, np.full(3, 2.1))
    assert question(posterior, student_params=1, student_tokens=np.int64(5)).size == 1


def test_the_inputs_are_what_was_asked_and_no_more(posterior: Posterior) -> None:
    assert set(question(posterior, **ASKED).inputs()) == {"params", "tokens"}
    by_loss = question(posterior, **ASKED, teacher_loss=2.1).inputs()
    assert set(by_loss) == {"params", "tokens", "teacher_loss"}
    by_size = question(posterior, **ASKED, teacher_params=5e9, teacher_tokens=1e11)
    assert set(by_size.inputs()) == {"params", "tokens", "teacher_params", "teacher_tokens"}
    assert (by_size.teacher, by_size.role) == ("size", "distilled")
    assert question(posterior, **ASKED).role == "supervised"


@pytest.mark.parametrize("name", ["student_params", "student_tokens", "teacher_loss"])
@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf, [1e9, -2.0], 1e300])
def test_what_is_no_positive_finite_number_is_refused(posterior: Posterior, name: str, bad: Any) -> None:
    shown = float(np.atleast_1d(bad)[-1])
    assert f"forecast: {name} = {shown}; must be a number above 0" in refusal(posterior, **{name: bad})


@pytest.mark.parametrize("bad", ["1B", "", "many", {}, object])
def test_what_is_no_number_is_refused(posterior: Posterior, bad: Any) -> None:
    said = refusal(posterior, student_params=bad)
    assert said.startswith("forecast: student_params = ") and "must be numbers, at least one" in said


def test_nothing_asked_is_refused(posterior: Posterior) -> None:
    assert "student_params = empty; must be numbers, at least one" in refusal(posterior, student_params=[])
    assert "teacher_loss = empty" in refusal(posterior, teacher_loss=np.array([]))


def test_every_fault_is_listed_at_once(posterior: Posterior) -> None:
    said = refusal(posterior, student_params=-1.0, student_tokens=0.0, teacher_loss=np.nan)
    assert [name in said for name in ("student_params", "student_tokens", "teacher_loss")] == [True] * 3


def test_lengths_that_do_not_go_together_are_refused(posterior: Posterior) -> None:
    said = refusal(posterior, student_params=[1e9, 2e9], student_tokens=[1e9, 2e9, 3e9])
    assert "student_params (2,), student_tokens (3,); must broadcast to one length" in said


def test_a_teacher_is_given_whole_and_once(posterior: Posterior) -> None:
    assert "teacher_tokens = none; a teacher given by size needs params and tokens" in refusal(
        posterior, teacher_params=1e9
    )
    assert "teacher_params = none" in refusal(posterior, teacher_tokens=1e9)
    both = refusal(posterior, teacher_loss=2.0, teacher_params=1e9, teacher_tokens=1e10)
    assert "teacher = loss and size; a teacher is given by its loss or by its size" in both


@pytest.mark.parametrize("teacher", [{"teacher_loss": 2.1}, {"teacher_params": 1e9, "teacher_tokens": 1e10}])
def test_a_law_without_teachers_says_so(teacher: dict[str, float]) -> None:
    with pytest.raises(NotIdentified) as error:
        question(made("supervised"), **ASKED, **teacher)
    assert "role = distilled; the supervised posterior does not explain distilled runs" in str(error.value)
    assert "Ask without a teacher" in str(error.value)


def test_unique_tokens_are_asked_for_where_the_law_reads_them_and_refused_elsewhere(
    posterior: Posterior,
) -> None:
    repeated = repeated_posterior()
    assert "forecast: unique_tokens = none; the repetition law asks how many distinct" in refusal(repeated)
    said = refusal(posterior, unique_tokens=1e9)
    assert "unique_tokens = 1000000000.0; the distillation law takes every token for a new one" in said
    assert "unique_tokens = 0.0; must be a number above 0" in refusal(repeated, unique_tokens=0.0)
    asked = question(repeated, **ASKED, unique_tokens=[1e9, 2e10])
    np.testing.assert_array_equal(asked.inputs()["unique_tokens"], [1e9, 2e10])
