"""The expected loss is the law at every draw, for one candidate or ten thousand, and warns beyond the runs."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bayes_dsl.errors import ExtrapolationWarning, NotIdentified
from bayes_dsl.forecast.expected import BLOCK, expected_loss, teacher_draws
from bayes_dsl.forecast.question import question
from bayes_dsl.forecast.scatter import scatter
from bayes_dsl.inference.posterior import Posterior
from tests.forecast.made import N_DRAWS, made, with_draws
from tests.inference.by_hand import distilled_loss, supervised_loss
from tests.repeated import repeated_posterior

ROOT = Path(__file__).parents[2]
PARAMS, TOKENS = np.array([2e8, 1e9, 4e9]), np.array([5e9, 2e10, 2e11])
# In a process of its own: 4,200 draws of 10,000 candidates, against the size of the answer.
LARGE = """
import json, resource, sys, time, warnings
import numpy as np
from bayes_dsl.forecast.expected import expected_loss
from tests.forecast.made import made, many_draws
warnings.simplefilter("ignore")
def resident():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
posterior = many_draws(made(spread=1e-2), 14)
expected_loss(posterior, student_params=1e9, student_tokens=1e10, teacher_loss=2.1)
before, cpu, wall = resident(), time.process_time(), time.perf_counter()
forecast = expected_loss(
    posterior,
    student_params=np.geomspace(1e8, 1e11, 10_000),
    student_tokens=np.geomspace(1e9, 1e13, 10_000),
    teacher_loss=2.1,
)
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
grown = (resident() - before) / forecast.loss.nbytes
print(json.dumps({"shape": forecast.loss.shape, "cpu_s": cpu, "wall_s": wall, "grown": grown}))
"""


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    return made(spread=1e-2)


def quietly(posterior: Posterior, **asked: Any) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        return expected_loss(posterior, **asked).loss


def parameters(posterior: Posterior) -> dict[str, np.ndarray]:
    return {name: draws[:, None] for name, draws in posterior.law_draws().items()}


@pytest.mark.parametrize("name", ["supervised", "distillation"])
def test_without_a_teacher_it_is_the_supervised_loss(name: str) -> None:
    posterior = made(name, spread=1e-2)
    forecast = expected_loss(posterior, student_params=PARAMS, student_tokens=TOKENS)
    assert forecast.loss.shape == (N_DRAWS, 3) and forecast.about == "expected"
    wanted = supervised_loss(parameters(posterior), PARAMS, TOKENS)
    np.testing.assert_allclose(forecast.loss, wanted, rtol=1e-12)
    np.testing.assert_array_equal(forecast.inputs["tokens"], TOKENS)


def test_with_a_teacher_it_is_the_students_loss(posterior: Posterior) -> None:
    L_T = np.array([2.0, 2.3, 2.6])
    found = quietly(posterior, student_params=PARAMS, student_tokens=TOKENS, teacher_loss=L_T)
    wanted = distilled_loss(parameters(posterior), PARAMS, TOKENS, L_T)
    np.testing.assert_allclose(found, wanted, rtol=1e-11)
    # Far from the weakest teacher the gap is less than rounding; it is never below zero.
    assert np.all(found >= L_T) and np.all(found[:, :2] > L_T[:2])


def test_a_candidate_is_told_the_same_alone_and_among_many(posterior: Posterior) -> None:
    many = 2 * BLOCK + 7
    params, tokens = np.geomspace(1e8, 4e9, many), np.geomspace(2e11, 2e9, many)
    among = quietly(posterior, student_params=params, student_tokens=tokens, teacher_loss=2.2)
    assert among.shape == (N_DRAWS, many)
    for i in (0, 1, BLOCK - 1, BLOCK, 2 * BLOCK, many - 1):
        alone = quietly(posterior, student_params=params[i], student_tokens=tokens[i], teacher_loss=2.2)
        np.testing.assert_allclose(alone[:, 0], among[:, i], rtol=1e-13)


def test_a_teacher_by_size_is_one_trained_network_with_its_luck() -> None:
    noisy = with_draws(made(spread=1e-4), sigma=0.02)
    asked = {"student_params": 1e9, "student_tokens": 2e10, "teacher_params": 3e9, "teacher_tokens": 1e11}
    L_T = teacher_draws(noisy, question(noisy, **asked))
    assert L_T is not None and L_T.shape == (N_DRAWS, 1)
    law = supervised_loss(parameters(noisy), 3e9, 1e11)
    luck = scatter(noisy, role="supervised", tokens=np.array([1e11]), stream="teacher")
    np.testing.assert_allclose(L_T, law * np.exp(luck), rtol=1e-12)
    assert np.std(np.log(L_T / law)) > 0.016
    found = quietly(noisy, **asked)
    np.testing.assert_allclose(found, distilled_loss(parameters(noisy), 1e9, 2e10, L_T), rtol=1e-11)
    # Negative control: at the teacher's expected loss the student's would be another, and less certain.
    at_law = distilled_loss(parameters(noisy), 1e9, 2e10, law)
    assert np.std(found) > 2 * np.std(at_law)


def test_a_teacher_by_loss_is_taken_as_measured(posterior: Posterior) -> None:
    assert teacher_draws(posterior, question(posterior, student_params=1, student_tokens=1)) is None
    noisy = with_draws(posterior, sigma=0.5)
    asked = {"student_params": 1e9, "student_tokens": 2e10, "teacher_loss": 2.2}
    np.testing.assert_array_equal(quietly(noisy, **asked), quietly(posterior, **asked))


def test_beyond_the_runs_there_is_a_warning_and_inside_none(posterior: Posterior) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ExtrapolationWarning)
        inside = expected_loss(posterior, student_params=1e9, student_tokens=2e10, teacher_loss=2.2)
    assert inside.warnings == ()
    with pytest.warns(
        ExtrapolationWarning, match="beyond the runs: params is 10 times the largest"
    ) as caught:
        beyond = expected_loss(posterior, student_params=4e10, student_tokens=2e10, teacher_loss=2.2)
    assert beyond.warnings == ("params is 10 times the largest of the runs (1.00 decades beyond)",)
    assert len(caught) == 1
    np.testing.assert_allclose(beyond.extrapolation.decades["params"], [1.0])


def test_the_reach_of_a_teacher_by_size_is_that_of_its_median_loss(posterior: Posterior) -> None:
    with pytest.warns(ExtrapolationWarning, match="teacher loss is"):
        forecast = expected_loss(
            posterior, student_params=1e9, student_tokens=2e10, teacher_params=1e12, teacher_tokens=1e14
        )
    L_T = np.median(supervised_loss(parameters(posterior), 1e12, 1e14))
    (decades,) = forecast.extrapolation.decades["teacher_loss"]
    assert decades == pytest.approx(np.log10(L_T / 2.0), abs=0.003) and decades < -0.1


def test_a_law_without_teachers_refuses_one() -> None:
    with pytest.raises(NotIdentified):
        expected_loss(made("supervised"), student_params=1e9, student_tokens=1e10, teacher_loss=2.0)


def test_a_posterior_of_students_alone_forecasts_teachers_and_runs() -> None:
    students = with_draws(made(roles=("distilled",), spread=1e-2, sigma=0.01), sigma=None)
    asked = {"student_params": 1e9, "student_tokens": 2e10}
    assert np.all(np.isfinite(quietly(students, **asked)))
    assert np.all(np.isfinite(quietly(students, **asked, teacher_params=3e9, teacher_tokens=1e11)))


@pytest.mark.slow
def test_ten_thousand_candidates_take_seconds_and_little_more_room_than_their_answer() -> None:
    done = subprocess.run([sys.executable, "-c", LARGE], cwd=ROOT, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    print(
        f"4,200 draws x 10,000 candidates: {told['cpu_s']:.1f} s CPU, {told['wall_s']:.1f} s, "
        f"{told['grown']:.1f} answers of memory"
    )
    assert told["shape"] == [4200, 10_000]
    assert told["cpu_s"] < 20
    # Logarithms and losses are one array each; a law evaluated at once would hold a dozen.
    assert told["grown"] < 3.0


def test_repeated_tokens_are_worth_less_and_many_epochs_lie_beyond_the_runs() -> None:
    posterior, run = repeated_posterior(), {"student_params": 1e9, "student_tokens": 2e10}
    fresh, repeated = (
        expected_loss(posterior, **run, unique_tokens=unique).loss.mean() for unique in (2e10, 1e9)
    )
    assert repeated > fresh + 0.01
    with pytest.warns(ExtrapolationWarning, match="epochs is 3.12 times the largest of the runs"):
        found = expected_loss(posterior, **run, unique_tokens=1e8)
    assert found.extrapolation.decades["epochs"] == pytest.approx(np.log10(200 / 64))
