"""The derived quantities are the law's own: a target's loss, the best split in closed form, the best teacher."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_dsl.inference.misfit import Misfit
from bayes_dsl.laws.published import published
from bayes_dsl.validation.ranked import SPLITS, STUDENT, TARGET, derived_of
from bayes_dsl.validation.worlds import SIZES, study_of
from tests.inference.by_hand import distilled_loss, supervised_loss

KNOWN = published("busbridge_corrected").parameters


def draws(names: tuple[str, ...], n: int = 3) -> dict[str, np.ndarray]:
    return {name: np.full(n, KNOWN[name]) for name in names}


def test_losses_and_the_best_split_are_the_law_s() -> None:
    observations = study_of("distillation").observations
    found = derived_of(observations, draws(observations.structure.law.names), {}, seed=0)
    assert {name: values.shape for name, values in found.items()} == dict.fromkeys(
        ("target_loss", "best_params", "student_loss", "best_teacher_loss"), (3,)
    )
    target = supervised_loss(KNOWN, TARGET["N"], TARGET["D"])
    assert np.exp(found["target_loss"]) == pytest.approx(target)
    student = distilled_loss(KNOWN, STUDENT["N_S"], STUDENT["D_S"], STUDENT["L_T"])
    assert np.exp(found["student_loss"]) == pytest.approx(student)
    # alpha A N^-alpha = beta B D^-beta at the best split of one compute.
    a, b, compute = KNOWN["alpha"], KNOWN["beta"], TARGET["N"] * TARGET["D"]
    best = (a * KNOWN["A"] / (b * KNOWN["B"]) * compute**b) ** (1 / (a + b))
    step = np.log(100 * SIZES[-1] / SIZES[0]) / (SPLITS - 1)
    assert found["best_params"] == pytest.approx(np.log(best), abs=step)
    grid = np.linspace(1.2, 2.5, 4001)
    losses = distilled_loss(KNOWN, STUDENT["N_S"], STUDENT["D_S"], grid)
    assert np.exp(found["best_teacher_loss"]) == pytest.approx(grid[np.argmin(losses)], rel=0.01)


def test_without_a_step_a_misfit_s_paths_are_the_law_and_with_steps_they_leave_it() -> None:
    observations = study_of("supervised", misfit=Misfit()).observations
    law = draws(observations.structure.law.names)
    rho = {f"drift_{axis}": np.full(3, 1e-12) for axis in observations.grids}
    steps = {f"steps_{axis}": np.ones((3, grid.sampled)) for axis, grid in observations.grids.items()}
    bare = derived_of(observations, {**law, **rho, "drift_edge": np.full(3, 1e-12)}, steps, seed=0)
    assert np.exp(bare["target_loss"]) == pytest.approx(
        supervised_loss(KNOWN, TARGET["N"], TARGET["D"]), rel=1e-9
    )
    left = derived_of(observations, {**law, **rho, "drift_edge": np.full(3, 0.3)}, steps, seed=0)
    assert np.ptp(left["target_loss"]) > 1e-4
