"""The law of repeated data against its equation, written out in NumPy."""

from __future__ import annotations

import jax
import numpy as np

from bayes_dsl.laws.published import published
from bayes_dsl.laws.repetition import REPETITION, log_effective_tokens
from bayes_dsl.laws.supervised import SUPERVISED

TRUTH = {**published("busbridge_corrected").parameters, "R_D": 15.387756}
RNG = np.random.default_rng(6)
U = 10 ** RNG.uniform(7, 11, 1_000)
D = U * 10 ** RNG.uniform(0, 3, 1_000)


def effective(D, U, R_D=TRUTH["R_D"]):
    with jax.enable_x64(True):
        return np.exp(np.asarray(log_effective_tokens({"R_D": R_D}, {"D": D, "U": U})))


def test_effective_tokens_are_those_of_the_equation():
    by_hand = U + U * TRUTH["R_D"] * (1 - np.exp(-(D / U - 1) / TRUTH["R_D"]))
    np.testing.assert_allclose(effective(D, U), by_hand, rtol=1e-12)


def test_four_epochs_are_nearly_as_good_as_new_and_forty_are_worth_little_more_than_sixteen():
    four, forty, endless = (float(effective(np.float64(n), np.float64(1.0))) for n in (4, 40, 1e6))
    assert 0.9 < four / 4 < 1.0
    assert forty / 40 < 0.45 and forty > 0.9 * endless


def test_the_loss_is_the_supervised_law_of_the_effective_tokens():
    p = {name: TRUTH[name] for name in SUPERVISED.names}
    with jax.enable_x64(True):
        there = np.asarray(SUPERVISED.loss("supervised", p, {"N": 1e9, "D": effective(D, U)}))
        here = np.asarray(
            REPETITION.loss("supervised", {**p, "R_D": TRUTH["R_D"]}, {"N": 1e9, "D": D, "U": U})
        )
        fresh = np.asarray(SUPERVISED.loss("supervised", p, {"N": 1e9, "D": D}))
    np.testing.assert_allclose(here, there, rtol=1e-12)
    assert (here - fresh).max() > 0.05, "the control: repetition costs something"


def test_value_and_slopes_have_no_step_where_repetition_begins():
    def log_tokens(D, U):
        return log_effective_tokens({"R_D": 15.0}, {"D": D, "U": U})

    slopes = jax.grad(log_tokens, argnums=(0, 1))
    with jax.enable_x64(True):
        for D in (1e9 * (1 - 1e-9), 1e9, 1e9 * (1 + 1e-9)):
            by_D, by_U = slopes(D, 1e9)
            np.testing.assert_allclose(1e9 * float(by_D), 1.0, atol=1e-7)
            np.testing.assert_allclose(1e9 * float(by_U), 0.0, atol=1e-7)
