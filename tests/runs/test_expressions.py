"""The language of `--columns`: what a right-hand side means, and what cannot be read is told."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_dsl.runs.expressions import (
    UNITS,
    Expression,
    ExpressionError,
    Join,
    Name,
    Node,
    Number,
    Product,
    Text,
    longest_name,
    parse_expression,
    unknown_column,
)

KNOWN = ["N", "N eval", "flops", "width", "depth", "eval/ce", "x (y)", "1e9", "a&b"]
N, WIDTH, DEPTH, FLOPS = (Name(name) for name in ("N", "width", "depth", "flops"))
SIX = Number(6.0, "6")


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("N", N),
        ("  N ", N),
        ("eval/ce", Name("eval/ce")),
        ("x (y)", Name("x (y)")),
        ("`a&b`", Name("a&b")),
        ("N eval", Name("N eval")),
        ("'N'", Text("N")),
        ('"it\'s"', Text("it's")),
        ("1.3B", Number(1.3e9, "1.3B")),
        (".5", Number(0.5, ".5")),
        ("6 N", Product(((SIX, 1), (N, 1)))),
        ("6N", Product(((SIX, 1), (N, 1)))),
        ("flops/(6 N)", Product(((FLOPS, 1), (Product(((SIX, 1), (N, 1))), -1)))),
        ("flops/6*N", Product(((FLOPS, 1), (SIX, -1), (N, 1)))),
        ("(N)", N),
        ("width & depth", Join((WIDTH, DEPTH))),
        ("width&'x'&2 N", Join((WIDTH, Text("x"), Product(((Number(2.0, "2"), 1), (N, 1)))))),
    ],
)
def test_what_a_text_means(text: str, node: Node) -> None:
    assert parse_expression(text, KNOWN) == Expression(node, None)


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_stands_behind_the_formula(unit: str) -> None:
    assert parse_expression(f"6 N [ {unit} ]", KNOWN) == Expression(Product(((SIX, 1), (N, 1))), unit)


def test_bits_are_turned_into_nats() -> None:
    assert UNITS["bits"] == ("loss", math.log(2.0)) and UNITS["nats"] == ("loss", 1.0)
    assert UNITS["B"] == UNITS["billions"] == ("count", 1e9)


def test_a_word_without_quotes_is_a_text_only_where_it_is_a_choice_and_no_column() -> None:
    assert parse_expression("distilled", KNOWN, ("distilled",)).node == Text("distilled")
    assert parse_expression("N", KNOWN, ("N",)).node == N
    with pytest.raises(ExpressionError, match="distilled: is no column of the table"):
        parse_expression("distilled", KNOWN)


def test_a_name_is_a_whole_word_and_a_number_is_no_name() -> None:
    known = sorted(["N", "N eval", "1e9", "loss_"], key=len, reverse=True)
    assert longest_name("N eval*2", 0, known) == "N eval"
    assert longest_name("N evaluated", 0, known) == "N"
    assert longest_name("6 N", 2, known) == "N"
    assert longest_name("NN", 0, known) is None
    assert longest_name("1e9", 0, known) is None
    assert parse_expression("1e9*N", KNOWN).node == Product(((Number(1e9, "1e9"), 1), (N, 1)))
    assert parse_expression("`1e9`", KNOWN).node == Name("1e9")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "lacks a column or a number"),
        ("N*", "lacks a column or a number"),
        ("N**2", "lacks a column or a number"),
        ("-N", "is no column of the table"),
        ("N+1", "is a sum or a difference"),
        ("N-1", "is a sum or a difference"),
        ("flops/6 N", "a product without a sign behind a division"),
        ("(N", "a parenthesis that is not closed"),
        ("N)", "is not understood here"),
        ("N [K] 2", "is not understood here"),
        ("'N", "a quote that is not closed"),
        ("`M`", "is no column of the table"),
        ("N [parsec]", "is no unit that is known"),
        ("N [K", "is no unit that is known"),
        ("(" * 51 + "N" + ")" * 51, "is nested more than 50 times"),
        ("1e400", "is no column of the table"),
        ("__import__('os').system('true')", "is no column of the table"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, rule: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text, KNOWN)
    assert rule in caught.value.rule and caught.value.remedy


def test_fifty_parentheses_are_still_read() -> None:
    assert parse_expression("(" * 50 + "N" + ")" * 50, KNOWN).node == N


def test_an_unknown_column_is_told_its_neighbours_or_the_first_thirty() -> None:
    assert "Did you mean: width" in str(unknown_column("widht", KNOWN))
    many = [f"c{i}" for i in range(31)]
    assert str(unknown_column("zzz", many)).count(", c") == 29 and ", ..." in str(unknown_column("zzz", many))


NAME = st.text(
    st.characters(
        codec="utf-8", exclude_characters="`\n\r", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]
    ),
    min_size=1,
    max_size=12,
)


@given(NAME, NAME)
def test_any_name_can_be_renamed_and_quoted(name: str, other: str) -> None:
    known = [name, other]
    assert parse_expression(name, known).node == parse_expression(f"`{name}`", known).node


@given(st.text("ab `'()[]*/&6.BeE+-,=\"", max_size=25))
def test_no_text_breaks_the_parser(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        assert isinstance(parse_expression(text, ["a", "a b", "b/a", "(a)"]), Expression)
