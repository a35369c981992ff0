"""Options of decisions: their words are those of the library, their numbers are checked."""

from typing import get_args

import pytest
import typer

from bayes_dsl.cli.decision_options import CostName, RuleName, ScenarioName, _distance
from bayes_dsl.costs.flops import RESERVED, cost_model
from bayes_dsl.costs.scenarios import SCENARIOS, SUPERVISED_TRAINING, scenario
from bayes_dsl.decisions.recommended import WITHIN, Rule
from tests.architecture.test_imports import NUMERICS, fresh


def test_the_choices_are_those_of_the_library() -> None:
    assert get_args(ScenarioName) == tuple(one.name for one in (*SCENARIOS, SUPERVISED_TRAINING))
    assert all(scenario(name).name == name for name in get_args(ScenarioName))
    assert get_args(CostName) == RESERVED
    assert all(cost_model(name).name == name for name in get_args(CostName) if name != "table")
    assert get_args(RuleName) == get_args(Rule)


@pytest.mark.parametrize("value", [0.0, -0.1, float("inf"), float("nan")])
def test_a_distance_is_above_0(value: float) -> None:
    with pytest.raises(typer.BadParameter, match=r"no finite number above 0; write 0\.005 for 0.005 nats"):
        _distance(value)


def test_a_distance_passes() -> None:
    assert _distance(WITHIN) == WITHIN


def test_the_module_is_light() -> None:
    loaded = fresh("import bayes_dsl.cli.decision_options")[1]
    assert not loaded & (NUMERICS | {"pandas", "pydantic", "rich.table"})
