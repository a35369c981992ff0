"""The scatter of a new run is the program's: the same scale, tails and shared effects, for every candidate alike."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bayes_dsl.forecast.scatter import EFFECTS_OF, scatter
from bayes_dsl.inference.noise import EFFECTS, token_scale
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.runs.table import RunTable
from tests.forecast.made import N_DRAWS, SPAN, made, many_draws, with_draws


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    return made()


def of_run(posterior: Posterior, tokens: object, role: str = "supervised") -> np.ndarray:
    asked = np.atleast_1d(np.asarray(tokens, dtype=np.float64))
    return scatter(posterior, role=role, tokens=asked, stream="next run")


@settings(deadline=None, max_examples=25)
@given(
    sigma=st.floats(1e-4, 0.1),
    slope=st.floats(-1.0, 1.0),
    tokens=st.lists(st.floats(1e6, 1e15), min_size=1, max_size=4),
    role=st.sampled_from(["supervised", "distilled"]),
)
def test_the_scale_is_the_programs(sigma: float, slope: float, tokens: list[float], role: str) -> None:
    suffix = "" if role == "supervised" else "_distilled"
    varying = sigma * np.geomspace(0.5, 2.0, N_DRAWS)
    at_center = with_draws(made(), **{f"sigma{suffix}": varying})
    sloped = with_draws(
        at_center, token_span={role: SPAN}, **{f"noise_slope{suffix}": slope * np.linspace(0, 1, N_DRAWS)}
    )
    t = of_run(at_center, 1e10, role) / varying[:, None]
    with jax.enable_x64(True):
        span = {name: jnp.asarray(value) for name, value in SPAN.items()}
        scale = token_scale(
            jnp.asarray(varying)[:, None],
            slope * jnp.linspace(0, 1, N_DRAWS)[:, None],
            jnp.log(jnp.asarray(tokens))[None],
            span,
        )
    np.testing.assert_allclose(of_run(sloped, tokens, role), np.asarray(scale) * t, rtol=1e-12)


def test_the_scale_is_held_beyond_the_runs(posterior: Posterior) -> None:
    sloped = with_draws(posterior, token_span={"supervised": SPAN}, noise_slope=0.8)
    far, edge, center = of_run(sloped, [1e20, np.exp(SPAN["high"]), np.exp(SPAN["center"])]).T
    np.testing.assert_allclose(far, edge, rtol=1e-12)
    # Negative control: between the centre and the edge it does fall.
    np.testing.assert_allclose(edge, center * 10**-0.8, rtol=1e-9)


@pytest.mark.parametrize("role", ["supervised", "distilled"])
def test_a_candidate_scatters_the_same_alone_and_among_a_thousand(posterior: Posterior, role: str) -> None:
    suffix = "" if role == "supervised" else "_distilled"
    effects = {"sd_group": 0.01, "sd_teacher": 0.02}
    sloped = with_draws(posterior, token_span={role: SPAN}, **{f"noise_slope{suffix}": 0.3}, **effects)
    tokens = np.geomspace(1e9, 1e13, 1000)
    among = of_run(sloped, tokens, role)
    for i in (0, 137, 999):
        np.testing.assert_array_equal(of_run(sloped, tokens[i], role)[:, 0], among[:, i])


def test_tails_are_those_of_student_t(posterior: Posterior) -> None:
    heavy = many_draws(with_draws(posterior, sigma=0.01, nu=3.0), 100)
    t = of_run(heavy, 1e10)[:, 0] / 0.01
    assert stats.kstest(t, stats.t(3.0).cdf).pvalue > 0.01
    # Negative controls: neither a normal density nor other degrees of freedom would do.
    assert stats.kstest(t, stats.norm.cdf).pvalue < 1e-6
    assert stats.kstest(t, stats.t(5.0).cdf).pvalue < 1e-3


@pytest.mark.parametrize(("role", "effects"), EFFECTS_OF.items())
def test_a_new_run_brings_each_effect_of_its_role(
    posterior: Posterior, role: str, effects: tuple[str, ...]
) -> None:
    bare = {"sigma": 1e-9, "sigma_distilled": 1e-9}
    for effect in EFFECTS:
        one = many_draws(with_draws(posterior, **bare, **{f"sd_{effect}": 0.02}), 20)
        spread = of_run(one, 1e10, role).std()
        assert spread == pytest.approx(0.02 if effect in effects else 0.0, rel=0.05, abs=1e-7), effect
    every = {f"sd_{effect}": 0.01 * (i + 1) for i, effect in enumerate(effects)}
    spread = of_run(many_draws(with_draws(posterior, **bare, **every), 20), 1e10, role).std()
    assert spread == pytest.approx(np.sqrt(0.01**2 + 0.02**2 + 0.03**2 + 0.04**2), rel=0.05)


def test_a_role_without_runs_scatters_as_the_other_does(posterior: Posterior) -> None:
    supervised_only = with_draws(posterior, sigma=0.03, sigma_distilled=None)
    np.testing.assert_array_equal(
        of_run(supervised_only, 1e10, "distilled"), of_run(supervised_only, 1e10, "supervised")
    )
    distilled_only = with_draws(posterior, sigma=None, sigma_distilled=0.04)
    np.testing.assert_array_equal(
        of_run(distilled_only, 1e10, "supervised"), of_run(distilled_only, 1e10, "distilled")
    )
    both = with_draws(posterior, sigma=0.03, sigma_distilled=0.06)
    np.testing.assert_allclose(of_run(both, 1e10, "distilled"), 2 * of_run(both, 1e10), rtol=1e-12)


def test_the_teachers_luck_is_not_the_students(posterior: Posterior) -> None:
    many, tokens = many_draws(posterior, 20), np.array([1e10])
    student = scatter(many, role="supervised", tokens=tokens, stream="next run")
    teacher = scatter(many, role="supervised", tokens=tokens, stream="teacher")
    assert abs(np.corrcoef(student[:, 0], teacher[:, 0])[0, 1]) < 4 / np.sqrt(len(student))
    again = scatter(many, role="supervised", tokens=tokens, stream="teacher")
    np.testing.assert_array_equal(again, teacher)


def test_the_next_run_is_measured_as_the_runs_were(monkeypatch: pytest.MonkeyPatch) -> None:
    posterior = many_draws(with_draws(made(), sigma=1e-9, sigma_distilled=1e-9, nu=1e6), 20)
    frame = posterior.table.to_pandas()
    supervised = frame["role"] == "supervised"
    frame["loss_se"] = np.where(supervised, 0.03 * frame["loss"], np.nan)
    frame.loc[0, "loss_se"] = 9.0
    frame.loc[1, "loss_se"] = np.nan
    monkeypatch.setitem(vars(posterior), "table", RunTable.from_pandas(frame))
    assert of_run(posterior, 1e10).std() == pytest.approx(0.03, rel=0.05)
    # Neither students, whose rows state none, nor a teacher, whose loss is what it is.
    assert of_run(posterior, 1e10, "distilled").std() < 1e-7
    teacher = scatter(posterior, role="supervised", tokens=np.array([1e10]), stream="teacher")
    assert teacher.std() < 1e-7


def test_errors_that_few_runs_state_are_not_the_next_run_s_and_a_role_without_runs_has_the_other_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    posterior = many_draws(with_draws(made(roles=("supervised",)), sigma=1e-9, nu=1e6), 20)
    frame = posterior.table.to_pandas()
    frame["loss_se"] = 0.03 * frame["loss"]
    monkeypatch.setitem(vars(posterior), "table", RunTable.from_pandas(frame))
    assert of_run(posterior, 1e10, "distilled").std() == pytest.approx(0.03, rel=0.05)
    frame.loc[2:, "loss_se"] = np.nan
    monkeypatch.setitem(vars(posterior), "table", RunTable.from_pandas(frame))
    assert of_run(posterior, 1e10).std() < 1e-7
