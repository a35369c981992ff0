"""What a forecast shows: an interval with its probability and kind, beside what was asked."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_dsl.errors import InputError
from bayes_dsl.forecast.extrapolation import Extrapolation
from bayes_dsl.forecast.result import Forecast
from bayes_dsl.inference.intervals import interval

LOSS = np.random.default_rng(0).gamma(20.0, size=(2000, 3)) / 10
FORECAST = Forecast(
    inputs={"params": np.array([1e9, 2e9, 3e9]), "tokens": np.full(3, 2e10)},
    loss=LOSS,
    about="next_run",
    extrapolation=Extrapolation(
        decades={"params": np.zeros(3)}, times_largest_compute=np.array([0.1, 1.0, 2.0])
    ),
    warnings=(),
)


@pytest.mark.parametrize(("prob", "kind"), [(0.9, "eti"), (0.5, "hdi")])
def test_each_candidate_has_a_row_with_what_was_asked(prob: float, kind: str) -> None:
    frame = FORECAST.interval(prob=prob, kind=kind)
    assert list(frame.columns) == [*("params", "tokens", "median", "lower", "upper", "prob", "kind", "about")]
    np.testing.assert_array_equal(frame["params"], [1e9, 2e9, 3e9])
    np.testing.assert_array_equal(frame["median"], np.median(LOSS, axis=0))
    lower, upper = interval(LOSS, prob=prob, kind=kind)
    np.testing.assert_array_equal(frame["lower"], lower)
    np.testing.assert_array_equal(frame["upper"], upper)
    assert set(frame["prob"]) == {prob} and set(frame["kind"]) == {kind}
    assert set(frame["about"]) == {"next_run"}


def test_the_default_is_nine_tenths_with_equal_tails() -> None:
    frame = FORECAST.interval()
    np.testing.assert_allclose(frame["lower"], np.quantile(LOSS, 0.05, axis=0))
    assert (frame["prob"][0], frame["kind"][0]) == (0.9, "eti")


def test_records_are_the_rows_without_the_question() -> None:
    records = FORECAST.records(prob=0.8, kind="hdi")
    assert len(records) == 3
    assert list(records[0]) == ["median", "lower", "upper", "prob", "kind", "about"]
    frame = FORECAST.interval(prob=0.8, kind="hdi")
    assert records[2]["upper"] == frame["upper"][2] and records[2]["kind"] == "hdi"
    assert type(records[0]["median"]) is float


def test_quantiles_stand_by_probability_and_candidate() -> None:
    quantiles = FORECAST.quantiles(np.array([0.1, 0.5, 0.9, 0.99]))
    assert quantiles.shape == (4, 3)
    np.testing.assert_allclose(quantiles[1], np.median(LOSS, axis=0))


def test_a_wrong_probability_is_refused() -> None:
    with pytest.raises(InputError, match="prob = 90"):
        FORECAST.interval(prob=90)
