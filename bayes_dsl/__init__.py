"""Bayesian distillation scaling laws: from a table of training runs to decisions with honest doubt.

Names are opened when they are first used, so that `import bayes_dsl` loads neither JAX nor ArviZ.
"""

from __future__ import annotations

import importlib
from typing import Any

_DOOR = {
    "RunTable": "runs.table",
    "datasets": "runs.datasets",
    "Law": "laws.base",
    "Parameter": "laws.base",
    "Role": "laws.base",
    "SUPERVISED": "laws.supervised",
    "CHINCHILLA": "laws.supervised",
    "TIED": "laws.variants",
    "INTERACTION": "laws.variants",
    "REPETITION": "laws.repetition",
    "EXPONENTIAL": "laws.exponential",
    "DISTILLATION": "laws.distillation",
    "published": "laws.published",
    "Density": "inference.priors",
    "Prior": "inference.priors",
    "default_prior": "inference.priors",
    "prior_of_your_own": "inference.priors",
    "prior_from_published": "inference.published_prior",
    "Misfit": "inference.misfit",
    "Settings": "inference.settings",
    "fit": "inference.fit",
    "Posterior": "inference.posterior",
    "Diagnostics": "inference.diagnostics",
    "point_fit": "inference.point_fit",
    "simulate": "inference.simulate",
    "Noise": "inference.simulate",
    "Forecast": "forecast.result",
    "expected_loss": "forecast.expected",
    "next_run_loss": "forecast.next_run",
    "CostModel": "costs.flops",
    "cost_model": "costs.flops",
    "Scenario": "costs.scenarios",
    "scenario": "costs.scenarios",
    "BEST_CASE": "costs.scenarios",
    "TEACHER_INFERENCE": "costs.scenarios",
    "TEACHER_PRETRAINING": "costs.scenarios",
    "PRETRAINING_AND_INFERENCE": "costs.scenarios",
    "SUPERVISED_TRAINING": "costs.scenarios",
    "Bounds": "decisions.bounds",
    "Plan": "decisions.plans",
    "optimal_allocations": "decisions.allocation",
    "recommended_allocation": "decisions.recommended",
    "distil_or_train": "decisions.compare",
    "crossover_budget": "decisions.crossovers",
    "break_even_students": "decisions.sharing",
    "Teacher": "decisions.existing",
    "choose_teacher": "decisions.existing",
    "assess": "decisions.risk",
    "budget_for_target": "decisions.targets",
    "value_of_knowing": "decisions.knowing",
    "odd_rows": "validation.odd_rows",
    "predictive_check": "validation.predictive",
    "compare_laws": "validation.laws",
    "sensitivity": "validation.sensitivity",
}
__version__ = "0.1.0"
__all__ = [*_DOOR, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _DOOR:
        raise AttributeError(f"module 'bayes_dsl' has no attribute '{name}'; it has {', '.join(_DOOR)}")
    module = importlib.import_module(f"bayes_dsl.{_DOOR[name]}")
    return module if _DOOR[name].endswith(f".{name}") and not hasattr(module, name) else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
