"""Every objective against plain NumPy float64, its gradients against finite differences, and its plain properties."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_dsl.errors import InputError
from models import objectives
from models.objectives import Objective
from tests.reference import objectives as plain

BATCH, LENGTH, VOCABULARY = 2, 3, 9
OBJECTIVES = {
    "forward": {},
    "reverse": {"divergence": "reverse"},
    "top_k": {"top_k": 4},
    "top_1": {"top_k": 1},
    "top_p": {"top_p": 0.6},
    "both": {"top_k": 5, "top_p": 0.9},
}
FULL = Objective()


@cache
def compiled(objective: Objective, *, taught: bool = True):
    """The loss and its gradient by the student's logits, compiled once; numbers are traced."""

    def loss(student, teacher, targets, mixing, temperature, z_weight):
        return objectives.student_loss(
            objective,
            student,
            teacher if taught else None,
            targets,
            mixing=mixing,
            temperature=temperature,
            z_weight=z_weight,
        )

    return jax.jit(jax.value_and_grad(loss, has_aux=True))


def drawn(seed: int, scale: float = 2.0):
    """Float32 logits of a student and a teacher, and targets."""
    generator = np.random.default_rng(seed)
    logits = scale * generator.normal(size=(2, BATCH, LENGTH, VOCABULARY)).astype(np.float32)
    return logits[0], logits[1], generator.integers(0, VOCABULARY, size=(BATCH, LENGTH))


CASES = st.builds(drawn, st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1.0, 5.0]))


@pytest.mark.parametrize("name", OBJECTIVES)
@settings(max_examples=25)
@given(
    case=CASES,
    mixing=st.sampled_from([0.0, 0.3, 1.0]),
    temperature=st.sampled_from([0.5, 1.0, 4.0]),
    z_weight=st.sampled_from([0.0, 1e-4, 0.1]),
)
def test_the_loss_is_that_of_the_equations(name, case, mixing, temperature, z_weight):
    student, teacher, targets = case
    (loss, _), _ = compiled(Objective(**OBJECTIVES[name]))(*case, mixing, temperature, z_weight)
    numbers = {"mixing": mixing, "temperature": temperature, "z_weight": z_weight}
    expected = plain.student_loss(
        student.astype(float), teacher.astype(float), targets, **numbers, **OBJECTIVES[name]
    )
    assert float(loss) == pytest.approx(expected, rel=2e-5, abs=2e-5)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_gradient_is_that_of_finite_differences(name):
    student, teacher, targets = drawn(7)
    numbers = {"mixing": 0.7, "temperature": 2.0, "z_weight": 0.05}
    _, slopes = compiled(Objective(**OBJECTIVES[name]))(student, teacher, targets, *numbers.values())
    expected = plain.gradient(
        lambda x: plain.student_loss(x, teacher.astype(float), targets, **numbers, **OBJECTIVES[name]),
        student.astype(float),
    )
    assert np.abs(expected).max() > 1e-2
    np.testing.assert_allclose(slopes, expected, atol=2e-6, rtol=2e-5)


def test_without_a_teacher_it_is_next_token_and_z():
    student, teacher, targets = drawn(8)
    (loss, parts), slopes = compiled(FULL, taught=False)(student, teacher, targets, 1.0, 3.0, 0.05)

    def expected(x):
        return plain.student_loss(x, None, targets, mixing=1.0, temperature=3.0, z_weight=0.05)

    assert float(loss) == pytest.approx(expected(student.astype(float)), rel=1e-5)
    np.testing.assert_allclose(slopes, plain.gradient(expected, student.astype(float)), atol=2e-6)
    assert float(loss) == pytest.approx(float(parts["next_token"] + 0.05 * parts["z"]), rel=1e-6)
    assert float(parts["distillation"]) == 0.0


def test_the_parts_are_the_pieces():
    student, teacher, targets = drawn(9)
    (loss, parts), _ = compiled(FULL)(student, teacher, targets, 0.3, 2.0, 0.01)
    assert float(loss) == pytest.approx(
        float(0.7 * parts["next_token"] + 0.3 * parts["distillation"] + 0.01 * parts["z"]), rel=1e-6
    )
    assert float(parts["next_token"]) == pytest.approx(
        float(objectives.nll(student, targets).mean()), rel=1e-6
    )
    assert float(parts["z"]) == pytest.approx(float(objectives.z_penalty(student).mean()), rel=1e-6)


@given(case=CASES)
def test_lambda_0_is_training_without_a_teacher(case):
    (taught, _), slopes = compiled(FULL)(*case, 0.0, 2.0, 0.01)
    (alone, _), slopes_alone = compiled(FULL, taught=False)(*case, 0.0, 2.0, 0.01)
    assert float(taught) == pytest.approx(float(alone), rel=1e-6)
    np.testing.assert_allclose(slopes, slopes_alone, atol=1e-7)


@given(case=CASES)
def test_divergences_are_0_only_between_equals(case):
    student, teacher, _ = case
    apart = np.asarray(objectives.kl(teacher, student))
    assert (apart > 0).all()
    np.testing.assert_allclose(objectives.kl(teacher, teacher + 3.0), 0, atol=5e-6)
    expected = [
        plain.kl(
            plain.probabilities(teacher[place].astype(float)),
            plain.probabilities(student[place].astype(float)),
        )
        for place in np.ndindex(BATCH, LENGTH)
    ]
    np.testing.assert_allclose(apart.ravel(), expected, rtol=2e-4, atol=5e-6)


@given(case=CASES, temperature=st.sampled_from([0.5, 1.0, 4.0]))
def test_reverse_is_forward_with_the_roles_swapped(case, temperature):
    student, teacher, _ = case
    reverse = objectives.distillation(
        Objective(divergence="reverse"), student, teacher, temperature=temperature
    )
    # Forward is a cross-entropy: less the entropy of what it starts from it is the divergence.
    crossed = objectives.distillation(FULL, teacher, student, temperature=temperature)
    entropy = objectives.distillation(FULL, student, student, temperature=temperature)
    np.testing.assert_allclose(reverse, crossed - entropy, rtol=1e-3, atol=2e-4)


def test_control_reverse_is_not_forward():
    student, teacher, _ = drawn(3)
    reverse = objectives.distillation(Objective(divergence="reverse"), student, teacher, temperature=1.0)
    assert np.abs(reverse - objectives.kl(teacher, student)).max() > 0.1


@pytest.mark.parametrize("whole", [{"top_k": VOCABULARY}, {"top_k": 1000}, {"top_p": 1.0}])
def test_keeping_everything_is_the_full_teacher(whole):
    case = drawn(5, scale=5.0)
    (full, _), slopes_full = compiled(FULL)(*case, 1.0, 2.0, 0.0)
    (kept, _), slopes = compiled(Objective(**whole))(*case, 1.0, 2.0, 0.0)
    assert float(kept) == pytest.approx(float(full), rel=1e-6)
    np.testing.assert_allclose(slopes, slopes_full, atol=1e-6)


@pytest.mark.parametrize(("k", "p"), [(1, None), (3, None), (None, 0.5), (None, 0.99), (2, 0.99)])
def test_of_equal_logits_the_lower_token_stays(k, p):
    teacher = np.zeros((1, 1, VOCABULARY), np.float32)
    values, tokens = objectives._truncated(Objective(top_k=k, top_p=p), jnp.asarray(teacher))
    kept = np.asarray(tokens)[0, 0][np.isfinite(np.asarray(values)[0, 0])]
    assert kept.tolist() == plain.kept(teacher[0, 0].astype(float), top_k=k, top_p=p)


def test_the_likeliest_token_is_always_kept():
    teacher = np.array([[[9.0, 0, 0, 0]]], np.float32)
    (value,) = np.asarray(
        objectives.distillation(Objective(top_p=1e-30), np.zeros_like(teacher), teacher, temperature=1.0)
    ).ravel()
    assert value == pytest.approx(np.log(4))


def test_the_teacher_gets_no_gradient():
    student, teacher, targets = drawn(4)

    def loss(teacher):
        return objectives.student_loss(
            FULL, student, teacher, targets, mixing=1.0, temperature=1.0, z_weight=0.0
        )[0]

    assert not np.asarray(jax.grad(loss)(teacher)).any()


@given(case=CASES)
def test_large_logits_do_not_overflow(case):
    student, teacher, targets = case
    for objective in (FULL, Objective(divergence="reverse"), Objective(top_p=0.6)):
        (loss, _), slopes = compiled(objective)(student * 1e3, teacher * 1e3, targets, 0.5, 1.0, 1e-4)
        assert np.isfinite(float(loss)) and np.isfinite(slopes).all()


def test_agreement_counts_equal_favourites():
    teacher = np.array([[[0, 1, 2], [5, 1, 2], [0, 7, 2]]], np.float32)
    student = np.array([[[0, 9, 2], [1, 0, 0], [0, 2, 1]]], np.float32)
    assert np.asarray(objectives.top1_agreement(teacher, student)).tolist() == [[0.0, 1.0, 1.0]]


@given(seed=st.integers(0, 10_000), bins=st.sampled_from([1, 5, 15]))
def test_calibration_error_is_that_of_a_plain_count(seed, bins):
    generator = np.random.default_rng(seed)
    logits = (3 * generator.normal(size=(4, 8, 5))).astype(np.float32)
    targets = generator.integers(0, 5, size=(4, 8))
    halves = [objectives.calibration_sums(logits[i : i + 2], targets[i : i + 2], bins=bins) for i in (0, 2)]
    found = objectives.expected_calibration_error(halves[0] + halves[1])
    expected = plain.calibration_error(logits.reshape(-1, 5).astype(float), targets.ravel(), bins)
    assert float(found) == pytest.approx(expected, abs=1e-5)


def test_a_network_that_knows_what_it_knows_is_calibrated():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(1, 20_000, 5)).astype(np.float32)
    chances = np.asarray(jax.nn.softmax(logits))[0]
    targets = (chances.cumsum(axis=1) < generator.random((20_000, 1))).sum(axis=1)[None]
    sharp = objectives.calibration_sums(4 * logits, targets)
    assert objectives.expected_calibration_error(objectives.calibration_sums(logits, targets)) < 0.02
    assert objectives.expected_calibration_error(sharp) > 0.2  # the control: the same, surer of itself


def test_every_fault_is_told_at_once():
    with pytest.raises(InputError) as failure:
        Objective(divergence="reverse", top_k=0, top_p=1.5)
    assert [fault.what for fault in failure.value.faults] == ["top_k", "top_p", "top_k"]
    assert "infinite" in str(failure.value)
    with pytest.raises(InputError, match="must be forward or reverse"):
        Objective(divergence="sideways")
    assert hash(Objective(top_k=4)) == hash(Objective(top_k=4))
