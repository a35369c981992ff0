"""The keys of `laws compare` say what they mean, and refuse what they do not know."""

import inspect

import pytest
from pydantic import ValidationError

from bayes_dsl.cli import laws_verbs
from bayes_dsl.cli.laws_keys import LawsKeys, TargetKeys


def test_the_help_lists_the_keys() -> None:
    documented = " ".join(inspect.getdoc(laws_verbs.compare).split("Keys of --json: ")[1].split())
    assert documented.rstrip(".").split(", ") == list(LawsKeys.model_fields)


def test_no_key_is_added_in_silence() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        TargetKeys.model_validate({"target": "here", "other": 1})
