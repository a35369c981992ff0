"""What a network is: its shape, and the few numbers that its forward pass and its muP multipliers depend on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bayes_dsl.costs.architecture import Architecture, architecture
from bayes_dsl.costs.checks import as_written, label, number_faults, whole
from bayes_dsl.errors import Fault, InputError

SMALL_WIDTHS = (16, 24, 32, 48, 64, 96, 128, 192)
"""Widths of the small family, which spans a factor of 150 in parameters at two layers."""

# A head of 32 is the fastest on a CPU; the others serve widths that 32 does not divide.
_HEAD_SIZES = (32, 24, 16, 8)


@dataclass(frozen=True, kw_only=True)
class Network:
    """A decoder-only transformer with tied embeddings; hashable, so that programs are compiled once for each.

    Attributes
    ----------
    architecture : Architecture
        Its shape, as `bayes_dsl.costs` counts it. The feed-forward blocks are gated (3 matrices).
    rope_base : float
        Base of the rotary position embedding's wave lengths.
    base_width : int
        The width at which every muP multiplier is 1.
    norm_epsilon : float
        Added to the mean square in each norm.
    compute : {"float32", "bfloat16"}
        What the inputs of matrix products are rounded to. Sums and parameters are float32 either way.

    Raises
    ------
    InputError
        A number is out of its range, the head size is odd, or the feed-forward block is not gated; every
        breach is listed.

    Notes
    -----
    Busbridge et al., Distillation Scaling Laws, arXiv 2502.08606, appendices H and I. The base width is not
    stated there.
    """

    architecture: Architecture
    rope_base: float = 500_000.0
    base_width: int = 64
    norm_epsilon: float = 1e-6
    compute: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise InputError(faults)

    def _faults(self) -> Iterator[Fault]:
        shape = self.architecture
        where = f"network {label(shape.name)}"
        if shape.head_size % 2:
            rule, remedy = "must be even, as rotary embeddings turn pairs", "Give an even head size"
            yield Fault(where=where, what="head_size", value=f"{shape.head_size}", rule=rule, remedy=remedy)
        if shape.ffn_matrices != 3:
            rule, remedy = "the feed-forward block is gated and has 3", "Give 3, or count costs only"
            value = f"{shape.ffn_matrices}"
            yield Fault(where=where, what="ffn_matrices", value=value, rule=rule, remedy=remedy)
        if (whole(self.base_width) or 0) < 1:
            rule, remedy = "must be a whole number of 1 or more", "Give the width that rates were tuned at"
            value = as_written(self.base_width)
            yield Fault(where=where, what="base_width", value=value, rule=rule, remedy=remedy)
        for what, least in (("rope_base", 1.0), ("norm_epsilon", 0.0)):
            yield from number_faults(
                getattr(self, what),
                where=where,
                what=what,
                allowed=lambda x, least=least: x > least,  # type: ignore[misc]
                rule=f"must be a finite number above {least:g}",
                remedy="Leave it out for the usual one",
            )
        if self.compute not in ("float32", "bfloat16"):
            rule, remedy = "must be float32 or bfloat16", "Give one of them"
            yield Fault(where=where, what="compute", value=as_written(self.compute), rule=rule, remedy=remedy)


def small(width: int, *, vocabulary: int = 128, context: int = 64, layers: int = 2) -> Network:
    """A network of the small family: fixed depth, head size 32 where it divides the width.

    The feed-forward width is 8/3 of the width, rounded to the nearest multiple of 8.

    Raises
    ------
    InputError
        The width is not a multiple of 8, or another number is not whole and above 0.

    Examples
    --------
    >>> small(64).architecture.ffn_width
    168
    """
    number = whole(width) or 0
    if number < 8 or number % 8:
        rule, remedy = "must be a multiple of 8", f"Take one of {', '.join(map(str, SMALL_WIDTHS))}"
        raise InputError(
            Fault(where="small network", what="width", value=as_written(width), rule=rule, remedy=remedy)
        )
    head_size = next(size for size in _HEAD_SIZES if number % size == 0)
    shape = Architecture(
        name=f"d{number}",
        layers=layers,
        width=number,
        ffn_width=8 * math.floor(number / 3 + 0.5),
        heads=number // head_size,
        kv_heads=number // head_size,
        head_size=head_size,
        vocabulary=vocabulary,
        context=context,
    )
    return Network(architecture=shape)


def paper(name: str) -> Network:
    """The network of Table 13 of that name, such as 546M or 1.82B.

    Raises
    ------
    UnknownName
        The table has none of that name.
    """
    return Network(architecture=architecture(name))
