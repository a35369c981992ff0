"""A draw's paths are one smooth world: whoever asks, alone or among thousands, hears the same, within its reach."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_dsl.errors import ExtrapolationWarning, FileRefused, InputError
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.forecast.next_run import next_run_loss
from bayes_dsl.inference.gap_grids import TAU
from bayes_dsl.inference.misfit import Misfit, expected_log_loss
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.posterior_file import read_tree, write_tree
from tests.forecast.made import drifting, made

pytestmark = pytest.mark.filterwarnings("ignore::bayes_dsl.errors.ExtrapolationWarning")
ASKED = {"student_params": 3e10, "student_tokens": 2e12}
DRAW = 17


@pytest.fixture(scope="module")
def bare() -> Posterior:
    return made("distillation")


@pytest.fixture(scope="module")
def posterior(bare: Posterior) -> Posterior:
    return drifting(bare)


def quietly(posterior: Posterior, **asked: Any) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        return expected_loss(posterior, **asked).loss


@pytest.mark.parametrize(
    "teacher", [{}, {"teacher_loss": 2.1}, {"teacher_params": 6e10, "teacher_tokens": 3e12}], ids=len
)
def test_a_target_alone_is_the_same_among_ten_thousand(
    posterior: Posterior, teacher: dict[str, float]
) -> None:
    """Without a teacher, with a measured one, and with one that is yet to be trained."""
    alone = quietly(posterior, **ASKED, **teacher)[:, 0]
    many = {
        "student_params": np.geomspace(1e7, 1e12, 10_000),
        "student_tokens": np.geomspace(1e9, 1e14, 10_000),
    }
    many |= {name: np.geomspace(value / 1.2, 1.2 * value, 10_000) for name, value in teacher.items()}
    for name, value in {**ASKED, **teacher}.items():
        many[name][7_321] = value
    assert quietly(posterior, **many)[:, 7_321].tolist() == alone.tolist()


def test_an_optimiser_sees_the_value_and_the_slope_of_the_forecast(posterior: Posterior) -> None:
    """One draw under vmap and grad, as a search evaluates it."""
    with jax.enable_x64(True):
        drift = jax.tree.map(lambda array: array[DRAW] if np.ndim(array) else array, posterior.drift)
        parameters = {n: jnp.asarray(v[DRAW]) for n, v in posterior.law_draws().items()}

        def loss(at: jax.Array) -> jax.Array:
            inputs = {"N": jnp.exp(at[0]), "D": jnp.exp(at[1])}
            return jnp.exp(expected_log_loss(posterior.law, "supervised", parameters, inputs, drift))

        at = jnp.log(jnp.array([ASKED["student_params"], ASKED["student_tokens"]]))
        value, slope = jax.value_and_grad(loss)(at)
        bend = np.asarray(jax.hessian(loss)(at))
    assert float(value) == pytest.approx(quietly(posterior, **ASKED)[DRAW, 0], rel=1e-13)
    step = np.exp(1e-4)
    ahead, behind = (
        quietly(posterior, student_params=3e10 * f, student_tokens=2e12)[DRAW, 0] for f in (step, 1 / step)
    )
    assert float(slope[0]) == pytest.approx((ahead - behind) / 2e-4, rel=1e-5)
    assert np.all(np.asarray(slope) < 0) and np.isfinite(bend).all()


def test_misfit_widens_far_from_the_runs_and_hardly_among_them(bare: Posterior, posterior: Posterior) -> None:
    at = {"student_params": [6e8, 4e9, 4e10], "student_tokens": [2e10, 2e11, 2e12]}
    moved = np.log(quietly(posterior, **at) / quietly(bare, **at)).std(axis=0)
    assert moved[0] < 0.003 < moved[1] < moved[2] and moved[2] > 0.01


def test_a_teacher_given_by_size_brings_its_misfit_and_students_drift_by_themselves(
    bare: Posterior, posterior: Posterior
) -> None:
    student = {"student_params": 1e9, "student_tokens": 2e10}
    taught = [quietly(one, **student, teacher_loss=[2.3, 2.0, 1.7]) for one in (bare, posterior)]
    moved = np.log(taught[1] / taught[0]).std(axis=0)
    assert 0 < moved[0] < moved[2], "a teacher stronger than any seen is known less"
    by_size = {**student, "teacher_params": 4e10, "teacher_tokens": 2e12}
    assert quietly(posterior, **by_size).std() > 1.1 * quietly(bare, **by_size).std()


def test_the_next_run_adds_the_same_noise(bare: Posterior, posterior: Posterior) -> None:
    added = [
        np.log(next_run_loss(one, **ASKED).loss / expected_loss(one, **ASKED).loss)
        for one in (bare, posterior)
    ]
    np.testing.assert_allclose(*added, atol=1e-12)


def test_beyond_the_stated_reach_is_refused_by_name(bare: Posterior) -> None:
    near = drifting(bare, misfit=Misfit(reach=2.0))
    edges = {"student_params": [1e6 * 1.001, 4e11 * 0.999], "student_tokens": [2e7 * 1.001, 2e13 * 0.999]}
    assert np.isfinite(quietly(near, **edges)).all()
    for name, value in (("student_params", 4.1e11), ("student_tokens", 1.9e7)):
        with pytest.raises(InputError, match="misfit's paths go from") as refusal:
            quietly(near, **{**ASKED, name: value})
        assert [fault.what for fault in refusal.value.faults] == [name]
    with pytest.raises(InputError) as refusal:
        quietly(near, student_params=1e9, student_tokens=1e10, teacher_params=1e13, teacher_tokens=1e15)
    assert [fault.what for fault in refusal.value.faults] == ["teacher_params", "teacher_tokens"]
    assert np.isfinite(quietly(bare, student_params=1e20, student_tokens=1e20)).all()


def test_a_teacher_stronger_than_the_paths_reach_is_refused_by_name(bare: Posterior) -> None:
    drifting_too = drifting(bare, misfit=Misfit(reach=2.0, students=True))
    seen = bare.table.used.values("teacher_loss")
    least = float(np.nanmin(seen)) * np.exp(-2.0 * TAU)
    student = {"student_params": 1e9, "student_tokens": 2e10}
    assert np.isfinite(quietly(drifting_too, **student, teacher_loss=1.001 * least)).all()
    with pytest.raises(InputError, match="misfit's paths go from") as refusal:
        quietly(drifting_too, **student, teacher_loss=0.999 * least)
    assert [fault.what for fault in refusal.value.faults] == ["teacher_loss"]
    held = drifting(bare, misfit=Misfit(reach=2.0, students=False))
    assert np.isfinite(quietly(held, **student, teacher_loss=0.999 * least)).all()


def test_a_saved_posterior_forecasts_the_same_bits_and_old_files_have_no_misfit(
    bare: Posterior, posterior: Posterior, tmp_path: Path
) -> None:
    for one in (bare, posterior):
        one.save(tmp_path / "posterior.nc")
        back = Posterior.load(tmp_path / "posterior.nc")
        assert quietly(back, **ASKED).tobytes() == quietly(one, **ASKED).tobytes()
        assert back.misfit == ("none" if one is bare else "drift")


@pytest.mark.parametrize("what", ["steps", "beyond", "group", "kind", "grids"])
def test_a_file_whose_paths_are_not_whole_is_refused(posterior: Posterior, tmp_path: Path, what: str) -> None:
    tree = posterior.tree.copy()
    group = {"steps": "unconstrained_posterior", "beyond": "misfit"}.get(what, "")
    if group:
        short = tree[group].to_dataset()
        dim = "knot_N" if what == "steps" else "far_knot_N"
        tree[group] = short.isel({dim: slice(0, -1)})
    elif what == "group":
        del tree["misfit"]
    else:
        tree.attrs["misfit" if what == "kind" else "misfit_grids"] = "spline"
    write_tree(tree, tmp_path / "broken.nc")
    assert "posterior" in read_tree(tmp_path / "broken.nc")
    with pytest.raises(FileRefused, match="contents"):
        Posterior.load(tmp_path / "broken.nc")
