"""The keys of --json are those that each verb's help lists, and each has a meaning or a plain name."""

import re

import pytest

from bayes_dsl.cli import json_keys, posterior_verbs, table_verbs

VERBS = {
    "check": (table_verbs.check, json_keys.CheckKeys),
    "fit": (table_verbs.fit, json_keys.FitKeys),
    "summary": (posterior_verbs.summary, json_keys.SummaryKeys),
    "forecast": (posterior_verbs.forecast, json_keys.ForecastKeys),
    "score": (posterior_verbs.score, json_keys.ScoreKeys),
}


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_lists_the_keys(verb: str) -> None:
    function, keys = VERBS[verb]
    found = re.search(r"Keys of --json: ([^.]*)\.", " ".join((function.__doc__ or "").split()))
    assert found is not None
    assert tuple(found[1].split(", ")) == tuple(keys.model_fields)


def test_the_keys_of_a_loss_and_of_a_forecast_are_those_agreed_on() -> None:
    assert tuple(json_keys.LossKeys.model_fields) == ("median", "lower", "upper", "prob", "kind", "about")
    keys = (
        "inputs",
        "expected",
        "next_run",
        "extrapolation",
        "misfit",
        "misfit_share",
        "sensitivity",
        "health",
    )
    assert tuple(json_keys.ForecastKeys.model_fields) == (*keys, "warnings", "backtest")


def test_an_undeclared_key_is_refused() -> None:
    with pytest.raises(ValueError, match="extra"):
        json_keys.Keys(anything=1)
