"""The laws that the package knows by name."""

from __future__ import annotations

from bayes_dsl.errors import Fault, UnknownName
from bayes_dsl.laws.base import Law
from bayes_dsl.laws.distillation import DISTILLATION
from bayes_dsl.laws.exponential import EXPONENTIAL
from bayes_dsl.laws.repetition import REPETITION
from bayes_dsl.laws.supervised import CHINCHILLA, SUPERVISED
from bayes_dsl.laws.variants import INTERACTION, TIED

_LAWS = {
    known.name: known
    for known in (SUPERVISED, CHINCHILLA, TIED, INTERACTION, REPETITION, DISTILLATION, EXPONENTIAL)
}


def registered() -> tuple[Law, ...]:
    """Every law that the command line can name; Python takes any `Law`."""
    return tuple(_LAWS.values())


def law(name: str) -> Law:
    """The registered law of that name: supervised, chinchilla, tied, interaction, repetition,
    distillation or exponential.

    Raises
    ------
    UnknownName
        No registered law has that name; the message lists those that there are.
    """
    if name in _LAWS:
        return _LAWS[name]
    raise UnknownName(
        Fault(
            where="law",
            what="name",
            value=str(name),
            rule="no registered law has this name",
            remedy=f"Choose one of {', '.join(_LAWS)}, or in Python pass a Law of your own",
        )
    )
