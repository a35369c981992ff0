"""The distance from the runs is told on each axis, in decades and in a sentence, and only where there is one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bayes_dsl.forecast.extrapolation import Extrapolation, extrapolation
from bayes_dsl.forecast.question import question
from bayes_dsl.inference.posterior import Posterior
from tests.forecast.made import made

# The made table: params 1e8..4e9, tokens 2e9..2e11, both growing together, teachers 2.0..2.6.
PARAMS, TOKENS, COMPUTE = (1e8, 4e9), (2e9, 2e11), (2e17, 8e20)


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    return made()


def reach(posterior: Posterior, params: Any, tokens: Any, teacher_loss: Any = None) -> Extrapolation:
    asked = question(posterior, student_params=params, student_tokens=tokens, teacher_loss=teacher_loss)
    return extrapolation(posterior, asked, asked.teacher_loss)


def test_inside_the_runs_there_is_no_distance_and_no_sentence(posterior: Posterior) -> None:
    found = reach(posterior, [1e8, 1e9, 4e9], [2e9, 2e10, 2e11], 2.3)
    assert set(found.decades) == {"params", "tokens", "compute", "teacher_loss"}
    for axis, decades in found.decades.items():
        np.testing.assert_allclose(decades, 0.0, atol=1e-12, err_msg=axis)
    assert found.sentences() == ()
    np.testing.assert_allclose(found.times_largest_compute, [2e17 / 8e20, 2e19 / 8e20, 1.0])


def test_each_axis_is_told_for_itself(posterior: Posterior) -> None:
    found = reach(posterior, [4e10, 1e7, 1e9], [2e10, 2e10, 2e13], [2.3, 1.0, 5.2])
    np.testing.assert_allclose(found.decades["params"], [1.0, -1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(found.decades["tokens"], [0.0, 0.0, 2.0], atol=1e-12)
    np.testing.assert_allclose(found.decades["compute"], [0.0, 0.0, np.log10(25)], atol=1e-12)
    np.testing.assert_allclose(found.decades["teacher_loss"], [0.0, np.log10(0.5), np.log10(2.0)], atol=1e-12)
    np.testing.assert_allclose(found.times_largest_compute, [1.0, 2e17 / 8e20, 25.0])


def test_the_sentences_say_the_farthest_on_either_side(posterior: Posterior) -> None:
    found = reach(posterior, [4e10, 4e11, 1e7], 2e10, 1.0)
    assert found.sentences() == (
        "params is 100 times the largest of the runs (2.00 decades beyond)",
        "params is 0.1 times the smallest of the runs (1.00 decades below)",
        "compute is 10 times the largest of the runs (1.00 decades beyond)",
        "teacher loss is 0.5 times the smallest of the runs (0.30 decades below)",
    )


def test_a_target_at_the_edge_is_not_beyond_it(posterior: Posterior) -> None:
    assert reach(posterior, 4e9 * 1.02, 2e10).sentences() == ()
    assert reach(posterior, 4e9 * 1.03, 2e10).sentences() != ()


def test_without_a_teacher_the_teachers_axis_is_not_there(posterior: Posterior) -> None:
    assert set(reach(posterior, 1e9, 2e10).decades) == {"params", "tokens", "compute"}


def test_a_law_without_runs_of_the_role_is_measured_by_the_others() -> None:
    found = reach(made(roles=("supervised",)), 4e10, 2e10, 2.1)
    np.testing.assert_allclose(found.decades["params"], [1.0])
    assert "teacher_loss" not in found.decades


def test_only_runs_of_the_role_and_with_status_ok_count(small_distilled: Posterior) -> None:
    used = small_distilled.table.used
    students = used.values("role") == "distilled"
    largest = used.values("params")[students].max()
    assert used.values("params").max() > largest
    found = reach(small_distilled, largest * 10, 2e10, 2.5)
    np.testing.assert_allclose(found.decades["params"], [1.0])
    found = reach(small_distilled, used.values("params").max() * 10, 2e10)
    np.testing.assert_allclose(found.decades["params"], [1.0])
