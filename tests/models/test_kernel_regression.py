"""The closed form agrees with least squares under a bound on the norm, which the printed sub-cases do not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_dsl.errors import InputError
from models import kernel_regression as kr
from models.__main__ import run
from models.kernel_regression import Problem

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Targets of up to 12 features, some of them 0, and bounds from slack to very tight."""
    features = draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(SEEDS))
    alpha = rng.uniform(-1.0, 1.0, features) * rng.choice([0.0, 1.0, 1.0, 1.0], features)
    norm = max(float(np.linalg.norm(alpha)), 0.1)
    teacher = norm * draw(st.floats(0.05, 1.5))
    return Problem(
        coefficients_P=alpha, teacher_norm=teacher, student_norm=teacher * draw(st.floats(0.1, 1.0))
    )


def bounded_least_squares(design: np.ndarray, target: np.ndarray, bound: float) -> np.ndarray:
    """The weights of least squared error with a norm of at most `bound`, by accelerated projected gradients."""
    step = 1.0 / np.linalg.norm(design, 2) ** 2
    weights = previous = np.zeros(design.shape[1])
    for round_ in range(200):
        ahead = weights + round_ / (round_ + 3) * (weights - previous)
        moved = ahead - step * design.T @ (design @ ahead - target)
        norm = np.linalg.norm(moved)
        previous, weights = weights, moved * min(1.0, bound / norm) if norm else moved
    return weights


def brute_force(problem: Problem, student: int, teacher: int, seed: int) -> tuple[float, float]:
    """Teacher's and student's errors by fits to values of the features at 40 points, in a basis not spelled out."""
    points, features = 40, problem.coefficients_P.size
    basis, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(points, features)))
    target = basis @ problem.coefficients_P
    taught = basis[:, :teacher] @ bounded_least_squares(basis[:, :teacher], target, problem.teacher_norm)
    learnt = basis[:, :student] @ bounded_least_squares(basis[:, :student], taught, problem.student_norm)
    return float(np.linalg.norm(taught - target)), float(np.linalg.norm(learnt - target))


def swapped(problem: Problem, student: int, teacher: int) -> float:
    """The student's error with the two sub-cases exchanged, as the proof's text has them."""
    norms = problem.norms_M
    c = min(1.0, problem.teacher_norm / norms[teacher - 1]) if norms[teacher - 1] else 1.0
    seen = norms[min(student, teacher) - 1]
    q = 1.0 if c * seen >= problem.student_norm else problem.student_norm / (c * seen or 1.0)
    return float(np.sqrt((c * q - 1.0) ** 2 * seen**2 + norms[-1] ** 2 - seen**2))


@given(problem=problems(), data=st.data(), seed=SEEDS)
def test_the_closed_form_is_bounded_least_squares(problem: Problem, data: st.DataObject, seed: int) -> None:
    sizes = st.integers(1, problem.coefficients_P.size)
    student, teacher = data.draw(sizes, "student"), data.draw(sizes, "teacher")
    taught, learnt = brute_force(problem, student, teacher, seed)
    assert kr.teacher_errors(problem)[teacher - 1] == pytest.approx(taught, abs=1e-7)
    assert kr.student_errors(problem, [student])[0, teacher - 1] == pytest.approx(learnt, abs=1e-7)


@pytest.mark.parametrize(("student_norm", "limited"), [(0.9, True), (1.4, False)])
def test_the_printed_sub_cases_fail_by_brute_force(student_norm: float, limited: bool) -> None:
    """The control: above D and below D, only the corrected sub-case is what least squares finds."""
    alpha = np.array([1.0, -0.8, 0.6, 0.9, -0.7, 0.5])
    problem = Problem(coefficients_P=alpha, teacher_norm=1.5, student_norm=student_norm)
    assert (kr.teacher_norms_seen(problem, [3])[0, 5] >= student_norm) is np.bool_(limited)
    _, learnt = brute_force(problem, 3, 6, seed=1)
    assert kr.student_errors(problem, [3])[0, 5] == pytest.approx(learnt, abs=1e-9)
    assert abs(swapped(problem, 3, 6) - learnt) > 0.02


@given(problem=problems(), data=st.data())
def test_the_error_falls_up_to_the_students_size_and_rises_after(
    problem: Problem, data: st.DataObject
) -> None:
    student = data.draw(st.integers(1, problem.coefficients_P.size), "student")
    steps = np.diff(kr.student_errors(problem, [student])[0])
    assert (steps[: student - 1] <= 1e-7).all()
    assert (steps[student - 1 :] >= -1e-7).all()
    assert (np.diff(kr.teacher_errors(problem)) <= 1e-7).all()


def test_past_its_size_the_error_is_flat_above_the_norm_and_rises_below() -> None:
    problem = kr.paper_problem()
    for student in (300, 400, 500, 600, 700):
        past = slice(student - 1, None)
        above = kr.teacher_norms_seen(problem, [student])[0, past] >= problem.student_norm
        steps = np.diff(kr.student_errors(problem, [student])[0, past])
        assert above.any() and not above.all()
        assert np.abs(steps[above[1:]]).max() < 1e-12
        assert steps[~above[:-1]].min() > 0
        # As the text has it, the error would be flat below and rise above.
        assert steps[~above[:-1]].max() > 1e-4


@pytest.mark.parametrize(
    ("student", "best", "least", "largest"),
    [(300, 309, 15.87, 16.54), (500, 500, 15.12, 15.65), (700, 700, 14.45, 14.66), (800, 800, 14.09, 14.09)],
)
def test_best_teacher_and_errors_of_the_first_seed(
    student: int, best: int, least: float, largest: float
) -> None:
    errors = kr.student_errors(kr.paper_problem(seed=0), [student])[0]
    first, last = kr.best_teachers(errors)
    assert first == student
    assert first <= best <= last
    assert errors.min() == pytest.approx(least, abs=0.005)
    assert errors[-1] == pytest.approx(largest, abs=0.005)


def test_the_plateau_ends_about_where_the_norms_say() -> None:
    """m = n (T / D)^2 = 1.235 n, for coefficients alike in size; a student of 810 features or more has no rise."""
    ends = [kr.best_teachers(row)[1] for row in kr.student_errors(kr.paper_problem(), [300, 400, 500, 600])]
    assert ends == pytest.approx([370, 494, 617, 741], rel=0.05)
    many = Problem(coefficients_P=np.full(1000, 3.0**-0.5))
    assert kr.best_teachers(kr.student_errors(many, [300])[0])[1] == 370
    assert kr.best_teachers(kr.student_errors(many, [811])[0])[1] == 1000
    assert kr.best_teachers(kr.student_errors(many, [809])[0])[1] == 998


def test_the_figure_has_a_row_for_each_pair(tmp_path: Path) -> None:
    path = tmp_path / "figure.csv"
    said = kr.write_figure(path)
    frame = pd.read_csv(path)
    assert tuple(frame.columns) == kr.COLUMNS
    assert len(frame) == 6 * 1000 and not frame.isna().any().any()
    assert frame["student_error"].between(14, 19).all()
    assert said[0].startswith("student of 300 features: best with a teacher of 300 to 3")
    assert "(error 15.87), 16.54 with one of 1000" in said[0]
    first = path.read_bytes()
    kr.write_figure(path)
    assert path.read_bytes() == first


def test_the_verb_writes_the_figure_and_says_what_it_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "figure.csv"
    assert run(["kernel-regression", "-o", str(path), "--seed", "1"]) == 0
    assert tuple(capsys.readouterr().out.splitlines()) == kr.summary(pd.read_csv(path))
    assert pd.read_csv(path).equals(kr.figure(kr.paper_problem(seed=1)))
    assert run(["kernel-regression", "-o", str(tmp_path / "figure.txt")]) == 2


def test_what_cannot_be_a_problem_is_refused_with_all_its_faults() -> None:
    with pytest.raises(InputError) as refused:
        Problem(coefficients_P=np.array([1.0, np.nan]), teacher_norm=0.0, student_norm=np.inf)
    assert [fault.what for fault in refused.value.faults] == [
        "teacher_norm",
        "student_norm",
        "coefficients_P",
    ]


@pytest.mark.parametrize("sizes", [[0], [4], [1.5], [[1, 2]], [True]])
def test_a_student_has_some_of_the_features(sizes: list[object]) -> None:
    with pytest.raises(InputError, match="whole numbers from 1 to 3"):
        kr.student_errors(Problem(coefficients_P=np.ones(3)), sizes)


def test_a_target_of_nothing_is_learnt_at_once() -> None:
    problem = Problem(coefficients_P=np.zeros(4))
    assert not kr.teacher_errors(problem).any() and not kr.student_errors(problem, [1, 4]).any()
