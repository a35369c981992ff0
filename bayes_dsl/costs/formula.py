"""F(N) as a sum of powers of N: its terms, how they are written, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bayes_dsl.costs.checks import as_written, finite, number_faults
from bayes_dsl.errors import Fault

_PROBES = 10.0 ** np.arange(6, 13)


def term_of(params: Any, coefficient: float, exponent: float) -> Any:
    """coefficient * N ** exponent, by operators only."""
    # A power of one would cost a logarithm and a digit for nothing.
    return coefficient * params if exponent == 1.0 else coefficient * params**exponent


def spelled(coefficient: float, exponent: float) -> str:
    """The term for a reader: `2 N`, `1.443e5 N^0.3333`."""
    number = f"{coefficient:.4g}".replace("e+0", "e").replace("e+", "e")
    if exponent == 0:
        return number
    return f"{number} N" if exponent == 1 else f"{number} N^{exponent:.4g}"


def term_faults(where: str, terms: object) -> Iterator[Fault]:
    """A fault for every term that is no (coefficient, exponent), and one where the sum does not increase."""
    remedy = "Write each term as [coefficient, exponent], such as [2.0, 1.0] for 2 N"
    if not isinstance(terms, tuple | list) or not terms:
        rule = "F(N) is the sum of at least one term coefficient * N ** exponent"
        yield Fault(where=where, what="terms", value=as_written(terms), rule=rule, remedy=remedy)
        return
    exponents = []
    for number, term in enumerate(terms, start=1):
        what = f"term {number}"
        if not isinstance(term, tuple | list) or len(term) != 2:
            rule = "must be two numbers"
            yield Fault(where=where, what=what, value=as_written(term), rule=rule, remedy=remedy)
            continue
        coefficient, exponent = term
        rule = "must be a finite number above 0"
        yield from number_faults(
            coefficient,
            where=where,
            what=f"coefficient of {what}",
            allowed=lambda x: x > 0,
            rule=rule,
            remedy=remedy,
        )
        rule = "must be a number from 0 to below 2"
        yield from number_faults(
            exponent,
            where=where,
            what=f"exponent of {what}",
            allowed=lambda x: 0 <= x < 2,
            rule=rule,
            remedy=remedy,
        )
        exponents.append(finite(exponent))
    if exponents and all(exponent == 0 for exponent in exponents):
        rule = "F(N) must increase, so that one exponent at least is above 0"
        yield Fault(where=where, what="terms", value=as_written(terms), rule=rule, remedy=remedy)


def function_faults(where: str, function: object) -> Iterator[Fault]:
    """A fault where a user's F is no increasing function of an array of N, tried at N = 1e6 to 1e12."""
    remedy = "Give a function of N built from operators only, such as lambda N: 2 * N + 1e5 * N**0.5"
    what = "function"
    if not callable(function):
        rule = "must be a function"
        yield Fault(where=where, what=what, value=as_written(function), rule=rule, remedy=remedy)
        return
    try:
        costs = np.asarray(function(_PROBES), dtype=np.float64)
    except Exception as error:  # whatever a stranger's function raises
        value = as_written(f"{type(error).__name__}: {error}")
        rule = "must take an array of N"
        yield Fault(where=where, what=what, value=value, rule=rule, remedy=remedy)
        return
    if costs.shape != _PROBES.shape:
        rule = f"must return one number for each N: {_PROBES.size} were asked for"
        yield Fault(where=where, what=what, value=f"shape {costs.shape}", rule=rule, remedy=remedy)
    elif not (np.isfinite(costs).all() and (costs > 0).all() and (np.diff(costs) >= 0).all()):
        rule = "must be finite, above 0 and not decreasing at N = 1e6, 1e7, ..., 1e12"
        value = ", ".join(f"{cost:.4g}" for cost in costs)
        yield Fault(where=where, what=what, value=value, rule=rule, remedy=remedy)
