"""Options that several verbs share."""

from typing import get_args

import pytest
import typer

from bayes_dsl.cli.options import Counting, Kind, LawName, probability
from bayes_dsl.inference.intervals import KINDS
from bayes_dsl.laws.registry import registered
from bayes_dsl.runs.schema import COUNTINGS


def test_the_choices_are_those_of_the_library() -> None:
    assert get_args(LawName) == tuple(law.name for law in registered())
    assert get_args(Counting) == tuple(COUNTINGS)
    assert get_args(Kind) == KINDS


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 90.0, float("nan")])
def test_a_probability_is_between_0_and_1(value: float) -> None:
    with pytest.raises(typer.BadParameter, match="between 0 and 1"):
        probability(value)


def test_a_probability_passes() -> None:
    assert probability(0.9) == 0.9
