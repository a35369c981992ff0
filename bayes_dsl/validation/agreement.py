"""Whether laws that fit a table equally well also agree about a run that nobody has made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bayes_dsl.runs.quantities import format_quantity

Floats = NDArray[np.float64]
STANDARD_ERRORS, LEAST_GAP = 2.0, 4.0
"""Two laws fit equally well whose elpd is so many standard errors apart at most, or by less than this."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What one law expects at one target: median and equal-tailed interval, nats per token."""

    law: str
    target: str
    median: float
    lower: float
    upper: float

    def line(self) -> str:
        """The median with its interval."""
        return f"{self.law} expects {self.median:.4f} ({self.lower:.4f} to {self.upper:.4f})"


def difference(scores: Floats, other: Floats) -> tuple[float, float]:
    """elpd of one law over another's from their scores of the same rows or clusters, and its standard error.

    The standard error takes the entries as independent and their differences as of one distribution.
    """
    each = scores - other
    return float(each.sum()), float(np.sqrt(len(each) * np.var(each)))


def equally_well(gap: float, error: float) -> bool:
    """Whether a difference in elpd tells two laws apart no more than chance would.

    Below 4 its standard error is not to be relied on, as laws that predict alike have a small one (Sivula et al.,
    arXiv 2008.10296, and ArviZ's own warning).
    """
    return abs(gap) <= max(STANDARD_ERRORS * error, LEAST_GAP)


def disagree(one: Expected, other: Expected) -> str:
    """How two laws disagree at a target, in words; empty where they agree.

    They disagree where the intervals do not overlap, or the medians differ by more than half the width of the
    narrower interval: who had fitted that law alone would have been too sure.
    """
    if one.lower > other.upper or other.lower > one.upper:
        return "their intervals do not overlap"
    narrower = min(one.upper - one.lower, other.upper - other.lower)
    if abs(one.median - other.median) > narrower / 2:
        return "their medians differ by more than half the width of the narrower interval"
    return ""


def sentences(scores: Mapping[str, Floats], expected: Sequence[Expected], *, prob: float) -> tuple[str, ...]:
    """A sentence for each pair of laws that fit equally well: whether they agree at every target, or where not.

    Parameters
    ----------
    scores : mapping of str to array
        By law, each row's (cluster's) part of elpd.
    expected : sequence of Expected
        Every law at every target; may be empty.
    prob : float
        Probability of the intervals.
    """
    at = {(one.law, one.target): one for one in expected}
    targets = list(dict.fromkeys(one.target for one in expected))
    found = []
    for a, b in combinations(scores, 2):
        gap, error = difference(scores[a], scores[b])
        if not equally_well(gap, error):
            continue
        fit = (
            f"{a} and {b} fit the table equally well (elpd {abs(gap):.1f} apart, standard error {error:.1f})"
        )
        clashes = [
            f"{fit}, and DISAGREE at {target}: {at[a, target].line()}, {at[b, target].line()} "
            f"({100 * prob:g} % intervals), and {said}. The table does not choose between them."
            for target in targets
            if (said := disagree(at[a, target], at[b, target]))
        ]
        found += clashes or [f"{fit}" + (f", and agree at {' and '.join(targets)}." if targets else ".")]
    return tuple(found)


def target_in_words(question: Mapping[str, float]) -> str:
    """A target for people: `70B params x 1.4T tokens`, with its teacher if it has one."""
    words = f"{format_quantity(question['student_params'])} params x "
    words += f"{format_quantity(question['student_tokens'])} tokens"
    if "unique_tokens" in question:
        words += f", {format_quantity(question['unique_tokens'])} of them unique,"
    if "teacher_loss" in question:
        words += f" of a teacher at {question['teacher_loss']:.4g}"
    if "teacher_params" in question:
        words += f" of a teacher of {format_quantity(question['teacher_params'])} params x "
        words += f"{format_quantity(question['teacher_tokens'])} tokens"
    return words.removesuffix(",")
