"""Numbers as people write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_dsl.errors import InputError
from bayes_dsl.runs.quantities import format_quantity, number_of, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.3B", 1.3e9),
        ("1.1b", 1.1e9),
        ("20e9", 20e9),
        ("512B", 512e9),
        ("2T", 2e12),
        ("70M", 70e6),
        ("1.5k", 1500.0),
        ("1_000_000", 1e6),
        (" 7 ", 7.0),
        ("+3.", 3.0),
        (".5", 0.5),
        ("1E21", 1e21),
        ("7 B", 7e9),
        ("0.1T", 1e11),
    ],
)
def test_what_is_understood(text: str, value: float) -> None:
    assert parse_quantity(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "B",
        "1,000",
        "1 000",
        "nan",
        "inf",
        "1e400",
        "-1",
        "0",
        "True",
        "1e9B",
        "1.3G",
        "1__0",
        "_1",
        "1_",
        "0x10",
        "1.2.3",
        "1.3 billion",
        "１",
        "1B2",
        "--1",
        "1e",
        "7BB",
        "1\n2",
    ],
)
def test_what_is_not(text: str) -> None:
    with pytest.raises(InputError, match="must be a finite number above zero"):
        parse_quantity(text, where="--student", what="params")


def test_a_near_miss_is_told_what_to_write() -> None:
    with pytest.raises(InputError, match="Write 1000000 without thousands separators"):
        parse_quantity("1,000,000")
    with pytest.raises(InputError, match="decimal sign as a point"):
        parse_quantity("1,3")


@given(st.floats(min_value=1e-6, max_value=1e30))
def test_what_is_printed_reads_back(value: float) -> None:
    assert parse_quantity(format_quantity(value)) == pytest.approx(value, rel=5.1e-4)


@given(st.floats(min_value=1e-3, max_value=1e26), st.integers(min_value=2, max_value=9))
def test_printing_is_idempotent(value: float, digits: int) -> None:
    once = format_quantity(value, digits=digits)
    assert format_quantity(parse_quantity(once), digits=digits) == once


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_is_read_exactly(value: float) -> None:
    assert number_of(repr(value)) == value


@given(st.integers(min_value=1, max_value=9999), st.sampled_from("KMBT"))
def test_a_suffix_is_exactly_a_power_of_ten(mantissa: int, suffix: str) -> None:
    power = {"K": 3, "M": 6, "B": 9, "T": 12}[suffix]
    assert number_of(f"{mantissa}{suffix}") == float(mantissa * 10**power)
    assert number_of(f"{mantissa}{suffix}", suffixes=False) is None


@given(st.text(max_size=12))
def test_no_text_raises_or_gives_nan(text: str) -> None:
    value = number_of(text)
    assert value is None or not math.isnan(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.3e9, "1.3B"),
        (20e9, "20B"),
        (512e9, "512B"),
        (3.2e23, "3.2e23"),
        (999999, "1M"),
        (12.5, "12.5"),
        (1e15, "1e15"),
        (0.0, "0"),
        (2.5e-7, "2.5e-7"),
        (1234567890, "1.235B"),
        (999.96, "1K"),
    ],
)
def test_how_numbers_are_printed(value: float, text: str) -> None:
    assert format_quantity(value) == text


@pytest.mark.parametrize(("value", "text"), [(99.5e6, "100M"), (1.234e11, "120B"), (456.7, "460")])
def test_few_digits_never_bring_an_exponent_before_the_letter(value: float, text: str) -> None:
    assert format_quantity(value, digits=2) == text
