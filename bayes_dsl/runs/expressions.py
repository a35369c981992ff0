"""The language of `--columns`: `flops/(6 params)`, `width & depth`, `'supervised'`, `N [billions]`.

    entry   = join [unit]            unit    = "[" word "]"
    join    = product { "&" product }
    product = factor { ("*" | "/" | nothing) factor }      nothing multiplies, though not after a "/"
    factor  = number | column | "'text'" | "(" product ")"

A column may be called by any name of the table, also one with spaces, slashes or brackets: the longest
name that fits is taken. Backticks take a name literally. Nothing is ever evaluated as code.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bayes_dsl.runs.quantities import number_of

UNITS: dict[str, tuple[str, float]] = {
    "thousand": ("count", 1e3),
    "thousands": ("count", 1e3),
    "K": ("count", 1e3),
    "million": ("count", 1e6),
    "millions": ("count", 1e6),
    "M": ("count", 1e6),
    "billion": ("count", 1e9),
    "billions": ("count", 1e9),
    "B": ("count", 1e9),
    "trillion": ("count", 1e12),
    "trillions": ("count", 1e12),
    "T": ("count", 1e12),
    "nats": ("loss", 1.0),
    "bits": ("loss", math.log(2.0)),
}
"""Units that an entry may end in: the kind of column they suit, and the factor to its own unit."""

_NUMBER = re.compile(r"(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_SUFFIXED = re.compile(_NUMBER.pattern + r"[KkMmBbTt]?(?![\w.])", re.ASCII)
_UNKNOWN = re.compile(r"[^*/()&\[\]`'\"]+")
_MAX_DEPTH = 50


@dataclass(frozen=True)
class Name:
    """A column."""

    name: str


@dataclass(frozen=True)
class Text:
    """The same text for every row."""

    text: str


@dataclass(frozen=True)
class Product:
    """Factors, each with +1 (multiply) or -1 (divide)."""

    factors: tuple[tuple[Node, int], ...]


@dataclass(frozen=True)
class Join:
    """Several columns made one label."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Number:
    """A constant, and the text that spells it."""

    value: float
    text: str


Node = Name | Text | Number | Product | Join


@dataclass(frozen=True)
class Expression:
    """A parsed right-hand side: the formula and the unit that it is in."""

    node: Node
    unit: str | None


class ExpressionError(ValueError):
    """A right-hand side cannot be read: the offending part, the rule and the next step."""

    def __init__(self, value: str, rule: str, remedy: str) -> None:
        super().__init__(f"{value}: {rule}. {remedy}.")
        self.value, self.rule, self.remedy = value, rule, remedy


def parse_expression(text: str, known: Sequence[str], words: Sequence[str] = ()) -> Expression:
    """Parse a right-hand side over the names that are known.

    `words` are the texts that may stand without quotes (the choices of the column that is defined).

    Raises
    ------
    ExpressionError
        When the text does not follow the grammar or calls a column that is not there.
    """
    stripped = text.strip()
    if stripped in known:
        return Expression(Name(stripped), None)
    if stripped in words:
        return Expression(Text(stripped), None)
    return _Parser(stripped, known).whole()


def longest_name(text: str, at: int, known: Sequence[str]) -> str | None:
    """Return the first of the known names (give the longest first) that stands at a place as a whole word."""
    for name in known:
        if text.startswith(name, at) and number_of(name) is None:
            after = text[at + len(name) : at + len(name) + 1]
            if not (_wordy(name[-1:]) and _wordy(after)):
                return name
    return None


def unknown_column(called: str, known: Sequence[str]) -> ExpressionError:
    """Return the error for a column that is not there, with the nearest names that are."""
    near = difflib.get_close_matches(called, known, n=3, cutoff=0.6)
    listed = ", ".join(near or known[:30]) + (", ..." if not near and len(known) > 30 else "")
    hint = "Did you mean" if near else "The columns are"
    return ExpressionError(
        called,
        "is no column of the table",
        f"{hint}: {listed}; a constant text stands in quotes",
    )


def _wordy(character: str) -> bool:
    return character.isalnum() or character == "_"


class _Parser:
    """Recursive descent over one right-hand side."""

    def __init__(self, text: str, known: Sequence[str]) -> None:
        self.text, self.at, self.depth = text, 0, 0
        self.listed, self.known = known, sorted(known, key=len, reverse=True)

    def whole(self) -> Expression:
        node = self.join()
        unit = self.unit() if self.peek() == "[" else None
        if self.peek():
            raise ExpressionError(
                self.text[self.at :], "is not understood here", "See the examples under --columns in the help"
            )
        return Expression(node, unit)

    def peek(self) -> str:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def unit(self) -> str:
        end = self.text.find("]", self.at)
        word = self.text[self.at + 1 : end].strip() if end > 0 else self.text[self.at + 1 :]
        if end < 0 or word not in UNITS:
            raise ExpressionError(word, "is no unit that is known", f"The units are: {', '.join(UNITS)}")
        self.at = end + 1
        return word

    def join(self) -> Node:
        parts = [self.product()]
        while self.peek() == "&":
            self.at += 1
            parts.append(self.product())
        return parts[0] if len(parts) == 1 else Join(tuple(parts))

    def product(self) -> Node:
        factors: list[tuple[Node, int]] = [(self.factor(), 1)]
        while (sign := self.peek()) and sign not in ")&[]":
            if sign in "*/":
                self.at += 1
                factors.append((self.factor(), 1 if sign == "*" else -1))
            elif any(power < 0 for _, power in factors):
                raise ExpressionError(
                    self.text,
                    "has a product without a sign behind a division",
                    "Write a/(b c) or a/b*c, whichever is meant",
                )
            else:
                factors.append((self.factor(), 1))
        return factors[0][0] if len(factors) == 1 else Product(tuple(factors))

    def factor(self) -> Node:
        sign = self.peek()
        if sign == "(" and longest_name(self.text, self.at, self.known) is None:
            return self.parenthesis()
        if sign and sign in "`'\"":
            return self.quoted(sign)
        if (name := longest_name(self.text, self.at, self.known)) is not None:
            self.at += len(name)
            return Name(name)
        if found := _SUFFIXED.match(self.text, self.at) or _NUMBER.match(self.text, self.at):
            value = number_of(found[0])
            if value is not None and math.isfinite(value):
                self.at = found.end()
                return Number(value, found[0])
        return self.unknown()

    def parenthesis(self) -> Node:
        self.at += 1
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise ExpressionError("(", f"is nested more than {_MAX_DEPTH} times", "Simplify the formula")
        inner = self.product()
        if self.peek() != ")":
            raise ExpressionError(self.text, "has a parenthesis that is not closed", "Close it with )")
        self.at += 1
        self.depth -= 1
        return inner

    def quoted(self, quote: str) -> Node:
        end = self.text.find(quote, self.at + 1)
        if end < 0:
            raise ExpressionError(
                self.text[self.at :], "has a quote that is not closed", f"Close it with {quote}"
            )
        inner = self.text[self.at + 1 : end]
        self.at = end + 1
        if quote != "`":
            return Text(inner)
        if inner not in self.known:
            raise unknown_column(inner, self.listed)
        return Name(inner)

    def unknown(self) -> Node:
        if self.at and self.text[self.at : self.at + 1] in ("+", "-"):
            raise ExpressionError(
                self.text[self.at :],
                "is a sum or a difference",
                "Use products and quotients, or add the column",
            )
        found = _UNKNOWN.match(self.text, self.at)
        if found is None or not found[0].strip():
            raise ExpressionError(
                self.text or "(empty)", "lacks a column or a number", "Name a column of the table"
            )
        raise unknown_column(self.text if self.at == 0 else found[0].strip(), self.listed)
