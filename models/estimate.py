"""What a plan will cost before it is run: FLOPs by the networks' own count, core seconds by measured rates."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from models.config import Network, small
from models.corpus.specs import MarkovSpec
from models.expansion import PlannedRun, network_of
from models.plan_tables import Plan

SAFETY = 1.35
"""What an estimate of the time is multiplied by before it is told."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of a run, or of many: training tokens, FLOPs, seconds of one core."""

    tokens: float = 0.0
    flops: float = 0.0
    core_seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            tokens=self.tokens + other.tokens,
            flops=self.flops + other.flops,
            core_seconds=self.core_seconds + other.core_seconds,
        )

    def __sub__(self, other: Cost) -> Cost:
        return self + Cost(tokens=-other.tokens, flops=-other.flops, core_seconds=-other.core_seconds)


def cost_of_run(plan: Plan, run: PlannedRun) -> Cost:
    """A run by itself: its steps and its evaluation, without compilation and without a teacher."""
    network = network_of(plan, run.width)
    tokens = run.steps * run.recipe.batch_tokens
    step = _seconds_per_token(network)
    evaluation = plan.corpus.eval_tokens * step * _rates()["share"]["forward"]
    return Cost(
        tokens=tokens,
        flops=3.0 * network.architecture.forward_flops * tokens,
        core_seconds=tokens * step + evaluation + _rates()["seconds"]["run"],
    )


def cost_of_teaching(plan: Plan, teacher_width: int, tokens: float) -> Cost:
    """A teacher's forward passes over what its students read and over the evaluation windows."""
    network = network_of(plan, teacher_width)
    forward = _seconds_per_token(network) * _rates()["share"]["forward"]
    return Cost(
        flops=network.architecture.forward_flops * tokens,
        core_seconds=(tokens + plan.corpus.eval_tokens) * forward,
    )


def cost_of_programs(number: int) -> Cost:
    """Compilation of so many programs."""
    return Cost(core_seconds=number * _rates()["seconds"]["program"])


def corpus_seconds(plan: Plan) -> float | None:
    """Core seconds of making the corpus; None for real text, which has to be fetched and read."""
    if not isinstance(plan.corpus, MarkovSpec):
        return None
    tokens = plan.corpus.teacher_tokens + plan.corpus.student_tokens + plan.corpus.eval_tokens
    return float(tokens / _rates()["seconds"]["corpus_tokens"])


def total(costs: Iterable[Cost]) -> Cost:
    """The sum."""
    return sum(costs, start=Cost())


@cache
def _rates() -> Mapping[str, Any]:
    with Path(__file__).with_name("rates.toml").open("rb") as file:
        return tomllib.load(file)


@cache
def _seconds_per_token(network: Network) -> float:
    """Of a training step: its FLOPs over the rate of computing that was measured at this width.

    The rate in FLOPs hardly depends on vocabulary and context, which the two measured families differ in;
    between the widths, and beyond them, it is interpolated in logarithms and held.
    """
    widths, rates = _flops_per_second()
    rate = np.exp(np.interp(np.log(network.architecture.width), widths, rates))
    return 3.0 * network.architecture.forward_flops / float(rate)


@cache
def _flops_per_second() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Logarithms of the measured widths and of the rates there, mean of the families."""
    rates: dict[int, list[float]] = {}
    for family in _rates()["family"]:
        for width, ktokens in zip(family["widths"], family["ktokens"], strict=True):
            network = small(width, vocabulary=family["vocabulary"], context=family["context"])
            rate = 3.0 * network.architecture.forward_flops * ktokens * 1e3
            rates.setdefault(width, []).append(float(np.log(rate)))
    widths = sorted(rates)
    return tuple(float(np.log(w)) for w in widths), tuple(float(np.mean(rates[w])) for w in widths)
