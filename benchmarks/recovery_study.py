"""The recovery study: simulated worlds whose truth is known, what is asked of their posteriors, and the sums.

One law, one design, two kinds of noise, forty seeds and three targets, all fixed here before any was sampled.
"""

from __future__ import annotations

import ast
import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np

from bayes_dsl.errors import ExtrapolationWarning
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.inference.design import busbridge_study_design
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.settings import CAREFUL, Settings
from bayes_dsl.inference.simulate import Noise, simulate
from bayes_dsl.laws.published import published
from bayes_dsl.runs.table import RunTable

ROOT = Path(__file__).parents[1]
SEEDS = tuple(range(40))
PROB = 0.9
INDEPENDENT = Noise(scale=0.005, scale_distilled=0.005, degrees_of_freedom=5.0)
WORLDS = {"independent": INDEPENDENT, "teacher_effect": replace(INDEPENDENT, teacher_effect=0.004)}
COEFFICIENTS = ("E", "alpha", "beta", "gamma", "c_0", "r_0")

# What is required of each world.
LEAST_INSIDE = 29
POOLED = (0.83, 0.96)
# Below this gap a student has all but reached its teacher, and a forecast has nothing to get wrong.
LEAST_GAP = 0.03

# Of the design: the largest student has params x tokens = 1e21 / 6, the strongest teacher a loss of 1.9346.
LARGEST_STUDENT = 1e21 / 6
STRONGEST_TEACHER = 1.9346


@dataclass(frozen=True, kw_only=True)
class Target:
    """A student whose expected loss is asked for; losses in nats per token."""

    name: str
    params: float
    tokens: float
    teacher_loss: float


TARGETS = (
    Target(name="4x_compute", params=5.77e9, tokens=1.155e11, teacher_loss=1.95),
    Target(name="16x_compute", params=1.155e10, tokens=2.309e11, teacher_loss=1.935),
    Target(name="stronger_teacher", params=2.88e9, tokens=5.77e10, teacher_loss=1.80),
)

# What the posteriors come from: a change of any of it makes the recorded ones stale.
ROOMS = ("laws", "inference")
# In these rooms, and no part of a draw: what is done with draws, and other ways to fit.
BESIDE = (
    *("posterior", "posterior_file", "preflight", "content", "unpacking", "diagnostics", "identification"),
    *("intervals", "least_squares", "point_fit", "bootstrap", "registry", "__init__"),
)


def study(world: str, seed: int) -> RunTable:
    """The 374 runs of one world and seed."""
    truth = published("busbridge_corrected")
    design = busbridge_study_design()
    return simulate(truth.law, truth.parameters, design, noise=WORLDS[world], seed=seed)


@cache
def true_values() -> Mapping[str, float]:
    """The truth of every quantity: coefficients as they are, targets as their expected loss."""
    law, parameters = published("busbridge_corrected").law, published("busbridge_corrected").parameters
    eta = 1.0 / (parameters["c_1"] * parameters["f_1"])
    derived = {**parameters, "r_0": parameters["d_1"] * eta ** parameters["f_1"]}
    with jax.enable_x64(True):
        losses = {
            target.name: float(
                np.exp(
                    law.log_loss(
                        "distilled",
                        parameters,
                        {"N_S": target.params, "D_S": target.tokens, "L_T": target.teacher_loss},
                    )
                )
            )
            for target in TARGETS
        }
    for target in TARGETS:
        gap = losses[target.name] - target.teacher_loss
        assert gap > LEAST_GAP, f"{target.name}: the true gap of {gap:.4f} nats is trivial"
    return {**{name: derived[name] for name in COEFFICIENTS}, **losses}


def inside(draws: np.ndarray, truth: float) -> dict[str, Any]:
    """Median, equal-tailed interval and whether the truth lies in it, of draws (draw,)."""
    lower, median, upper = (float(q) for q in np.quantile(draws, [(1 - PROB) / 2, 0.5, (1 + PROB) / 2]))
    return {"median": median, "lower": lower, "upper": upper, "inside": lower <= truth <= upper}


def quantities(posterior: Posterior) -> dict[str, dict[str, Any]]:
    """Every quantity of one posterior against its truth."""
    draws = {name: posterior.draws(name) for name in COEFFICIENTS} | target_losses(posterior)
    return {name: inside(draws[name], truth) for name, truth in true_values().items()}


def target_losses(posterior: Posterior) -> dict[str, np.ndarray]:
    """Draws (draw,) of every target's expected loss, nats per token."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        forecast = expected_loss(
            posterior,
            student_params=[target.params for target in TARGETS],
            student_tokens=[target.tokens for target in TARGETS],
            teacher_loss=[target.teacher_loss for target in TARGETS],
        )
    return {target.name: forecast.loss[:, i] for i, target in enumerate(TARGETS)}


def sources() -> list[Path]:
    """The files that the recorded posteriors come from."""
    found = [path for room in ROOMS for path in sorted((ROOT / "bayes_dsl" / room).glob("*.py"))]
    return [path for path in found if path.stem not in BESIDE]


def fingerprint(settings: Settings) -> str:
    """What the recorded figures come from: code without comments and layout, worlds, targets, settings."""
    noise = {world: asdict(noise) for world, noise in WORLDS.items()}
    chosen = [asdict(settings), noise, [asdict(target) for target in TARGETS], COEFFICIENTS, PROB]
    digest = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode())
    for source in sources():
        digest.update(f"\n{source.name}\n{_code(source)}".encode())
    return digest.hexdigest()[:16]


def _code(path: Path) -> str:
    """A source without comments, docstrings and layout."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def summary(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts of one world over its seeds, and whether they are what is required."""
    names = list(true_values())
    counts = {name: sum(record["quantities"][name]["inside"] for record in records) for name in names}
    pooled = sum(counts.values()) / (len(names) * len(records))
    divergences = sum(record["divergences"] for record in records)
    return {
        "seeds": len(records),
        "inside": counts,
        "pooled": pooled,
        "divergences": divergences,
        "sampled_again": sum(record["target_accept"] in CAREFUL for record in records),
        "gates_passed": sum(not record["problems"] for record in records),
        "worst_rhat": max(record["rhat"] for record in records),
        "least_bulk_ess": min(record["bulk_ess"] for record in records),
        "least_tail_ess": min(record["tail_ess"] for record in records),
        "median_wall_s": float(np.median([record["wall_s"] for record in records])),
        "median_cpu_s": float(np.median([record["cpu_s"] for record in records])),
        "median_gradients_a_draw": float(np.median([record["gradients_a_draw"] for record in records])),
        "met": len(records) == len(SEEDS)
        and min(counts.values()) >= LEAST_INSIDE
        and POOLED[0] <= pooled <= POOLED[1]
        and divergences == 0,
    }
