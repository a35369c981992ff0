"""Each check lets through what is allowed, and says in one line what is not."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_dsl.costs.checks import (
    COUNTINGS,
    as_written,
    counting_fault,
    finite,
    flag_faults,
    key_faults,
    label,
    number_faults,
    require_positive,
    text_faults,
    whole,
)
from bayes_dsl.errors import InputError
from bayes_dsl.runs import schema


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), np.int64(1), 10**300])
def test_a_number_is_a_number(value):
    assert finite(value) == float(value)


@pytest.mark.parametrize(
    "value", [True, np.True_, "1", None, float("nan"), float("-inf"), 10**400, 1j, np.ones(1), [1]]
)
def test_what_is_no_finite_number(value):
    assert finite(value) is None


def test_a_whole_number_is_an_integer():
    assert whole(np.int8(3)) == 3 and type(whole(np.int8(3))) is int
    assert [whole(value) for value in (2.0, True, False, np.True_, "3", None)] == [None] * 6


@pytest.mark.parametrize(
    ("value", "shown"),
    [(np.float64(2.5), "2.5"), ("a\nb", r"'a\nb'")],
)
def test_any_value_is_shown_on_one_line(value, shown):
    assert as_written(value) == shown
    assert as_written(np.ones((3, 3))).isprintable()
    assert as_written(10**9000) == "a number of thousands of digits"


def test_a_number_out_of_range_is_one_line():
    asked = {"where": "here", "what": "x", "rule": "must be above 1", "remedy": "Give 2"}
    (fault,) = number_faults(0.5, allowed=lambda x: x > 1, **asked)
    assert str(fault) == "here: x = 0.5; must be above 1. Give 2."
    assert not list(number_faults(1.5, allowed=lambda x: x > 1, **asked))


def test_all_values_that_are_not_positive_are_listed():
    require_positive({"a": 1, "b": 0.5}, where="here")
    with pytest.raises(InputError) as caught:
        require_positive({"a": 1, "b": 0, "c": "2"}, where="here")
    assert [(fault.what, fault.value) for fault in caught.value.faults] == [("b", "0"), ("c", "'2'")]


@pytest.mark.parametrize("value", ["", "  ", "a\nb", "\x1b[2J", 7, None])
def test_a_text_fits_on_one_line(value):
    (fault,) = text_faults(value, where="here", what="name")
    assert str(fault).startswith("here: name = ") and "\n" not in str(fault) and "\x1b" not in str(fault)


def test_a_text_may_be_empty_where_that_is_said():
    assert not list(text_faults("", where="here", what="remark", may_be_empty=True))
    assert not list(text_faults("C4, 2 epochs", where="here", what="name"))


def test_a_flag_is_true_or_false():
    assert not list(flag_faults(True, where="here", what="stored"))
    assert [fault.value for fault in flag_faults(1, where="here", what="stored")] == ["1"]


def test_unknown_keys_are_listed_with_the_known_ones():
    faults = list(key_faults(["a", "b", 3], where="here", known=("a", "c")))
    assert [fault.value for fault in faults] == ["b", "3"]
    assert faults[0].remedy == "The keys are a, c"


def test_a_label_is_printable():
    assert label("paper") == "paper"
    assert label("a\nb") == r"'a\nb'" and label(3) == "3"


def test_the_ways_of_counting_are_the_run_tables():
    assert COUNTINGS == schema.COUNTINGS
    assert "must be non_embedding or total" in str(counting_fault("here", "all"))
