"""The keys of `risk` say what they mean, and refuse what they do not know."""

import pytest
from pydantic import ValidationError

from bayes_dsl.cli.risk_keys import KnowingKeys, MeanKeys, PlanRiskKeys, RiskKeys


def test_no_key_is_added_in_silence() -> None:
    with pytest.raises(ValidationError):
        KnowingKeys(nats=0.1, budget_share=None, other=1)  # type: ignore[call-arg]


def test_a_share_that_no_budget_buys_is_null() -> None:
    assert KnowingKeys(nats=0.1, budget_share=None).model_dump_json() == '{"nats":0.1,"budget_share":null}'


def test_every_interval_carries_its_probability_and_kind() -> None:
    assert {"prob", "kind"} <= set(MeanKeys.model_fields)
    for name in ("loss", "regret"):
        assert PlanRiskKeys.model_fields[name].annotation is MeanKeys
    assert RiskKeys.model_fields["student_params"].description
