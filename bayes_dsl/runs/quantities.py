"""Numbers as people write them: `1.3B`, `20e9`, `512B`, `2T`, `70M`, `1_000_000`, parsed and printed back."""

from __future__ import annotations

import math
import re

from bayes_dsl.errors import Fault, InputError

_EXPONENT = {"k": 3, "m": 6, "b": 9, "t": 12}
_DIGITS = r"\d+(?:_\d+)*"
_NUMBER = re.compile(
    rf"(?P<sign>[+-]?)(?P<mantissa>(?:{_DIGITS})(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})"
    rf"(?:(?P<exponent>[eE][+-]?{_DIGITS})|\s?(?P<suffix>[KkMmBbTt]))?",
    re.ASCII,
)


def number_of(text: str, *, suffixes: bool = True) -> float | None:
    """Return the number that the text spells, or None when it spells none.

    Decimal digits, `_` between digits, an exponent or one of the suffixes K, M, B, T (any case); no
    thousands commas, no `nan`, no `inf`, no other alphabet's digits. A number beyond 64 bits is infinite.
    """
    found = _NUMBER.fullmatch(text.strip())
    if found is None or (found["suffix"] and not suffixes):
        return None
    exponent = f"e{_EXPONENT[found['suffix'].lower()]}" if found["suffix"] else (found["exponent"] or "")
    return float(found["sign"] + found["mantissa"] + exponent)


def parse_quantity(text: str, *, where: str = "quantity", what: str = "value") -> float:
    """Return the positive finite number that a person wrote, such as `1.3B` or `20e9`.

    Raises
    ------
    InputError
        When the text is no such number; `where` and `what` name the place in its one line.
    """
    value = number_of(text)
    if value is not None and math.isfinite(value) and value > 0:
        return value
    raise InputError(
        Fault(
            where=where,
            what=what,
            value=text or "(empty)",
            rule="must be a finite number above zero",
            remedy=quantity_remedy(text) or "Write it like 1.3B, 20e9, 70M or 1_000_000",
        )
    )


def quantity_remedy(text: str) -> str | None:
    """Return the next step for a text that is nearly a number, None where nothing specific is known."""
    if re.fullmatch(r"[+-]?\d{1,3}([,' ]\d{3})+(\.\d*)?", text.strip()):
        plain = re.sub(r"[,' ]", "", text.strip())
        return f"Write {plain} without thousands separators (1_000_000 and 1M are understood)"
    if re.fullmatch(r"[+-]?\d+,\d+", text.strip()):
        return "Write the decimal sign as a point"
    return None


def format_quantity(value: float, *, digits: int = 4) -> str:
    """Return a number for people: `1.3B` for 1.3e9, `3.2e23` beyond trillions, at most `digits` digits."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = float(f"{value:.{digits - 1}e}")
    places = max(digits, 3)  # up to 999 before the letter; with fewer places `g` would write 1e+02
    for letter, exponent in (("T", 12), ("B", 9), ("M", 6), ("K", 3)):
        scaled = abs(rounded) / 10.0**exponent
        if 1 <= scaled < 1000:
            return f"{rounded / 10.0**exponent:.{places}g}{letter}"
    if 0.001 <= abs(rounded) < 1000:
        return f"{rounded:.{places}g}"
    mantissa, exponent_text = f"{rounded:.{digits - 1}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent_text)}"
