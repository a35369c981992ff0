"""The keys of `sensitivity` say what they mean, and refuse what they do not know."""

import inspect

import pytest
from pydantic import ValidationError

from bayes_dsl.cli import validation_verbs
from bayes_dsl.cli.sensitivity_keys import EndsKeys, SensitivityKeys


def test_the_help_lists_the_keys() -> None:
    documented = " ".join(inspect.getdoc(validation_verbs.sensitivity).split("Keys of --json: ")[1].split())
    assert documented.rstrip(".").split(", ") == list(SensitivityKeys.model_fields)


def test_no_key_is_added_in_silence() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        EndsKeys.model_validate({"median": 1.0, "lower": 0.9, "upper": 1.1, "other": 1})
