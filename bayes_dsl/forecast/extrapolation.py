"""How far beyond its runs a posterior is asked, in decades on each axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayes_dsl.forecast.question import Question
from bayes_dsl.inference.posterior import Posterior

# Below this many decades a target stands at the data's edge, not beyond it.
NEGLIGIBLE = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class Extrapolation:
    """Distance of each candidate from the runs of its role.

    `decades` (candidate,) by axis (params, tokens, compute, epochs, teacher_loss): positive beyond the largest value,
    negative below the smallest, 0 inside. `times_largest_compute` (candidate,) is params x tokens over the
    largest params x tokens of a run.
    """

    decades: dict[str, np.ndarray]
    times_largest_compute: np.ndarray

    def sentences(self) -> tuple[str, ...]:
        """One sentence for each axis on which a candidate lies outside the runs."""
        found = []
        for axis, decades in self.decades.items():
            beyond, below = float(np.max(decades)), float(np.min(decades))
            word = axis.replace("_", " ")
            if beyond > NEGLIGIBLE:
                found.append(
                    f"{word} is {10**beyond:.3g} times the largest of the runs ({beyond:.2f} decades beyond)"
                )
            if below < -NEGLIGIBLE:
                found.append(
                    f"{word} is {10**below:.3g} times the smallest of the runs ({-below:.2f} decades below)"
                )
        return tuple(found)


def extrapolation(posterior: Posterior, asked: Question, teacher_loss: np.ndarray) -> Extrapolation:
    """Distances of a question from the posterior's runs; `teacher_loss` (candidate,), NaN without a teacher.

    Without a run of the role asked about (a distilled forecast cannot have none) the other role's runs count.
    """
    used = posterior.table.used
    mask = used.values("role") == asked.role
    mask = mask if mask.any() else np.ones(len(used), dtype=bool)
    params, tokens = used.values("params")[mask], used.values("tokens")[mask]
    decades = {
        "params": _outside(asked.params, params),
        "tokens": _outside(asked.tokens, tokens),
        "compute": _outside(asked.params * asked.tokens, params * tokens),
    }
    if posterior.law.takes("U"):
        decades["epochs"] = _outside(
            np.maximum(asked.tokens / asked.unique_tokens, 1.0),
            np.maximum(tokens / used.values("unique_tokens")[mask], 1.0),
        )
    teachers = used.values("teacher_loss")[mask]
    if asked.role == "distilled" and np.isfinite(teachers).any():
        decades["teacher_loss"] = _outside(teacher_loss, teachers[np.isfinite(teachers)])
    return Extrapolation(
        decades=decades,
        times_largest_compute=asked.params * asked.tokens / np.max(params * tokens),
    )


def _outside(asked: np.ndarray, seen: np.ndarray) -> np.ndarray:
    asked_log, seen_log = np.log10(asked), np.log10(seen)
    beyond = np.maximum(asked_log - seen_log.max(), 0.0)
    below = np.minimum(asked_log - seen_log.min(), 0.0)
    return np.asarray(beyond + below)
