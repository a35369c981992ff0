"""The keys of `backtest` say what they mean, and refuse what they do not know."""

import inspect

import pytest
from pydantic import ValidationError

from bayes_dsl.cli import validation_verbs
from bayes_dsl.cli.backtest_keys import BacktestKeys, ScoresKeys


def test_the_help_lists_the_keys() -> None:
    documented = " ".join(inspect.getdoc(validation_verbs.backtest).split("Keys of --json: ")[1].split())
    assert documented.rstrip(".").split(", ") == list(BacktestKeys.model_fields)


def test_no_key_is_added_in_silence() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        ScoresKeys.model_validate({"where": "8x", "other": 1})
