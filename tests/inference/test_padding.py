"""Rows are filled up to few numbers of rows, which share their compiled programs and change no result."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_dsl.inference import bootstrap as boot
from bayes_dsl.inference import least_squares, nearby, point_fit, taylor
from bayes_dsl.inference.padding import padded, padded_length, padded_weights
from bayes_dsl.laws.supervised import CHINCHILLA
from tests.inference.point_fits import STARTS, TRUTH, synthetic_fit


def shorter(rows: int) -> point_fit.PointFit:
    """A fit to the first rows of the synthetic table."""
    every = synthetic_fit().rows
    inputs = {name: values[:rows] for name, values in every.inputs["supervised"].items()}
    some = point_fit.Rows(inputs={"supervised": inputs}, loss={"supervised": every.loss["supervised"][:rows]})
    return point_fit.point_fit(some, law=CHINCHILLA, starts=STARTS)


def compiled_programs() -> list[int]:
    residuals = point_fit._residuals_of(CHINCHILLA, ("supervised",))
    programs = (
        least_squares._advance(residuals),
        nearby._look(residuals),
        nearby._depart,
        nearby._go_on,
        taylor._derivatives(residuals),
    )
    return [program._cache_size() for program in programs]


def test_lengths_are_few_and_at_most_a_quarter_longer() -> None:
    assert [padded_length(rows) for rows in (0, 1, 16, 17, 97, 113, 120, 240, 257)] == [
        0, 16, 16, 20, 112, 128, 128, 256, 320,
    ]  # fmt: skip
    rows = np.arange(17, 5000)
    lengths = np.array([padded_length(int(n)) for n in rows])
    assert np.all(lengths >= rows) and np.all(lengths <= 1.25 * rows)
    assert np.mean(lengths / rows) < 1.12 and len(set(lengths.tolist())) <= 34
    assert all(padded_length(int(n)) == n for n in set(lengths.tolist()))


def test_the_padding_is_the_last_row_and_weighs_nothing() -> None:
    assert padded(np.arange(1.0, 19.0)).tolist() == [*range(1, 19), 18, 18]
    weights = padded_weights(np.ones((2, 35)), (17, 18))
    assert weights.shape == (2, 40)
    assert np.flatnonzero(weights[1] == 0).tolist() == [17, 18, 19, 38, 39]
    assert padded_weights(np.ones((1, 3), np.uint16), (3,)).dtype == np.uint16


def test_tables_of_about_one_size_share_what_is_compiled() -> None:
    boot.bootstrap(synthetic_fit(), replicates=8)
    before = compiled_programs()
    assert min(before[1:]) >= 1
    for rows in (57, 59):
        refits = boot.bootstrap(shorter(rows), replicates=8)
        assert refits.converged.all()
    assert compiled_programs() == before


def test_the_padding_changes_a_fit_by_rounding_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = shorter(57)
    refits = boot.bootstrap(fit, replicates=64, seed=3)
    for module in (point_fit, boot):
        monkeypatch.setattr(module, "padded_weights", lambda weights, lengths: weights)
    monkeypatch.setattr(point_fit, "padded", lambda values: values)
    before = compiled_programs()
    bare = shorter(57)
    assert fit.objective == pytest.approx(bare.objective, rel=1e-11)
    assert fit.residuals["supervised"].shape == (57,)
    bare_refits = boot.bootstrap(bare, replicates=64, seed=3)
    # Control: the counter of compiled programs sees a length that is new.
    assert all(after > former for after, former in zip(compiled_programs()[:2], before[:2], strict=True))
    assert np.all(refits.converged == bare_refits.converged)
    assert refits.objective == pytest.approx(bare_refits.objective, rel=1e-9)
    errors, bare_errors = refits.standard_errors(log=True), bare_refits.standard_errors(log=True)
    for name in TRUTH:
        assert fit.parameters[name] == pytest.approx(bare.parameters[name], rel=1e-5)
        apart = np.max(np.abs(np.log(refits.parameters[name] / bare_refits.parameters[name])))
        assert apart < 1e-4 * errors[name]
        assert errors[name] == pytest.approx(bare_errors[name], rel=1e-6)
