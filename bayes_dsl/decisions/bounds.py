"""Where a split is searched: bounds of sizes and tokens, from the scale of the data or given, and a plan's caps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.posterior import Posterior

# Beyond the smallest and largest of the runs: no teacher worth its price lies further out, and the law
# is believed there even less.
SMALLER_PARAMS, LARGER_PARAMS = 1e2, 1e4
FEWER_TOKENS, MORE_TOKENS = 1e3, 1e5
# A bound that was printed and typed in again is within reach.
HAIR = 1e-3


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Search bounds of an allocation: parameters and training tokens, of student and teacher alike.

    Attributes
    ----------
    params, tokens : (float, float)
        Lowest and highest value of every size and every number of tokens.
    student_params_cap : float or None
        The largest student that can be served.
    student_tokens_cap : float or None
        The most tokens that the student may see (unique tokens, or a deadline).
    teacher_tokens_cap : float or None
        The most tokens that the teacher may see.
    """

    params: tuple[float, float]
    tokens: tuple[float, float]
    student_params_cap: float | None = None
    student_tokens_cap: float | None = None
    teacher_tokens_cap: float | None = None

    def __post_init__(self) -> None:
        faults = [
            _fault(name, f"{low:g} .. {high:g}", "the lower bound is above 0 and below the finite upper one")
            for name, (low, high) in (("params", self.params), ("tokens", self.tokens))
            if not (0 < low < high < math.inf)
        ]
        lows = {
            "student_params_cap": self.params[0],
            "student_tokens_cap": self.tokens[0],
            "teacher_tokens_cap": self.tokens[0],
        }
        for name, low in lows.items():
            cap = getattr(self, name)
            if cap is not None and not low < cap < math.inf:
                faults.append(_fault(name, f"{cap:g}", f"a cap is above the search's lower bound {low:g}"))
        if faults:
            raise InputError(faults)

    @property
    def student_params(self) -> tuple[float, float]:
        return self.params[0], min(self.params[1], self.student_params_cap or math.inf)

    @property
    def student_tokens(self) -> tuple[float, float]:
        return self.tokens[0], min(self.tokens[1], self.student_tokens_cap or math.inf)

    @property
    def teacher_tokens(self) -> tuple[float, float]:
        return self.tokens[0], min(self.tokens[1], self.teacher_tokens_cap or math.inf)


PAPER_BOUNDS = Bounds(params=(1e6, 1e17), tokens=(1e6, 1e17))
"""The bounds of the paper's own allocations (appendix D of arXiv 2502.08606)."""


def bounds_of(
    posterior: Posterior,
    *,
    student_params_cap: float | None = None,
    student_tokens_cap: float | None = None,
    teacher_tokens_cap: float | None = None,
) -> Bounds:
    """Bounds that fit the scale of a posterior's runs: 100 times smaller to 10,000 times larger than these,
    and 1,000 times fewer to 100,000 times more tokens, as far as the posterior's misfit reaches.

    Raises
    ------
    InputError
        A cap lies below them.
    """
    used = posterior.table.used
    params, tokens = used.values("params"), used.values("tokens")
    ends = {axis: grid.ends() for axis, grid in posterior.grids.items()}
    reach = {axis: _both(ends.get(axis), ends.get(f"{axis}_S")) for axis in ("N", "D")}
    return Bounds(
        params=_within(
            (float(np.min(params)) / SMALLER_PARAMS, float(np.max(params)) * LARGER_PARAMS), reach.get("N")
        ),
        tokens=_within(
            (float(np.min(tokens)) / FEWER_TOKENS, float(np.max(tokens)) * MORE_TOKENS), reach.get("D")
        ),
        student_params_cap=student_params_cap,
        student_tokens_cap=student_tokens_cap,
        teacher_tokens_cap=teacher_tokens_cap,
    )


def require_within_reach(bounds: Bounds, posterior: Posterior) -> None:
    """Raise `InputError` where bounds go beyond the paths of a posterior's misfit."""
    faults: list[Fault] = []
    for axis, name in (("N", "params"), ("D", "tokens"), ("N_S", "params"), ("D_S", "tokens")):
        if axis not in posterior.grids or any(fault.what == name for fault in faults):
            continue
        low, high = getattr(bounds, name)
        least, most = posterior.grids[axis].ends()
        if low < least * (1.0 - HAIR) or high > most * (1.0 + HAIR):
            rule = (
                f"the misfit's paths go from {least:.4g} to {most:.4g}, as far beyond the runs as was asked"
            )
            faults.append(
                Fault(
                    where="bounds",
                    what=name,
                    value=f"{low:.4g} .. {high:.4g}",
                    rule=rule,
                    remedy="Search within them, or sample with a longer reach (misfit=Misfit(reach=...)) or without",
                )
            )
    if faults:
        raise InputError(faults)


def _both(one: tuple[float, float] | None, other: tuple[float, float] | None) -> tuple[float, float] | None:
    """What lies within both pairs of ends; None has no ends."""
    return other if one is None else _within(one, other)


def _within(pair: tuple[float, float], ends: tuple[float, float] | None) -> tuple[float, float]:
    return pair if ends is None else (max(pair[0], ends[0]), min(pair[1], ends[1]))


def _fault(what: str, value: str, rule: str) -> Fault:
    return Fault(
        where="bounds", what=what, value=value, rule=rule, remedy="Give other bounds, in plain units"
    )
