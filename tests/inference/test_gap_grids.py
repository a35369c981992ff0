"""The drift of distilled runs: knots over students, teachers and L~, and losses that more of anything never raises."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro import handlers

from bayes_dsl.errors import NotConverged
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.fit import fit
from bayes_dsl.inference.gap_grids import (
    TAU,
    gap_grids,
    gap_logs,
    gap_weights,
    students_alone,
)
from bayes_dsl.inference.misfit import (
    Misfit,
    drifts_gap,
    expected_log_loss,
    grids_of,
    students_held,
    with_misfit,
)
from bayes_dsl.inference.observations import Observations, observe
from bayes_dsl.inference.paths import Drift, GapDrift, edges_of, paths
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.priors import Prior, default_prior
from bayes_dsl.inference.program import program
from bayes_dsl.inference.settings import Settings
from bayes_dsl.laws.registry import law
from bayes_dsl.runs.table import RunTable
from tests.inference.by_hand import distilled_loss, plain_rows, supervised_loss, table_of, truth

DRAWS = 60
ASKED = Misfit(students=True)
LAWS = ["distillation", "exponential"]


@cache
def observed(name: str) -> tuple[Observations, Prior]:
    prior = with_misfit(default_prior(law(name), typical_loss=2.5), ASKED, gap=True)
    return observe(table_of(plain_rows(name)), law=law(name), prior=prior, misfit=ASKED), prior


def drift_of(grids: Any, scale: float, seed: int = 0, edge: float = 0.3) -> Drift:
    rng = np.random.default_rng(seed)
    with jax.enable_x64(True):
        found = paths(
            grids,
            rho={axis: np.full(DRAWS, scale) for axis in grids},
            edge={axis: np.full(DRAWS, edge * bool(scale)) for axis in edges_of(grids)},
            sampled={axis: rng.standard_normal((DRAWS, grid.sampled)) for axis, grid in grids.items()},
            drawn={a: rng.standard_normal((DRAWS, g.below + g.above)) for a, g in grids.items()},
        )
        return jax.tree.map(lambda array: array[:, None] if array.ndim else array, found)


def loss_of(name: str, drift: Drift | None, N: Any, D: Any, L_T: Any) -> np.ndarray:
    with jax.enable_x64(True):
        p = {n: jnp.full((DRAWS, 1), v) for n, v in truth(name).items()}
        inputs = {n: jnp.asarray(v, float) for n, v in (("N_S", N), ("D_S", D), ("L_T", L_T))}
        return np.exp(np.asarray(expected_log_loss(law(name), "distilled", p, inputs, drift)))


def test_knots_lie_over_students_teachers_and_what_students_would_reach_alone() -> None:
    used = table_of(plain_rows("distillation")).used
    logs, grids = gap_logs(used), gap_grids(used, reach=4.0)
    assert tuple(grids) == GapDrift._fields
    for axis, grid in grids.items():
        t = (logs[axis] - grid.origin) / grid.unit
        assert grid.low == pytest.approx(min(t.min(), 0)) and grid.high == pytest.approx(max(t.max(), 0))
        assert grid.first * grid.step < t.min() and t.max() < grid.last * grid.step
    teachers = used.values("teacher_loss")[used.values("role") == "distilled"]
    least, most = grids["L_T"].ends()
    assert least == pytest.approx(teachers.min() * np.exp(-4 * TAU)) and most == pytest.approx(
        teachers.max() * np.exp(4 * TAU)
    )
    # The edge is on the side of strong teachers.
    assert grids["L_T"].unit < 0 and grids["L_T"].edged(-9, 9)[-1] and not grids["L_T"].edged(-9, 9)[0]
    gap = used.values("loss") - used.values("teacher_loss")
    np.testing.assert_allclose(gap_weights(used), np.maximum(gap[used.values("role") == "distilled"], 0))


def test_tables_of_other_spans_sample_as_many_knots_of_the_gap() -> None:
    """So that they share one compiled sampler: fewer teachers, closer together, and students of fewer sizes."""
    frame = table_of(plain_rows("distillation")).to_pandas()
    supervised = frame["role"] == "supervised"
    strong = frame["teacher_loss"] <= frame.loc[~supervised, "teacher_loss"].median()
    large = frame["params"] >= frame.loc[~supervised, "params"].median()
    grids = [
        gap_grids(RunTable.from_pandas(frame[rows | supervised]).used, reach=4.0) for rows in (strong, large)
    ]
    grids.append(gap_grids(RunTable.from_pandas(frame).used, reach=4.0))
    for axis in GapDrift._fields:
        assert len({one[axis].sampled for one in grids}) == 1, axis
    spans = {round(one["L_T"].high - one["L_T"].low, 6) for one in grids}
    assert len(spans) > 1, "the tables do differ"


def test_a_law_without_a_gap_holds_its_students_and_says_so() -> None:
    used, known = table_of(plain_rows("distillation")).used, law("distillation")
    gapless = replace(known, name="gapless", roles=tuple(replace(role, log_gap=None) for role in known.roles))
    (note,) = students_held(ASKED, gapless, used)
    assert "gapless law has no gap" in note and not drifts_gap(ASKED, gapless, used)
    assert students_held(ASKED, known, used) == students_held(Misfit(students=False), gapless, used) == ()


def test_the_plane_through_supervised_runs_is_near_what_students_reach_alone() -> None:
    rows = plain_rows("distillation", supervised=40)
    used = table_of(rows).used
    mask = used.values("role") == "distilled"
    N, D = used.values("params")[mask], used.values("tokens")[mask]
    alone = np.log(supervised_loss(truth("distillation"), N, D))
    np.testing.assert_allclose(students_alone(used), alone, atol=0.1)


def test_supervised_paths_have_knots_where_students_are() -> None:
    used = table_of(plain_rows("distillation")).used
    larger = table_of(
        [
            {**row, "params": row["params"] * (100 if row["role"] == "distilled" else 1)}
            for row in plain_rows("distillation")
        ]
    ).used
    grids, far = (grids_of(ASKED, law("distillation"), one) for one in (used, larger))
    assert far["N"].last > grids["N"].last and far["N"].high == grids["N"].high
    students = far["N_S"]
    assert (students.high * students.unit + students.origin - far["N"].origin) / far["N"].unit <= (
        far["N"].last * far["N"].step
    )
    supervised = used.select(used.values("role") == "supervised")
    assert not drifts_gap(ASKED, law("distillation"), supervised) and drifts_gap(
        ASKED, law("distillation"), used
    )
    assert set(grids_of(ASKED, law("distillation"), supervised)) == {"N", "D", "L"}
    # Students drift unless it is asked not to.
    assert Misfit() == ASKED
    assert set(grids_of(Misfit(students=False), law("distillation"), used)) == {"N", "D", "L"}


@pytest.mark.parametrize("name", LAWS)
def test_without_a_step_students_follow_the_law(name: str) -> None:
    observations, _ = observed(name)
    N, D, L_T = np.array([2e8, 4e9, 1e11]), np.array([4e9, 1e11, 3e12]), np.array([2.6, 2.2, 1.8])
    still = loss_of(name, drift_of(observations.grids, 0.0), N, D, L_T)
    np.testing.assert_allclose(still, np.tile(distilled_loss(truth(name), N, D, L_T), (DRAWS, 1)), rtol=1e-9)
    assert np.ptp(loss_of(name, drift_of(observations.grids, 0.1), N, D, L_T)[:, 2]) > 1e-3


@pytest.mark.parametrize("name", LAWS)
def test_more_parameters_or_tokens_never_raise_the_loss_and_students_stay_above_their_teachers(
    name: str,
) -> None:
    observations, _ = observed(name)
    wild = drift_of(observations.grids, 0.6, edge=1.0)
    fine = np.geomspace(1e7, 1e13, 400)
    for L_T in (1.3, 2.0, 3.5):
        by_size = loss_of(name, wild, fine, 1e11, L_T)
        by_tokens = loss_of(name, wild, 3e9, fine, L_T)
        assert np.all(np.diff(by_size) <= 1e-12) and np.all(np.diff(by_tokens) <= 1e-12)
        assert np.all(by_size >= L_T)
    supervised_only = wild._replace(gap=None)
    plain = loss_of(name, supervised_only, fine, 1e11, 2.0)
    np.testing.assert_allclose(plain[0], distilled_loss(truth(name), fine, 1e11, 2.0), rtol=1e-9)


@pytest.mark.parametrize("name", LAWS)
def test_whole_paths_say_of_the_runs_what_the_program_said(name: str) -> None:
    observations, prior = observed(name)
    structure, grids, rng = observations.structure, observations.grids, np.random.default_rng(3)
    known = coordinates_of(structure.law)
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, observations.data)
        near = known.from_parameters({n: jnp.asarray(v) for n, v in truth(name).items()}, data["center"])
        z: dict[str, np.ndarray] = {}
        for site, shape in structure.sites:
            normal = rng.standard_normal((DRAWS, *shape))
            if site in near:
                z[site] = float(near[site]) + 0.003 * normal
            else:
                z[site] = normal if shape else prior[site].loc + 0.2 * normal
        drift = paths(
            grids,
            rho={axis: np.exp(z[f"log_drift_{axis}"]) for axis in grids},
            edge={axis: np.exp(z[f"log_{edge}"]) for axis, edge in edges_of(grids).items()},
            sampled={axis: z[f"steps_{axis}"] for axis in grids},
            drawn={a: rng.standard_normal((DRAWS, g.below + g.above)) for a, g in grids.items()},
        )
        at = jax.tree.map(lambda array: array[:, None] if array.ndim else array, drift)
        p = known.to_parameters({n: jnp.asarray(z[n])[:, None] for n in known.names}, data["center"])
        told = np.concatenate(
            [
                np.asarray(expected_log_loss(structure.law, role, p, data["inputs"][role], at))
                for role in structure.roles
            ],
            axis=1,
        )
        mean = jax.vmap(lambda one: mean_of_program(structure, data, one))(
            {n: jnp.asarray(v) for n, v in z.items()}
        )
    np.testing.assert_allclose(told, np.asarray(mean), rtol=1e-12)


def mean_of_program(structure: Any, data: Any, z: dict[str, jax.Array]) -> jax.Array:
    trace = handlers.trace(handlers.substitute(program, data=z)).get_trace(structure, data)
    mean: jax.Array = trace["log_loss"]["fn"].loc
    return mean


def test_students_drift_from_fit_to_file_and_forecast(tmp_path: Path) -> None:
    short = Settings(chains=2, warmup=500, draws=250, most_draws=250, max_tree_depth=6, retry=False)
    try:
        posterior = fit(table_of(plain_rows("distillation")), misfit=ASKED, settings=short, seed=0)
    except NotConverged as error:  # so few draws are no posterior to rely on
        posterior = error.posterior
    assert {"drift_N_S", "drift_D_S", "drift_L_T", "drift_R"} <= set(posterior.tree["posterior"].data_vars)
    asked = {"student_params": 2e9, "student_tokens": 1e11, "teacher_loss": 2.0}
    moved = expected_loss(posterior, **asked).loss
    assert (
        np.all(moved > 2.0) and np.ptp(np.log(moved / expected_loss(posterior.bare(), **asked).loss)) > 1e-4
    )
    posterior.save(tmp_path / "posterior.nc")
    again = Posterior.load(tmp_path / "posterior.nc")
    np.testing.assert_array_equal(expected_loss(again, **asked).loss, moved)
