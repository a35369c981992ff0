"""Measures on held-out tokens against plain NumPy, and what their standard errors stand for."""

from __future__ import annotations

import math
from dataclasses import replace

import jax
import numpy as np
import pytest

from models import transformer
from models.corpus.base import Corpus
from models.evaluate import evaluate, standard_error
from tests.models import tiny


def corpus(windows: int) -> Corpus:
    whole = tiny.corpus()
    assert whole.oracle_nll_ExT is not None
    return replace(
        whole,
        eval_windows_ExT1=whole.eval_windows_ExT1[:windows],
        oracle_nll_ExT=whole.oracle_nll_ExT[:windows],
    )


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def test_measures_are_those_of_numpy_whatever_the_passes() -> None:
    # 128 windows fill a pass; 150 leave a smaller one.
    held_out = corpus(150)
    network, teacher = tiny.network(16), tiny.teacher()
    params = jax.jit(transformer.init, static_argnums=1)(jax.random.key(0), network)
    (got,), its = evaluate([(network, params)], held_out, teacher=teacher)
    tokens = held_out.eval_windows_ExT1[:, :-1].astype(np.int32)
    targets = held_out.eval_windows_ExT1[:, 1:].astype(np.int32)[..., None]
    run = jax.jit(transformer.logits, static_argnums=2)
    student = log_softmax(np.asarray(run(params, tokens, network), np.float64))
    taught = log_softmax(np.asarray(run(teacher[1], tokens, teacher[0]), np.float64))
    nll = -np.take_along_axis(student, targets, -1)[..., 0]
    assert held_out.oracle_nll_ExT is not None and its is not None
    excess = nll - held_out.oracle_nll_ExT
    assert got.loss == pytest.approx(nll.mean(), abs=1e-6)
    assert got.excess == pytest.approx(excess.mean(), abs=1e-6)
    assert got.loss_se == pytest.approx(excess.mean(1).std(ddof=1) / math.sqrt(150), rel=1e-5)
    assert got.kl_teacher_student == pytest.approx(
        (np.exp(taught) * (taught - student)).sum(-1).mean(), abs=1e-5
    )
    assert got.top1_agreement == pytest.approx((taught.argmax(-1) == student.argmax(-1)).mean())
    assert its.loss == pytest.approx(-np.take_along_axis(taught, targets, -1).mean(), abs=1e-6)
    assert its.kl_teacher_student is None and got.bits_per_byte is None
    confidence, hit = np.exp(student.max(-1)).ravel(), (student.argmax(-1) == targets[..., 0]).ravel()
    places = np.clip(np.ceil(confidence * 15).astype(int) - 1, 0, 14)
    gaps = [abs(confidence[places == i].sum() - hit[places == i].sum()) for i in range(15)]
    assert got.ece == pytest.approx(sum(gaps) / len(hit), abs=1e-5)


def test_a_network_is_its_own_equal() -> None:
    (got,), its = evaluate([tiny.teacher()], corpus(20), teacher=tiny.teacher())
    assert got.kl_teacher_student == pytest.approx(0, abs=1e-6) and got.top1_agreement == 1.0
    assert its is not None and got.loss == its.loss


def test_text_has_bits_per_byte_and_no_excess() -> None:
    text = replace(corpus(20), oracle_nll_ExT=None, bytes_per_token=2.5)
    ((got,), _), ((same,), _) = evaluate([tiny.teacher()], text), evaluate([tiny.teacher()], corpus(20))
    assert got.excess is None and got.loss == same.loss
    assert got.bits_per_byte == pytest.approx(got.loss / math.log(2) / 2.5)
    # Part of what tokens scatter by is the source's own doing, which the excess leaves out.
    assert got.loss_se != same.loss_se


def test_a_single_window_has_no_standard_error() -> None:
    ((got,), _) = evaluate([tiny.teacher()], corpus(1))
    assert got.loss_se is None and math.isfinite(got.loss)


@pytest.mark.statistical
def test_the_standard_error_is_the_scatter_of_the_mean() -> None:
    rng = np.random.default_rng(0)

    def draw() -> np.ndarray:
        # Tokens of a window share an effect.
        return rng.normal(size=(100, 1)) + rng.normal(size=(100, 16))

    draws = [draw() for _ in range(400)]
    scatter = np.std([values.mean() for values in draws])
    said = np.mean([standard_error(values) or 0.0 for values in draws])
    assert said == pytest.approx(scatter, rel=0.12)
    # The control: taken as independent, the tokens would claim less than half of it.
    naive = np.mean([values.std(ddof=1) / math.sqrt(values.size) for values in draws])
    assert naive < 0.5 * scatter
