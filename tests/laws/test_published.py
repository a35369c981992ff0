"""The published coefficients: digits as printed, and which Busbridge set made the paper's figures."""

from __future__ import annotations

import dataclasses
import doctest
import math

import jax
import numpy as np
import pytest

from bayes_dsl.errors import UnknownName
from bayes_dsl.laws import published as module
from bayes_dsl.laws.distillation import DISTILLATION
from bayes_dsl.laws.published import names, published
from bayes_dsl.laws.supervised import CHINCHILLA

PARAMS = {
    "143M": 0.1434e9, "198M": 0.1983e9, "340M": 0.3398e9, "546M": 0.546e9, "664M": 0.6636e9,
    "975M": 0.9755e9, "1.15B": 1.147e9, "1.35B": 1.355e9, "1.59B": 1.586e9, "1.82B": 1.821e9,
    "2.72B": 2.718e9, "3.08B": 3.082e9, "4.82B": 4.823e9, "7.07B": 7.066e9, "7.75B": 7.747e9,
}  # fmt: skip
"""Non-embedding parameters, Table 13 of arXiv 2502.08606."""

# Losses read by eye from that paper's figures, to about .01 nats.
SUPERVISED_20 = {
    "198M": 2.748, "546M": 2.503, "975M": 2.370, "1.82B": 2.266, "2.72B": 2.178, "4.82B": 2.083,
    "7.75B": 2.033,
}  # fmt: skip
FIXED_RATIO_STUDENTS = [  # size, teacher loss, loss; 20 tokens per parameter (Fig. 3b)
    ("198M", 2.18, 2.655), ("198M", 2.30, 2.652), ("198M", 2.45, 2.663), ("198M", 2.63, 2.725),
    ("546M", 2.18, 2.431), ("546M", 2.30, 2.45), ("546M", 2.45, 2.51),
    ("975M", 2.18, 2.322), ("975M", 2.30, 2.368),
    ("1.82B", 2.18, 2.235), ("1.82B", 2.30, 2.31), ("1.82B", 2.45, 2.44),
]  # fmt: skip
SMALL_STUDENT = [(1.9, 2.755), (2.18, 2.74), (2.5, 2.744)]  # 143M on 2.9e9 tokens (Fig. 1)
ISOFLOP_STUDENTS = {  # teacher: student budget: size, loss (Fig. 38a)
    "7.75B": {
        3e19: [("198M", 2.568), ("664M", 2.495), ("1.35B", 2.545)],
        1e20: [("340M", 2.425), ("1.15B", 2.342), ("3.08B", 2.395)],
        3e20: [("664M", 2.287), ("3.08B", 2.23), ("4.82B", 2.263)],
        1e21: [("1.35B", 2.168), ("4.82B", 2.125), ("7.75B", 2.13)],
    },
    "975M": {
        3e19: [("198M", 2.575), ("664M", 2.508), ("1.59B", 2.563)],
        1e20: [("340M", 2.467), ("1.15B", 2.414), ("3.08B", 2.43)],
        1e21: [("1.35B", 2.365), ("7.07B", 2.352)],
    },
}
# Digitised from Fig. 8, to about .003: params, log10 FLOPs, loss with the best teacher at no cost.
BEST_CASE = [
    (3e8, 20.1, 2.414), (3e8, 21, 2.338),
    (1e9, 20.1, 2.321), (1e9, 21, 2.187), (1e9, 22.1, 2.114),
    (3e9, 20.1, 2.324), (3e9, 21, 2.116), (3e9, 22.1, 1.994),
    (1e10, 20.5, 2.255), (1e10, 21, 2.099), (1e10, 22.1, 1.919), (1e10, 23, 1.840),
]  # fmt: skip
TEACHER_INFERENCE = [
    (3e8, 20.1, 2.435), (3e8, 21, 2.349), (1e9, 20.1, 2.351), (1e9, 21, 2.207), (3e9, 20.1, 2.361),
    (3e9, 21, 2.143), (1e10, 20.5, 2.307), (1e10, 21, 2.141), (1e10, 22.1, 1.941),
]  # fmt: skip


def forward_flops(params):
    """FLOPs per token of a forward pass, Eq. 69 with the paper's context and vocabulary."""
    return 2 * params * (1 + 155.06 * params ** (-1 / 3) + 72_132 * params ** (-2 / 3))


def loss(parameters, role="distilled", **inputs):
    with jax.enable_x64(True):
        return np.asarray(DISTILLATION.loss(role, parameters, inputs))


def distilled_data():
    """The 35 distilled runs that can be read from the figures: params, tokens, teacher loss, loss."""
    rows = [(PARAMS[size], 20 * PARAMS[size], L_T, L_S) for size, L_T, L_S in FIXED_RATIO_STUDENTS]
    rows += [(PARAMS["143M"], 2.9e9, L_T, L_S) for L_T, L_S in SMALL_STUDENT]
    for teacher, budgets in ISOFLOP_STUDENTS.items():
        for budget, students in budgets.items():
            for size, L_S in students:
                tokens = budget / (3 * forward_flops(PARAMS[size]))
                rows.append((PARAMS[size], tokens, SUPERVISED_20[teacher], L_S))
    return np.array(rows)


def relative_errors(parameters):
    N_S, D_S, L_T, L_S = distilled_data().T
    return loss(parameters, N_S=N_S, D_S=D_S, L_T=L_T) / L_S - 1


def best_case_errors(parameters):
    L_T = np.linspace(parameters["E"], 3.5, 4_000)
    errors = []
    for N_S, log_flops, expected in BEST_CASE:
        D_S = 10**log_flops / (3 * forward_flops(N_S))
        errors.append(loss(parameters, N_S=N_S, D_S=D_S, L_T=L_T).min() - expected)
    return np.array(errors)


def teacher_inference_errors(parameters):
    N_T = np.geomspace(1e6, 1e12, 4_000)
    L_T = loss(parameters, "supervised", N=N_T, D=1e17)
    errors = []
    for N_S, log_flops, expected in TEACHER_INFERENCE:
        D_S = 10**log_flops / (3 * forward_flops(N_S) + forward_flops(N_T))
        errors.append(loss(parameters, N_S=N_S, D_S=D_S, L_T=L_T).min() - expected)
    return np.array(errors)


def rms(errors):
    return float(np.sqrt(np.mean(np.square(errors))))


def makes_the_figures(parameters):
    """Whether coefficients reproduce the paper's figures as well as it says that they do (about 1 %)."""
    return (
        rms(relative_errors(parameters)) < 0.01
        and rms(best_case_errors(parameters)) < 0.015
        and rms(teacher_inference_errors(parameters)) < 0.015
    )


PRINTED = published("busbridge_table6").parameters
CORRECTED = published("busbridge_corrected").parameters


def test_the_corrected_set_makes_the_papers_figures():
    assert len(distilled_data()) == 35
    assert makes_the_figures(CORRECTED)
    assert rms(relative_errors(CORRECTED)) == pytest.approx(0.0081, abs=2e-4)
    assert np.abs(relative_errors(CORRECTED)).max() == pytest.approx(0.0171, abs=2e-4)
    assert rms(best_case_errors(CORRECTED)) == pytest.approx(0.0125, abs=3e-4)
    assert rms(teacher_inference_errors(CORRECTED)) == pytest.approx(0.0093, abs=3e-4)


def test_control_the_printed_set_does_not_make_them():
    assert not makes_the_figures(PRINTED)
    assert rms(relative_errors(PRINTED)) == pytest.approx(0.0251, abs=2e-4)
    assert np.abs(relative_errors(PRINTED)).max() == pytest.approx(0.0825, abs=2e-4)
    assert rms(best_case_errors(PRINTED)) > 8 * rms(best_case_errors(CORRECTED))
    assert rms(teacher_inference_errors(PRINTED)) > 12 * rms(teacher_inference_errors(CORRECTED))


def test_the_figures_want_a_B_prime_of_about_two_million():
    grid = np.geomspace(2e4, 2e7, 121)
    errors = [rms(relative_errors(CORRECTED | {"B_prime": B_prime})) for B_prime in grid]
    assert 1.8e6 < grid[int(np.argmin(errors))] < 2.4e6
    assert errors[0] > 2.5 * min(errors) and errors[-1] > 2.5 * min(errors)


def test_the_sets_differ_in_B_prime_alone():
    assert {name for name in PRINTED if PRINTED[name] != CORRECTED[name]} == {"B_prime"}
    assert PRINTED["B_prime"] == 24181 and CORRECTED["B_prime"] == 2.3e6
    assert published("busbridge_corrected").estimate("B_prime").lower is None


def test_the_best_student_of_a_budget_of_1e20():
    """Loss in the best case at 1e20 FLOPs by student size, from Fig. 8: the printed set has no minimum."""
    from_figure = {3e8: 2.43, 1e9: 2.35, 3e9: 2.36, 1e10: 2.51}
    best = {}
    for name, p in (("printed", PRINTED), ("corrected", CORRECTED)):
        L_T = np.linspace(p["E"], 3.5, 4_000)
        best[name] = [loss(p, N_S=N, D_S=1e20 / (3 * forward_flops(N)), L_T=L_T).min() for N in from_figure]
    np.testing.assert_allclose(best["corrected"], list(from_figure.values()), atol=0.015)
    assert (np.diff(best["printed"]) < 0).all() and best["printed"][-1] == pytest.approx(1.95, abs=0.01)


def test_the_small_student_has_a_best_teacher_only_when_corrected():
    """Teachers of 20 tokens per parameter for a 143M student: a visible turn in Fig. 4, near L_T = 2.2."""
    N_T = np.geomspace(2e8, 1.26e10, 400)
    turns = {}
    for name, p in (("printed", PRINTED), ("corrected", CORRECTED)):
        L_T = loss(p, "supervised", N=N_T, D=20 * N_T)
        turns[name] = N_T[loss(p, N_S=1.434e8, D_S=2.868e9, L_T=L_T).argmin()]
    assert 2e9 < turns["corrected"] < 4e9
    turn = loss(CORRECTED, "supervised", N=turns["corrected"], D=20 * turns["corrected"])
    assert turn == pytest.approx(2.16, abs=0.04)
    assert turns["printed"] == N_T[-1]


def test_supervised_losses_of_the_figures():
    sizes = np.array([PARAMS[size] for size in SUPERVISED_20])
    errors = loss(PRINTED, "supervised", N=sizes, D=20 * sizes) / np.array(list(SUPERVISED_20.values())) - 1
    assert rms(errors) < 0.01
    # Three printed digits leave this pattern: the law is too high for the smallest, too low for the largest.
    np.testing.assert_allclose(errors, [0.015, 0.005, 0.004, -0.007, -0.001, -0.003, -0.014], atol=1.1e-3)


@pytest.mark.parametrize(
    ("params", "tokens", "expected"),
    [(1e9, 1e11, 2.2397), (1.821e9, 3.642e10, 2.251), (5.46e8, 1.092e10, 2.515)],
)
def test_supervised_values(params, tokens, expected):
    digits = len(str(expected).split(".")[1])
    assert loss(PRINTED, "supervised", N=params, D=tokens) == pytest.approx(expected, abs=0.6 * 10**-digits)


@pytest.mark.parametrize(("B_prime", "expected"), [(24181.0, 2.2497), (2_418_100.0, 2.2528)])
def test_distilled_values(B_prime, expected):
    p = PRINTED | {"B_prime": B_prime}
    assert loss(p, N_S=1e9, D_S=1e11, L_T=2.2) == pytest.approx(expected, abs=6e-5)


def test_exponents_of_the_compute_optimum():
    for name, alpha, beta, a in (
        ("busbridge_table6", "alpha", "beta", 0.513),
        ("busbridge_table6", "alpha_prime", "beta_prime", 0.664),
        ("besiroglu", "alpha", "beta", 0.513),
        ("hoffmann", "alpha", "beta", 0.4565),
    ):
        p = published(name).parameters
        assert p[beta] / (p[alpha] + p[beta]) == pytest.approx(a, abs=1.1e-3)


def test_digits_of_the_chinchilla_sets():
    assert list(published("hoffmann").parameters.values()) == [1.69337, 406.40, 410.72, 0.33917, 0.28491]
    assert list(published("besiroglu").parameters.values()) == [1.81686, 482.01, 2085.43, 0.34781, 0.36585]
    errors = {e.name: (e.standard_error, e.scale) for e in published("besiroglu").estimates}
    assert errors == {
        "E": (0.026, "value"), "A": (0.258, "log"), "B": (0.421, "log"),
        "alpha": (0.0154, "value"), "beta": (0.0206, "value"),
    }  # fmt: skip
    assert {published(name).law for name in ("hoffmann", "besiroglu")} == {CHINCHILLA}


@pytest.mark.parametrize("name", names())
def test_every_set_is_a_complete_value(name):
    known = published(name)
    assert known.name == name and known.source and known.remark
    assert tuple(estimate.name for estimate in known.estimates) == known.law.names
    assert hash(known) == hash(dataclasses.replace(known))
    known.parameters["E"] = 0.0
    assert known.parameters["E"] > 1, "the dict handed out is not the set"
    with pytest.raises(dataclasses.FrozenInstanceError):
        known.name = "other"
    for estimate in known.estimates:
        assert known.estimate(estimate.name) is estimate
        assert math.isfinite(estimate.value)
        if estimate.lower is not None and estimate.upper is not None:
            assert estimate.lower <= estimate.value <= estimate.upper
            assert known.interval_prob == 0.9


def test_names_and_unknown_names():
    assert names() == ("hoffmann", "besiroglu", "busbridge_table6", "busbridge_corrected")
    with pytest.raises(UnknownName, match="hoffmann, besiroglu, busbridge_table6, busbridge_corrected"):
        published("chinchilla")
    with pytest.raises(UnknownName, match="Choose one of E, A, B, alpha, beta"):
        published("hoffmann").estimate("gamma")


def test_the_remarks_say_what_to_know():
    corrected = published("busbridge_corrected").remark
    assert "24181" in corrected and "not the authors'" in corrected
    assert "busbridge_corrected" in published("busbridge_table6").remark


def test_examples_in_the_docs():
    assert doctest.testmod(module).failed == 0
