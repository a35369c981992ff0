"""A teacher that exists, as people write it: `ours: loss=2.1, params=7B, price=1e21`."""

from __future__ import annotations

from collections.abc import Sequence

from bayes_dsl.cli.named_parts import Grammar, named
from bayes_dsl.decisions.existing import NONE, Teacher

GRAMMAR = Grammar(
    verb="teachers",
    option="--teacher",
    what="teacher",
    parts={"loss": "loss", "params": "params", "price": "price_flops", "loss-se": "loss_se"},
    needed=("loss",),
    example="ours: loss=2.1, params=7B, price=1e21",
)


def teachers_of(texts: Sequence[str]) -> tuple[Teacher, ...]:
    """The teachers in the order given; every fault of every one at once.

    Raises
    ------
    InputError
        See `named`.
    """
    made = named(texts, GRAMMAR, lambda name, numbers: Teacher(name=name, **numbers), taken=(NONE,))
    return tuple(made.values())
