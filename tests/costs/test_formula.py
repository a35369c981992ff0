"""A sum of powers is checked term by term; a user's function is tried before it is used."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bayes_dsl.costs.formula import function_faults, spelled, term_faults, term_of


@pytest.mark.parametrize("exponent", [0.0, 1 / 3, 0.5, 1.0, 1.5])
def test_a_term_is_a_power(exponent):
    N = np.array([1.0, 7.0, 1e9])
    np.testing.assert_allclose(term_of(N, 3.0, exponent), 3 * N**exponent, rtol=1e-15)


@pytest.mark.parametrize(
    ("term", "text"),
    [((2, 1), "2 N"), ((144263.4, 1 / 3), "1.443e5 N^0.3333"), ((5e-12, 0.5), "5e-12 N^0.5"), ((7, 0), "7")],
)
def test_a_term_is_written_for_a_reader(term, text):
    assert spelled(*term) == text


@pytest.mark.parametrize("terms", [[[2.0, 1.0]], ((2, 1), (1e5, 0.5)), [(1.0, 0.0), (1.0, 1.9)]])
def test_sound_terms_pass(terms):
    assert not list(term_faults("here", terms))


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ([], "terms = []; F(N) is the sum of at least one term"),
        ("2 N", "terms = '2 N'; F(N) is the sum"),
        ([2.0], "term 1 = 2.0; must be two numbers"),
        ([[2.0, 1.0], [1.0]], "term 2 = [1.0]; must be two numbers"),
        ([[0.0, 1.0]], "coefficient of term 1 = 0.0; must be a finite number above 0"),
        ([[-2.0, 1.0]], "coefficient of term 1 = -2.0"),
        ([[math.nan, 1.0]], "coefficient of term 1 = nan"),
        ([["2", 1.0]], "coefficient of term 1 = '2'"),
        ([[1.0, 2.0]], "exponent of term 1 = 2.0; must be a number from 0 to below 2"),
        ([[2.0, -0.1]], "exponent of term 1 = -0.1"),
        ([[2.0, True]], "exponent of term 1 = True"),
        ([[2.0, 0.0]], "F(N) must increase"),
    ],
)
def test_an_unsound_term_is_named(terms, said):
    (fault,) = term_faults("here", terms)
    assert said in str(fault) and "such as [2.0, 1.0] for 2 N." in str(fault)


def test_every_unsound_term_is_named():
    faults = list(term_faults("here", [[-1.0, 3.0], 7, [2.0, 1.0]]))
    assert [fault.what for fault in faults] == ["coefficient of term 1", "exponent of term 1", "term 2"]


@pytest.mark.parametrize("function", [lambda N: 2 * N, lambda N: 2 * N + 1e5 * N**0.5, np.sqrt])
def test_a_function_of_arrays_passes(function):
    assert not list(function_faults("here", function))


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (3, "function = 3; must be a function"),
        (lambda: 1, "TypeError"),
        (lambda N: math.sqrt(N), "must take an array of N"),
        (lambda N: 1e9, "shape (); must return one number for each N"),
        (lambda N: N[:2], "shape (2,)"),
        (lambda N: "many", "must take an array of N"),
        (lambda N: -N, "finite, above 0 and not decreasing"),
        (lambda N: N * np.nan, "nan, nan"),
        (lambda N: 1 / N, "not decreasing"),
    ],
)
def test_an_unfit_function_is_refused(function, said):
    (fault,) = function_faults("here", function)
    assert said in str(fault) and "\n" not in str(fault)
