"""The sampler's coordinates: a map that changes no density, undone exactly, and round where the program's are not."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_dsl.inference import sampler
from bayes_dsl.inference.compiled import compiled_for, shapes_of, unflatten
from bayes_dsl.inference.misfit import Misfit, with_misfit
from bayes_dsl.inference.observations import observe
from bayes_dsl.inference.priors import Density, Prior, default_prior
from bayes_dsl.inference.sampler import _start, sample
from bayes_dsl.inference.settings import Settings
from bayes_dsl.inference.shear import no_shear, shear_at, straightens, to_program, to_sampler
from bayes_dsl.laws.supervised import SUPERVISED
from bayes_dsl.validation.worlds import study_of
from benchmarks import supervised_worlds
from tests.inference.point_fits import POWER

SHORT = Settings(chains=2, warmup=500, draws=250, most_draws=250)


@pytest.fixture(scope="module")
def known(small_table):
    prior = default_prior(SUPERVISED, typical_loss=float(np.median(small_table.values("loss"))))
    misfit = Misfit()
    return observe(small_table, law=SUPERVISED, prior=with_misfit(prior, misfit), misfit=misfit)


def some_shear(structure, rng):
    """Numbers as they come at a mode of an invented covariance, and a position."""
    root = rng.normal(size=(structure.size, structure.size)) * 0.3 + np.eye(structure.size)
    position = 0.3 * rng.normal(size=structure.size)
    return shear_at(structure, position, root), position


def test_the_map_is_undone_and_changes_no_volume(known):
    structure, rng = known.structure, np.random.default_rng(0)
    shear, position = some_shear(structure, rng)
    with jax.enable_x64(True):
        y = jnp.asarray(position + 0.5 * rng.normal(size=structure.size))
        x = to_program(structure, y, shear)
        np.testing.assert_allclose(to_sampler(structure, x, shear), y, rtol=0, atol=1e-12)
        jacobian = np.asarray(jax.jacfwd(lambda at: to_program(structure, at, shear))(y))
    assert np.abs(np.asarray(x) - np.asarray(y)).max() > 0.1
    np.testing.assert_allclose(np.linalg.slogdet(jacobian), (1.0, 0.0), atol=1e-10)


def test_only_the_law_moves_and_without_numbers_nothing_does(known):
    structure, rng = known.structure, np.random.default_rng(1)
    shear, position = some_shear(structure, rng)
    with jax.enable_x64(True):
        moved = unflatten(structure, np.asarray(to_program(structure, jnp.asarray(position), shear)))
        still = to_program(structure, jnp.asarray(position), no_shear(structure))
    assert np.array_equal(still, position)
    before = unflatten(structure, position)
    changed = {name for name, value in moved.items() if not np.array_equal(value, before[name])}
    assert changed == {"log_L_center", "log_m_over_E", "logit_w", "log_slope_N", "log_slope_D", "log_gamma"}


def test_near_the_mode_the_law_follows_as_in_the_normal_approximation(known):
    """There the map's slope takes away the law's regression on paths and residual: what is left is uncorrelated."""
    structure, rng = known.structure, np.random.default_rng(2)
    root = rng.normal(size=(structure.size, structure.size)) * 0.3 + np.eye(structure.size)
    position = np.concatenate(
        [
            np.zeros(np.prod(shape, dtype=int)) - 2.0 * name.startswith("log_drift")
            for name, shape in structure.sites
        ]
    )
    shear = shear_at(structure, position, root)
    with jax.enable_x64(True):
        jacobian = np.asarray(jax.jacfwd(lambda x: to_sampler(structure, x, shear))(jnp.asarray(position)))
    spread = unflatten(structure, (jacobian @ root).T)
    paths = np.concatenate([spread[f"steps_{axis}"] for axis in ("N", "D", "L")], axis=1)
    left = spread["log_m_over_E"]
    np.testing.assert_allclose(left @ paths, 0.0, atol=1e-10)
    for name in ("log_L_center", "logit_w", "log_slope_N", "log_slope_D", "log_gamma"):
        np.testing.assert_allclose(spread[name] @ paths, 0.0, atol=1e-10)
        np.testing.assert_allclose(spread[name] @ left, 0.0, atol=1e-10)


def test_densities_agree_and_the_draws_come_in_the_programs_coordinates(known):
    structure = known.structure
    drawn = sample(known, settings=SHORT, seed=0)
    with jax.enable_x64(True):
        plain = jax.tree.map(jnp.asarray, dict(known.data))
        data = {**plain, "shear": jax.tree.map(jnp.asarray, no_shear(structure))}
        compiled = compiled_for(structure, SHORT, shapes_of(data))
        _, data = _start(structure, known, data, compiled, 0)
        assert np.abs(data["shear"]["law_paths"]).max() > 0
        assert np.abs(data["shear"]["law_residual"]).max() > 0
        bare = compiled_for(structure, SHORT, shapes_of(plain))
        x = np.stack(
            [
                np.concatenate([np.atleast_1d(drawn.sites[name][0, i]) for name, _ in structure.sites])
                for i in range(2 * structure.size + 1)
            ]
        )
        y = np.stack([np.asarray(to_sampler(structure, jnp.asarray(one), data["shear"])) for one in x])
        there, _ = compiled.gradients(jnp.asarray(y), data)
        here, _ = bare.gradients(jnp.asarray(x), plain)
    np.testing.assert_allclose(there, here, rtol=1e-12)
    np.testing.assert_allclose(drawn.stats["lp"][0, : len(x)], -np.asarray(here), rtol=1e-10)


def test_a_ridge_costs_fewer_steps_than_without_the_map(monkeypatch) -> None:
    table = supervised_worlds.simulated("right law", 0, seed=7).known
    prior = default_prior(SUPERVISED, typical_loss=float(np.median(table.values("loss"))))
    known = observe(table, law=SUPERVISED, prior=with_misfit(prior, Misfit()), misfit=Misfit())

    def steps() -> float:
        return float(sample(known, settings=SHORT, seed=0).stats["n_steps"].mean())

    straight = steps()
    monkeypatch.setattr(sampler, "straightens", lambda structure: False)
    plain = steps()
    assert straight < 0.75 * plain


def test_what_bends_is_known_for_paths_and_the_packages_own_coordinates(small_table, known) -> None:
    assert straightens(known.structure)
    assert not straightens(study_of("supervised").structure)
    prior = with_misfit(
        Prior(densities=(Density(name="log_A", loc=1.0, scale=1.0, reason="test"),)), Misfit()
    )
    other = observe(small_table, law=POWER, prior=prior, misfit=Misfit())
    assert other.structure.drifts and not straightens(other.structure)
