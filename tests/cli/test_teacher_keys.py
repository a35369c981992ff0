"""The keys of `teachers` say what they mean, and refuse what they do not know."""

import pytest
from pydantic import ValidationError

from bayes_dsl.cli.risk_keys import MeanKeys
from bayes_dsl.cli.teacher_keys import OptionKeys, TeachersKeys


def test_no_key_is_added_in_silence() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        OptionKeys.model_validate({"name": "a", "other": 1})


def test_every_interval_carries_its_probability_and_kind() -> None:
    assert OptionKeys.model_fields["loss"].annotation is MeanKeys


def test_what_is_not_plain_from_its_name_is_told() -> None:
    for name in ("student_params", "recommended", "unaffordable", "warnings"):
        assert TeachersKeys.model_fields[name].description
