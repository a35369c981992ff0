"""The keys of `calibrate` say what they mean, and refuse what they do not know."""

import inspect

import pytest
from pydantic import ValidationError

from bayes_dsl.cli import validation_verbs
from bayes_dsl.cli.calibrate_keys import CalibrateKeys, RankedKeys


def test_the_help_lists_the_keys() -> None:
    documented = " ".join(inspect.getdoc(validation_verbs.calibrate).split("Keys of --json: ")[1].split())
    assert documented.rstrip(".").split(", ") == list(CalibrateKeys.model_fields)


def test_no_key_is_added_in_silence() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        RankedKeys.model_validate({"quantity": "E", "other": 1})
