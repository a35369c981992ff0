"""The mixture is its laws' draws, each as often as its weight says."""

import numpy as np
import pytest

from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.validation.mixture import STACKED, expectations
from tests.posteriors import posterior_around
from tests.validation.compared import LAWS, TRUTH

ASKED = {"student_params": 1e9, "student_tokens": 2e10}


@pytest.fixture
def posteriors(small_table) -> dict:
    """The supervised law, and a Chinchilla law with a higher floor."""
    floors = (1.0, 1.1)
    return {
        law.name: posterior_around(law, TRUTH | {"E": TRUTH["E"] * floor}, small_table)
        for law, floor in zip(LAWS, floors, strict=True)
    }


def test_each_law_has_its_own_interval(posteriors: dict) -> None:
    found = expectations(posteriors, ASKED, weights={}, prob=0.9)
    assert [one.law for one in found] == ["supervised", "chinchilla"]
    for one in found:
        loss = expected_loss(posteriors[one.law], **ASKED)
        record = loss.records(prob=0.9)[0]
        assert (one.median, one.lower, one.upper) == pytest.approx(
            (record["median"], record["lower"], record["upper"]), rel=1e-3
        )


def test_weights_are_the_share_of_the_mixtures_draws(posteriors: dict) -> None:
    one, other, mixed = expectations(
        posteriors, ASKED, weights={"supervised": 0.7, "chinchilla": 0.3}, prob=0.9
    )
    assert mixed.law == STACKED and other.lower > one.upper
    # The two laws' draws do not meet: the median lies among the first's, the upper end among the second's.
    first = np.sort(expected_loss(posteriors["supervised"], **ASKED).loss[:, 0])
    assert mixed.median == pytest.approx(np.quantile(first, 0.5 / 0.7), rel=1e-4)
    assert mixed.lower <= one.median <= mixed.median < other.lower < mixed.upper <= other.upper


def test_a_law_of_all_the_weight_is_the_mixture(posteriors: dict) -> None:
    one, _, mixed = expectations(posteriors, ASKED, weights={"supervised": 1.0, "chinchilla": 0.0}, prob=0.8)
    assert (mixed.lower, mixed.median, mixed.upper) == (one.lower, one.median, one.upper)
