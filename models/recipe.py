"""How a network is trained, as data: batch, schedule of the learning rate, decay, clipping."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from bayes_dsl.errors import Fault, InputError

Schedule = Literal["cosine", "wsd"]

LARGE = 200_000
"""Parameters from which a step is cut into micro-batches unless the recipe says otherwise."""

MICRO_TOKENS = 256
"""Tokens of such a micro-batch: its activations stay in a core's second-level cache."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained. Of all this only the batch sizes shape the compiled program.

    Attributes
    ----------
    batch_tokens : int
        Target tokens of a step, a multiple of the context.
    micro_tokens : int or None
        Tokens of a pass, a multiple of the context that divides `batch_tokens`; None: about 256 for networks of
        more than 200,000 parameters, else the whole batch.
    peak_rate : float
        Highest learning rate, before the network's own multipliers.
    warmup_share, warmup_steps : float, int or None
        Linear warm-up, as a share of the steps, or a fixed number of them, which takes precedence.
    schedule : {"cosine", "wsd"}
        Cosine from the peak to `final_rate * peak_rate`; or warm-up, stable, decay: the peak until the last
        `cooldown_share` of the steps, then a straight line down to the same end.
    final_rate, cooldown_share : float
        Last learning rate as a share of the peak; share of the steps of a WSD run in which the rate falls.
    weight_decay : float
        AdamW's: each step takes rate * weight_decay of each matrix away.
    beta1, beta2, epsilon, clip : float
        AdamW's moments and epsilon; the largest global norm of a gradient.
    z_weight : float
        Weight of the penalty on (log Z)^2 in the loss.

    Raises
    ------
    InputError
        A number is out of its range; every breach is listed.
    """

    batch_tokens: int = 1024
    micro_tokens: int | None = None
    peak_rate: float = 1e-2
    warmup_share: float = 0.02
    warmup_steps: int | None = None
    schedule: Schedule = "cosine"
    final_rate: float = 1e-3
    cooldown_share: float = 0.2
    weight_decay: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-8
    clip: float = 1.0
    z_weight: float = 1e-4

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise InputError(faults)

    def _faults(self) -> Iterator[Fault]:
        if self.schedule not in get_args(Schedule):
            yield _fault("schedule", self.schedule, "must be cosine or wsd", "Choose one of the two")
        for name, (low, high) in _WHOLE.items():
            value = getattr(self, name)
            if value is None and name != "batch_tokens":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                rule = f"must be a whole number of {low} or more"
                yield _fault(name, value, rule, "Correct the number")
        for name, (above, to, rule) in _RANGES.items():
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not above <= value <= to:
                yield _fault(name, value, rule, "Correct the number")

    def steps(self, tokens: float) -> int:
        """Whole steps in `tokens` tokens; what is left over for part of a batch is not trained on."""
        return math.floor(tokens / self.batch_tokens)

    def warmup(self, steps: int) -> int:
        """Steps of warm-up in a run of `steps`, at least 1."""
        return self.warmup_steps or max(1, round(self.warmup_share * steps))

    def cooldown_start(self, steps: int) -> int:
        """Steps that a WSD run of `steps` takes before its rate begins to fall."""
        return steps - max(1, round(self.cooldown_share * steps))

    def micro_windows(self, *, params: int, context: int) -> int:
        """Windows of a pass: the recipe's, or for large networks the divisor of the batch near 256 tokens."""
        windows = self.batch_tokens // context
        if self.micro_tokens is not None:
            return self.micro_tokens // context
        if params <= LARGE:
            return windows
        most = max(1, MICRO_TOKENS // context)
        return max(size for size in range(1, min(most, windows) + 1) if windows % size == 0)

    def context_faults(self, context: int, where: str) -> Iterator[Fault]:
        """What does not fit a context of `context` tokens."""
        whole, remedy = f"must be a multiple of the context, {context}", "Choose such a number of tokens"
        if self.batch_tokens % context:
            yield _fault("batch_tokens", self.batch_tokens, whole, remedy, where)
        if self.micro_tokens is None:
            return
        if self.micro_tokens % context:
            yield _fault("micro_tokens", self.micro_tokens, whole, remedy, where)
        elif self.batch_tokens % self.micro_tokens:
            rule = f"must divide batch_tokens, {self.batch_tokens}"
            yield _fault("micro_tokens", self.micro_tokens, rule, remedy, where)

    def record(self) -> dict[str, Any]:
        """The recipe as JSON-able data."""
        return asdict(self)


_WHOLE = {"batch_tokens": (1, 2**31), "micro_tokens": (1, 2**31), "warmup_steps": (1, 2**31)}

_TINY = 5e-324
_BELOW_ONE = math.nextafter(1.0, 0.0)
_SHARE = "must be from 0 to below 1"
_POSITIVE = "must be a finite number above 0"
_NOT_NEGATIVE = "must be a finite number of 0 or more"
_LARGEST = 1.7976931348623157e308

_RANGES = {
    "peak_rate": (_TINY, _LARGEST, _POSITIVE),
    "warmup_share": (0.0, _BELOW_ONE, _SHARE),
    "final_rate": (0.0, 1.0, "must be from 0 to 1"),
    "cooldown_share": (_TINY, 1.0, "must be above 0 and at most 1"),
    "weight_decay": (0.0, _LARGEST, _NOT_NEGATIVE),
    "beta1": (0.0, _BELOW_ONE, _SHARE),
    "beta2": (0.0, _BELOW_ONE, _SHARE),
    "epsilon": (_TINY, _LARGEST, _POSITIVE),
    "clip": (_TINY, _LARGEST, _POSITIVE),
    "z_weight": (0.0, _LARGEST, _NOT_NEGATIVE),
}


def _fault(what: str, value: object, rule: str, remedy: str, where: str = "recipe") -> Fault:
    return Fault(where=where, what=what, value=str(value), rule=rule, remedy=remedy)
