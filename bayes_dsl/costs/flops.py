"""How many FLOPs a network of N parameters takes per token, as a named set of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bayes_dsl.costs.checks import (
    COUNTINGS,
    as_written,
    counting_fault,
    key_faults,
    label,
    require_positive,
    text_faults,
)
from bayes_dsl.costs.formula import function_faults, spelled, term_faults, term_of
from bayes_dsl.errors import CountingMismatch, Fault, InputError, UnknownName


@dataclass(frozen=True, kw_only=True)
class CostModel:
    """F(N), forward FLOPs per token of a network of N parameters: data, hashable, printed with every answer.

    F(N) = sum of coefficient * N ** exponent over `terms`. The backward pass takes twice the forward one,
    hence 3 F(N) per trained token. Only operators are applied to what is passed in, so that numpy arrays,
    JAX arrays and traced values all work, broadcast, and keep their precision.

    Attributes
    ----------
    name : str
        What answers and records call it.
    terms : tuple of (coefficient, exponent)
        Coefficients above 0; exponents from 0 to below 2, at least one above 0, so that F increases.
    counting : {"non_embedding", "total"} or None
        The way of counting N that the numbers are made for; None: any.
    remark : str
        One line that says where the numbers come from.
    function : callable or None
        A user's own F, in place of `terms`: takes N and returns F(N), elementwise, for numpy and JAX arrays
        alike. It is given at the call, recorded by name only, and never saved.

    Raises
    ------
    InputError
        Every breach of the above is listed. A function is tried at N = 1e6, 1e7, ..., 1e12, where it must
        be finite, above 0, and not decrease.
    """

    name: str
    terms: tuple[tuple[float, float], ...] = ()
    counting: str | None = None
    remark: str = ""
    function: Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise InputError(faults)
        object.__setattr__(self, "terms", tuple((float(c), float(e)) for c, e in self.terms))

    def _faults(self) -> Iterator[Fault]:
        where = f"cost model {label(self.name)}"
        yield from text_faults(self.name, where=where, what="name")
        yield from text_faults(self.remark, where=where, what="remark", may_be_empty=True)
        if self.counting is not None and self.counting not in COUNTINGS:
            yield counting_fault(where, self.counting)
        if self.function is None:
            yield from term_faults(where, self.terms)
        elif self.terms:
            rule = "a cost model is made of terms or of a function"
            yield Fault(
                where=where, what="terms", value=as_written(self.terms), rule=rule, remedy="Give one of them"
            )
        else:
            yield from function_faults(where, self.function)

    def forward(self, params: Any) -> Any:
        """F(N): forward FLOPs per token of a network of N = `params` parameters."""
        if self.function is not None:
            return self.function(params)
        parts = [term_of(params, coefficient, exponent) for coefficient, exponent in self.terms]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def training(self, params: Any, tokens: Any) -> Any:
        """FLOPs of training on `tokens` tokens: 3 F(N) D, the forward and the backward passes."""
        return 3.0 * self.forward(params) * tokens

    def logits(self, params: Any, tokens: Any) -> Any:
        """FLOPs of a teacher's logits for `tokens` tokens: F(N) D, forward passes only."""
        return self.forward(params) * tokens

    def serving(self, params: Any, tokens: Any) -> Any:
        """FLOPs of serving `tokens` tokens to users: F(N) D, forward passes only."""
        return self.forward(params) * tokens

    def describe(self) -> str:
        """The one line that is printed with every answer."""
        if self.function is not None:
            formula = "by a function given at the call"
        else:
            formula = " + ".join(spelled(coefficient, exponent) for coefficient, exponent in self.terms)
        remark = f" ({self.remark})" if self.remark else ""
        counting = {"non_embedding": "; N without embeddings", "total": "; N with embeddings"}
        return (
            f"{self.name}: forward FLOPs per token {formula}{remark}; 3x that per trained token"
            f"{counting.get(self.counting or '', '')}"
        )

    def record(self) -> dict[str, Any]:
        """The model as JSON-able data; a function leaves its name only."""
        record: dict[str, Any] = {"name": self.name, "counting": self.counting, "remark": self.remark}
        if self.function is not None:
            return {**record, "function": True}
        return {**record, "terms": [list(term) for term in self.terms]}

    @classmethod
    def from_record(cls, record: object) -> CostModel:
        """The model that `record` wrote down.

        Raises
        ------
        InputError
            The record is none of a cost model, or that of a function, which was never saved.
        """
        faults = tuple(_record_faults(record))
        if not isinstance(record, Mapping):
            raise InputError(faults)
        try:
            model = cls(**{"name": "", **{key: record[key] for key in _RECORDED if key in record}})
        except InputError as error:
            raise InputError((*faults, *error.faults)) from error
        if faults:
            raise InputError(faults)
        return model


_RECORDED = ("name", "terms", "counting", "remark")


def _record_faults(record: object) -> Iterator[Fault]:
    where = "record of a cost model"
    if not isinstance(record, Mapping):
        rule, remedy = "must be an object with a name and terms", "Take one that this package wrote"
        yield Fault(where=where, what="record", value=as_written(record), rule=rule, remedy=remedy)
        return
    if record.get("function"):
        rule = "it was a function given at the call, which is never saved"
        remedy = "Pass the function again, as of_function(name, function)"
        raise InputError(
            Fault(where=where, what="name", value=label(record.get("name")), rule=rule, remedy=remedy)
        )
    yield from key_faults(record, where=where, known=_RECORDED)


def at_fixed_aspect_ratio(
    *,
    context: float,
    vocabulary: float,
    aspect_ratio: float = 128,
    omega: float = 12.0,
    name: str = "fixed aspect ratio",
) -> CostModel:
    """F(N) of transformers whose width is a fixed multiple of their depth.

    F(N) = 2 N + 2 n_ctx (rho omega^2)^(-1/3) N^(2/3) + 2 n_vocab (rho / omega)^(1/3) N^(1/3), from
    2 N + 2 n_layers n_ctx d + 2 n_vocab d with n_layers = (N / (rho^2 omega))^(1/3), d = rho n_layers.

    Parameters
    ----------
    context, vocabulary : float
        Tokens in a sequence (n_ctx); size of the vocabulary (n_vocab).
    aspect_ratio : float
        rho: width over number of layers.
    omega : float
        Parameters of a layer over its width squared; 12 for multi-head attention and a gated feed-forward
        block of 8/3 the width.
    name : str
        Its name in answers and records.

    Raises
    ------
    InputError
        A value is not above 0.

    Notes
    -----
    Busbridge et al., Distillation Scaling Laws, arXiv 2502.08606, Eq. 69. Causal attention; embedding
    look-up, softmax and norms left out, less than 0.5 % at the paper's sizes.
    """
    shape = {"context": context, "vocabulary": vocabulary, "aspect_ratio": aspect_ratio, "omega": omega}
    require_positive(shape, where=f"cost model {label(name)}")
    return CostModel(
        name=name,
        terms=(
            (2.0, 1.0),
            (2.0 * context * (aspect_ratio * omega**2) ** (-1 / 3), 2 / 3),
            (2.0 * vocabulary * (aspect_ratio / omega) ** (1 / 3), 1 / 3),
        ),
        counting="non_embedding",
        remark=f"context {context:g}, aspect ratio {aspect_ratio:g}, vocabulary {vocabulary:g}",
    )


def at_fixed_depth(
    *, layers: float, context: float, vocabulary: float, omega: float = 12.0, name: str = "fixed depth"
) -> CostModel:
    """F(N) of transformers that all have the same number of layers.

    F(N) = 2 N + 2 (n_layers n_ctx + n_vocab) (N / (n_layers omega))^(1/2), from the same count as
    `at_fixed_aspect_ratio` with d = (N / (n_layers omega))^(1/2).

    Parameters
    ----------
    layers : float
        Number of layers (n_layers).
    context, vocabulary, omega, name
        As for `at_fixed_aspect_ratio`.

    Raises
    ------
    InputError
        A value is not above 0.
    """
    shape = {"layers": layers, "context": context, "vocabulary": vocabulary, "omega": omega}
    require_positive(shape, where=f"cost model {label(name)}")
    of_width = 2.0 * (layers * context + vocabulary)
    return CostModel(
        name=name,
        terms=((2.0, 1.0), (of_width * (layers * omega) ** -0.5, 0.5)),
        counting="non_embedding",
        remark=f"context {context:g}, {layers:g} layers, vocabulary {vocabulary:g}",
    )


PAPER = at_fixed_aspect_ratio(context=4096, vocabulary=32768, name="paper")
"""F(N) of the distillation paper: context 4096, aspect ratio 128, vocabulary 32768."""

SIX_ND = CostModel(name="6ND", terms=((2.0, 1.0),), remark="attention and vocabulary left out")
"""The usual 6 N D for training: 2 N forward, for any way of counting N."""

_NAMED = {model.name: model for model in (PAPER, SIX_ND)}
RESERVED = (*_NAMED, "table")
"""Names that a model of one's own may not take: they mean something else in an answer."""


def cost_model(name: str) -> CostModel:
    """The cost model of that name: paper or 6ND.

    Raises
    ------
    UnknownName
        No cost model has that name; the message lists those that there are. `table` stands for numbers
        beside a run table, which `read_cost_model` reads.
    """
    for known, model in _NAMED.items():
        if str(name).casefold() == known.casefold():
            return model
    if name == "table":
        rule = "it stands for numbers beside the run table, and none were found"
        remedy = (
            f"Put them in a file such as runs.cost.toml next to runs.csv, or choose {' or '.join(_NAMED)}"
        )
    else:
        rule = "no cost model has this name"
        remedy = f"Choose one of {', '.join(_NAMED)}, or table where numbers lie beside the run table"
    raise UnknownName(Fault(where="cost model", what="name", value=label(name), rule=rule, remedy=remedy))


def of_function(name: str, function: Callable[[Any], Any]) -> CostModel:
    """A cost model of your own: `function(N)` returns forward FLOPs per token, elementwise.

    It must work on numpy and on JAX arrays (operators only), and is recorded by its name, never saved.

    Raises
    ------
    InputError
        The name belongs to another cost model, or the function fails the trial that `CostModel` describes.
    """
    if str(name).casefold() in (reserved.casefold() for reserved in RESERVED):
        rule, remedy = "this name belongs to another cost model", "Give your function a name of its own"
        raise InputError(Fault(where="cost model", what="name", value=name, rule=rule, remedy=remedy))
    return CostModel(name=name, function=function)


def check_counting(model: CostModel, counting: str | None) -> None:
    """Refuse parameters that are counted otherwise than the cost model needs; unstated passes.

    Raises
    ------
    CountingMismatch
        Both ways of counting are stated and differ, or the given one is no way of counting.
    """
    where = f"cost model {model.name}"
    if counting is None:
        return
    if counting not in COUNTINGS:
        raise CountingMismatch(counting_fault(where, counting))
    if model.counting is not None and model.counting != counting:
        rule = f"its numbers are for params counted as {model.counting}"
        remedy = f"Choose {SIX_ND.name}, or a cost model made for params counted as {counting}"
        raise CountingMismatch(Fault(where=where, what="counting", value=counting, rule=rule, remedy=remedy))
