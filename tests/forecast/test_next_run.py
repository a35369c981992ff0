"""The next run scatters about the expected loss by what one run scatters, and by no more."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from bayes_dsl.errors import ExtrapolationWarning, NotIdentified
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.forecast.next_run import next_run_loss
from bayes_dsl.forecast.result import Forecast
from bayes_dsl.forecast.scatter import scatter
from bayes_dsl.inference.posterior import Posterior
from tests.forecast.made import made, many_draws, with_draws

ASKED = {"student_params": 1e9, "student_tokens": 2e10}
TEACHERS: list[dict[str, float]] = [
    {},
    {"teacher_loss": 2.3},
    {"teacher_params": 3e9, "teacher_tokens": 1e11},
]


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    return made()


def both(posterior: Posterior, **asked: Any) -> tuple[Forecast, Forecast]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        return expected_loss(posterior, **asked), next_run_loss(posterior, **asked)


def width(forecast: Forecast) -> float:
    frame = forecast.interval(prob=0.9)
    return float(frame["upper"][0] - frame["lower"][0])


@pytest.mark.parametrize("teacher", TEACHERS)
def test_it_is_the_expected_loss_with_the_scatter_of_one_run(
    posterior: Posterior, teacher: dict[str, float]
) -> None:
    expected, next_run = both(posterior, **ASKED, **teacher)
    assert (expected.about, next_run.about) == ("expected", "next_run")
    role = "distilled" if teacher else "supervised"
    noise = scatter(posterior, role=role, tokens=np.array([2e10]), stream="next run")
    np.testing.assert_allclose(next_run.loss, expected.loss * np.exp(noise), rtol=1e-14)
    assert next_run.inputs.keys() == expected.inputs.keys()
    assert next_run.warnings == expected.warnings


@pytest.mark.parametrize("teacher", TEACHERS)
def test_it_is_less_certain_than_the_expected_loss(posterior: Posterior, teacher: dict[str, float]) -> None:
    expected, next_run = both(many_draws(posterior, 10), **ASKED, **teacher)
    assert width(next_run) > 1.2 * width(expected)
    middle = float(np.median(next_run.loss))
    assert middle == pytest.approx(float(np.median(expected.loss)), rel=1e-3)


def test_without_noise_it_is_the_expected_loss(posterior: Posterior) -> None:
    """A control of the test above: the widening is the noise's."""
    none = dict.fromkeys(("sigma", "sigma_distilled"), 0.0)
    expected, next_run = both(with_draws(posterior, **none), **ASKED, teacher_loss=2.3)
    np.testing.assert_array_equal(next_run.loss, expected.loss)


@pytest.mark.parametrize("effect", ["group", "teacher", "student"])
def test_a_student_new_in_something_is_less_certain(posterior: Posterior, effect: str) -> None:
    many = many_draws(posterior, 10)
    _, before = both(many, **ASKED, teacher_loss=2.3)
    expected, after = both(with_draws(many, **{f"sd_{effect}": 0.02}), **ASKED, teacher_loss=2.3)
    assert width(after) > 2 * width(before)
    np.testing.assert_array_equal(expected.loss, both(many, **ASKED, teacher_loss=2.3)[0].loss)


def test_a_teachers_effect_is_not_of_supervised_runs(posterior: Posterior) -> None:
    _, before = both(posterior, **ASKED)
    _, after = both(with_draws(posterior, sd_teacher=0.02, sd_student=0.02), **ASKED)
    np.testing.assert_array_equal(after.loss, before.loss)


def test_candidates_are_told_the_same_alone_and_among_others(posterior: Posterior) -> None:
    sizes = np.geomspace(1e8, 4e9, 1000)
    _, among = both(posterior, student_params=sizes, student_tokens=2e10, teacher_loss=2.3)
    for i in (0, 500, 999):
        _, alone = both(posterior, student_params=sizes[i], student_tokens=2e10, teacher_loss=2.3)
        np.testing.assert_allclose(alone.loss[:, 0], among.loss[:, i], rtol=1e-13)


def test_the_same_seed_gives_the_same_bits(posterior: Posterior) -> None:
    first, again = (both(posterior, **ASKED, teacher_loss=2.3)[1].loss for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_it_warns_beyond_the_runs_and_refuses_as_the_expected_loss_does(posterior: Posterior) -> None:
    with pytest.warns(ExtrapolationWarning, match="params is 10 times the largest"):
        next_run_loss(posterior, student_params=4e10, student_tokens=2e10)
    with pytest.raises(NotIdentified):
        next_run_loss(made("supervised"), **ASKED, teacher_loss=2.0)


def test_runs_fall_into_the_interval_as_often_as_it_says(small_posterior: Posterior) -> None:
    """The runs of the table itself: about nine in ten, where the expected loss holds far fewer."""
    used = small_posterior.table.used
    asked = {"student_params": used.values("params"), "student_tokens": used.values("tokens")}
    expected, next_run = both(small_posterior, **asked)

    def hits(forecast: Forecast) -> float:
        frame = forecast.interval(prob=0.9)
        inside = (used.values("loss") >= frame["lower"]) & (used.values("loss") <= frame["upper"])
        return float(np.mean(inside))

    assert 0.8 <= hits(next_run) <= 1.0
    assert hits(expected) < 0.7
