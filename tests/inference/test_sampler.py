"""The sampler: the same bits whatever the cores, every block reported, and moments that are known exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from bayes_dsl.inference import sampler
from bayes_dsl.inference.misfit import Misfit
from bayes_dsl.inference.mode import Mode
from bayes_dsl.inference.observations import observe
from bayes_dsl.inference.priors import default_prior
from bayes_dsl.inference.sampler import nearby_start, sample
from bayes_dsl.inference.settings import BLOCK, Settings
from bayes_dsl.laws.supervised import CHINCHILLA
from bayes_dsl.validation.worlds import draw_world, study_of

SETTINGS = Settings(chains=3, warmup=500, draws=250)


@pytest.fixture(scope="module")
def observations(small_table):
    prior = default_prior(CHINCHILLA, typical_loss=float(np.median(small_table.values("loss"))))
    return observe(small_table, law=CHINCHILLA, prior=prior)


@pytest.fixture(scope="module")
def sampled(observations):
    seen: list[tuple[int, int]] = []
    result = sample(
        observations, settings=SETTINGS, seed=3, progress=lambda done, total: seen.append((done, total))
    )
    return result, seen


def same(a, b) -> bool:
    return all(np.array_equal(a.sites[name], b.sites[name]) for name in a.sites)


def test_the_draws_do_not_depend_on_the_number_of_cores(observations, sampled, monkeypatch):
    for cores in (1, 3):
        monkeypatch.setattr(sampler, "workers", lambda most, cores=cores: min(most, cores))
        assert same(sample(observations, settings=SETTINGS, seed=3), sampled[0])


def test_linear_algebra_has_one_thread_wherever_the_frame_is_made(observations, monkeypatch):
    seen: list[int] = []
    made = sampler._frame_of

    def watched(*arguments):
        seen.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return made(*arguments)

    monkeypatch.setattr(sampler, "_frame_of", watched)
    sample(observations, settings=SETTINGS, seed=3)
    assert seen and set(seen) == {1}


def test_another_seed_gives_other_draws(observations, sampled):
    assert not same(sample(observations, settings=SETTINGS, seed=4), sampled[0])


def test_chains_differ_from_each_other(sampled):
    chains = sampled[0].sites["log_sigma"]
    assert chains.shape == (SETTINGS.chains, SETTINGS.draws)
    assert len({chain.tobytes() for chain in chains}) == SETTINGS.chains


def test_progress_counts_every_block_to_the_end(sampled):
    total = SETTINGS.chains * (SETTINGS.warmup + SETTINGS.draws)
    assert [done for done, _ in sampled[1]] == list(range(BLOCK, total + 1, BLOCK))
    assert {total for _, total in sampled[1]} == {total}


def test_chains_go_on_until_it_is_enough(observations, sampled):
    seen: list[tuple[int, int]] = []
    lengths: list[int] = []

    def enough(so_far) -> bool:
        lengths.append(so_far.sites["log_sigma"].shape[1])
        return len(lengths) == 2

    longer = sample(
        observations,
        settings=SETTINGS,
        seed=3,
        progress=lambda done, total: seen.append((done, total)),
        enough=enough,
    )
    assert lengths == [250, 500]
    for name, draws in sampled[0].sites.items():
        assert np.array_equal(longer.sites[name][:, :250], draws)
        assert not np.array_equal(longer.sites[name][:, 250:], draws)
    assert longer.log_likelihood.shape == (3, 500, 60)
    assert np.array_equal(longer.log_likelihood[:, :250], sampled[0].log_likelihood)
    assert longer.stats["energy"].shape == longer.parameters["E"].shape == (3, 500)
    assert seen[-1] == (3 * 1000, 3 * 1000)


def test_chains_end_at_the_longest_length_whatever_is_wanted(observations):
    longest = replace(SETTINGS, most_draws=700)
    found = sample(observations, settings=longest, seed=3, enough=lambda _: False)
    assert found.sites["log_sigma"].shape == (3, 500)


def test_everything_that_follows_from_a_draw_comes_with_it(observations, sampled):
    result = sampled[0]
    for name in ("E", "A", "B", "alpha", "beta", "sigma", "nu"):
        assert result.parameters[name].shape == (SETTINGS.chains, SETTINGS.draws)
    np.testing.assert_allclose(result.parameters["sigma"], np.exp(result.sites["log_sigma"]), rtol=1e-12)
    assert result.log_likelihood.shape == (SETTINGS.chains, SETTINGS.draws, 60)
    assert np.isfinite(result.log_likelihood).all()
    assert result.mode.converged


def test_the_first_draws_frame_makes_them_round():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 4)) + 3 * np.eye(4)
    positions = rng.normal(size=(4000, 4)) @ root.T + 7
    before = sampler._Frame(center=np.zeros(4), whiten=np.eye(4))
    frame = sampler._frame_of(before, positions)
    z = np.linalg.solve(frame.whiten, (positions - frame.center).T)
    np.testing.assert_allclose(np.cov(z), np.eye(4), atol=0.02)
    few = sampler._frame_of(before, positions[:6])
    assert np.linalg.cond(few.whiten) < np.linalg.cond(np.linalg.cholesky(np.cov(positions[:6].T)))


def test_a_start_comes_nearer_until_a_chain_can_come_back_from_it() -> None:
    mode = Mode(
        position=np.array([1.0, -2.0]),
        whiten=np.diag([3.0, 0.5]),
        curvature=np.ones(2),
        potential=5.0,
        converged=True,
    )

    def steep(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        away = positions[:, 0] - 1.0
        values = np.where(np.abs(away) > 4.0, np.nan, 5.0 + 10.0 * away**2)
        return values, np.stack([20.0 * away * np.where(np.isnan(values), np.nan, 1.0), 0.0 * away], axis=1)

    # 6 from the mode it is no number, 3 from it too steep (90 > 2 x 10), 1.5 will not do either (22.5), 0.75 will.
    assert np.array_equal(nearby_start(steep, mode, np.array([2.0, 1.0])), [0.25, 0.125])
    near = np.array([0.4, 5.0])
    assert np.array_equal(nearby_start(steep, mode, near), near)
    nowhere = nearby_start(lambda x: (np.full(len(x), np.inf), x), mode, near)
    assert np.array_equal(nowhere, np.zeros(2))


def test_no_chain_is_lost_where_the_posterior_is_far_narrower_than_at_its_mode() -> None:
    """A world of a steep gap, found in calibration: one of its chains began where the loss is no number."""
    study = study_of("distillation")
    world = draw_world(study, np.random.default_rng((20261124, 40)))
    settings = Settings(chains=2, warmup=500, draws=250, most_draws=250, max_tree_depth=5)
    found = sample(study.observed(world.log_loss), settings=settings, seed=23875125)
    assert np.isfinite(found.log_likelihood).all()
    assert not found.stats["diverging"].all(axis=1).any()


def test_a_misfit_that_could_explain_every_row_does_not_take_the_noise_away() -> None:
    # 24 rows, more steps of the paths than that: at the joint mode of all coordinates the noise would vanish.
    study = study_of("supervised", misfit=Misfit())
    world = draw_world(study, np.random.default_rng((20261124, 5)))
    observations = study.observed(world.log_loss)
    assert sum(int(np.prod(shape)) for _, shape in observations.structure.sites) > 30
    short = Settings(chains=2, warmup=500, draws=250, most_draws=250, max_tree_depth=8)
    drawn = sample(observations, settings=short, seed=1)
    truth = float(world.sites["log_sigma"])
    place = [name for name, shape in observations.structure.sites if shape == ()].index("log_sigma")
    assert abs(drawn.mode.position[place] - truth) < 2.0
    assert np.abs(drawn.sites["log_sigma"].mean(axis=1) - truth).max() < 2.0
    assert not drawn.stats["diverging"].all(axis=1).any()
