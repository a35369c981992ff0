"""The checks that every value of a cost goes through, each breach one fault."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Integral, Real

from bayes_dsl.errors import Fault, InputError

COUNTINGS = ("non_embedding", "total")
"""How the parameters of a run can be counted, as the run table says it."""


def finite(value: object) -> float | None:
    """The value as a float, None where it is no finite number (a bool and a text are none)."""
    # A numpy bool is no Real; Python's own is.
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def whole(value: object) -> int | None:
    """The value as an int, None where it is no integer (a bool is none, and so is 2.0)."""
    return None if isinstance(value, bool) or not isinstance(value, Integral) else int(value)


def as_written(value: object) -> str:
    """A value as an error line shows it: on one line, a text in quotes."""
    try:
        text = str(value) if isinstance(value, Real) else " ".join(repr(value).split())
    except ValueError:  # Python spells no integer of more than some thousand digits
        return "a number of thousands of digits"
    return text if text.isprintable() else ascii(text)


def number_faults(
    value: object, *, where: str, what: str, allowed: Callable[[float], bool], rule: str, remedy: str
) -> Iterator[Fault]:
    """A fault where the value is no finite number, or not an allowed one."""
    number = finite(value)
    if number is None or not allowed(number):
        yield Fault(where=where, what=what, value=as_written(value), rule=rule, remedy=remedy)


def require_positive(values: Mapping[str, object], *, where: str) -> None:
    """Refuse values that are not finite numbers above 0, all at once (InputError)."""
    rule, remedy = "must be a finite number above 0", "Take it from the networks' configuration"
    faults = [
        fault
        for what, value in values.items()
        for fault in number_faults(
            value, where=where, what=what, allowed=lambda x: x > 0, rule=rule, remedy=remedy
        )
    ]
    if faults:
        raise InputError(faults)


def text_faults(value: object, *, where: str, what: str, may_be_empty: bool = False) -> Iterator[Fault]:
    """A fault where the value is no text that fits on one printed line."""
    good = isinstance(value, str) and value.isprintable() and (may_be_empty or bool(value.strip()))
    if not good:
        rule = "must be one line of printable text"
        yield Fault(where=where, what=what, value=as_written(value), rule=rule, remedy=f"Give a short {what}")


def flag_faults(value: object, *, where: str, what: str) -> Iterator[Fault]:
    """A fault where the value is neither True nor False."""
    if not isinstance(value, bool):
        rule, remedy = "must be True or False", "Give one of them"
        yield Fault(where=where, what=what, value=as_written(value), rule=rule, remedy=remedy)


def label(value: object) -> str:
    """A name for the beginning of an error line, whatever was given as the name."""
    return value if isinstance(value, str) and value.isprintable() else as_written(value)


def key_faults(given: Iterable[object], *, where: str, known: tuple[str, ...]) -> Iterator[Fault]:
    """A fault for every key that is not among the known ones."""
    for key in given:
        if key not in known:
            rule, remedy = "there is no such key here", f"The keys are {', '.join(known)}"
            yield Fault(where=where, what="key", value=label(key), rule=rule, remedy=remedy)


def counting_fault(where: str, counting: object) -> Fault:
    """The fault of a way of counting parameters that is none."""
    rule = f"must be {' or '.join(COUNTINGS)}"
    remedy = "Say whether N counts the embeddings (total) or not (non_embedding), or leave it out"
    return Fault(where=where, what="counting", value=as_written(counting), rule=rule, remedy=remedy)
