"""A joint prior is one density on the coefficients, whatever table it meets."""

from __future__ import annotations

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro.infer.util import log_density
from scipy import stats

from bayes_dsl.errors import InputError
from bayes_dsl.inference.coordinates import SUPERVISED_NAMES, coordinates_of
from bayes_dsl.inference.identification import prior_draws
from bayes_dsl.inference.joint import Joint, joint_log_density
from bayes_dsl.inference.observations import observe
from bayes_dsl.inference.priors import Prior, default_prior
from bayes_dsl.inference.program import program
from bayes_dsl.laws.base import Law
from bayes_dsl.laws.distillation import DISTILLATION
from bayes_dsl.laws.registry import registered
from bayes_dsl.laws.supervised import CHINCHILLA, SUPERVISED
from tests.inference.by_hand import plain_rows, table_of

HERE = {"log_N": 20.5, "log_D": 24.0, "log_N_S": 20.2, "log_D_S": 24.5, "log_L_T": 0.8}
THERE = {"log_N": 22.0, "log_D": 23.1, "log_N_S": 21.7, "log_D_S": 25.9, "log_L_T": 0.6}


def point(law: Law, seed: int) -> np.ndarray:
    """Coordinates (k,) drawn from about the middle of the default prior."""
    coordinates = coordinates_of(law)
    stand_in = {coordinate: name for name, coordinate in coordinates.replaces}
    prior = default_prior(law, typical_loss=2.5)
    densities = [prior[stand_in.get(name, name)] for name in coordinates.names]
    rng = np.random.default_rng(seed)
    return np.array([d.loc + 0.5 * d.scale * rng.standard_normal() for d in densities])


def made(law: Law = CHINCHILLA, *, family: str = "normal", df: float = 0.0) -> Joint:
    """A density with every coordinate correlated with every other."""
    names = coordinates_of(law).names
    root = 0.1 * np.tril(np.random.default_rng(5).standard_normal((len(names),) * 2)) + 0.2 * np.eye(
        len(names)
    )
    return Joint(
        names=names,
        mean=tuple(point(law, 0).tolist()),
        covariance=tuple(tuple(row) for row in (root @ root.T).tolist()),
        center=tuple(HERE.items()),
        origin="this test",
        family=family,
        df=df,
    )


def log_determinant(function, z: np.ndarray) -> float:
    with jax.enable_x64(True):
        return float(jnp.linalg.slogdet(jax.jacfwd(function)(jnp.asarray(z)))[1])


@pytest.mark.parametrize("law", registered(), ids=lambda law: law.name)
@pytest.mark.parametrize("seed", range(3))
def test_carrying_a_density_to_another_centre_needs_no_jacobian(law: Law, seed: int) -> None:
    coordinates = coordinates_of(law)

    def coefficients(z, center=THERE):
        return coordinates.to_parameters(dict(zip(coordinates.names, z, strict=True)), center)

    def carried(z):
        old = coordinates.from_parameters(coefficients(z), HERE)
        return jnp.stack([old[name] for name in coordinates.names])

    def logarithms(z, center):
        found = coefficients(z, center)
        real = ("c_0",)
        return jnp.stack([found[n] if n in real else jnp.log(found[n]) for n in law.names])

    z = point(law, seed)
    assert log_determinant(carried, z) == pytest.approx(0.0, abs=1e-7)
    # What cancels: 1 / gamma (and 1 / gamma') from the coordinates to the coefficients' logarithms, at any centre.
    parts = [n for n in ("gamma", "gamma_prime") if n in law.names]
    with jax.enable_x64(True):
        expected = -sum(float(jnp.log(coefficients(jnp.asarray(z))[n])) for n in parts)
    for center in (HERE, THERE):
        found = log_determinant(lambda z, center=center: logarithms(z, center), z)
        assert found == pytest.approx(expected, abs=1e-6)
    if parts:
        assert abs(expected) > 0.05, "the control: this determinant is not 1"


@pytest.mark.parametrize(("family", "df"), [("normal", 0.0), ("student_t", 4.0)])
def test_the_density_is_scipys_whatever_the_centre(family: str, df: float) -> None:
    joint = made(family=family, df=df)
    covariance = np.array(joint.covariance)
    scipys = (
        stats.multivariate_normal(joint.mean, covariance)
        if family == "normal"
        else stats.multivariate_t(joint.mean, covariance * (df - 2) / df, df)
    )
    z = np.array(joint.mean) + 0.3
    with jax.enable_x64(True):
        moved = joint.moved(CHINCHILLA, z[None], THERE)
        assert max(abs(moved[n][0] - value) for n, value in zip(joint.names, z, strict=True)) > 0.1
        new = {name: jnp.asarray(values[0]) for name, values in moved.items()}
        parameters = coordinates_of(CHINCHILLA).to_parameters(new, THERE)
        numbers = joint.numbers(CHINCHILLA, THERE)
        found = float(joint_log_density(CHINCHILLA, joint.names, joint.family, numbers, parameters))
    assert found == pytest.approx(scipys.logpdf(z), abs=1e-8)
    wrong = stats.multivariate_normal(joint.mean, 1.1 * covariance).logpdf(z)
    assert abs(found - wrong) > 0.01, "the control"


@pytest.mark.parametrize(
    ("law", "part", "df"),
    [
        (CHINCHILLA, CHINCHILLA, 0.0),
        (CHINCHILLA, CHINCHILLA, 4.0),
        (DISTILLATION, DISTILLATION, 0.0),
        (DISTILLATION, SUPERVISED, 0.0),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_the_program_adds_that_density_in_place_of_the_default_ones(law: Law, part: Law, df: float) -> None:
    joint, default = (
        made(part, family="student_t" if df else "normal", df=df),
        default_prior(law, typical_loss=2.5),
    )
    stand_in = {"slope_L_T": "c_0"}
    replaced = [stand_in.get(name, name) for name in joint.names]
    rest = tuple(density for density in default.densities if density.name not in replaced)
    values = []
    with jax.enable_x64(True):
        for prior in (default, Prior(densities=rest, joint=joint)):
            seen = observe(table_of(plain_rows(law.name)), law=law, prior=prior)
            sites = {name: jnp.full(shape, 0.1) for name, shape in seen.structure.sites}
            sites |= {
                n: jnp.asarray(default[n].loc + 0.1) for n in coordinates_of(law).names if n in default.names
            }
            data = jax.tree.map(jnp.asarray, seen.data)
            values.append(float(log_density(program, (seen.structure, data), {}, sites)[0]))
        parameters = coordinates_of(law).to_parameters(sites, data["center"])
        old = coordinates_of(law).from_parameters(parameters, dict(joint.center))
    at = {**{name: float(sites[name]) for name in joint.names}, "c_0": float(parameters.get("c_0", 0.0))}
    by_default = sum(stats.norm(default[n].loc, default[n].scale).logpdf(at[n]) for n in replaced)
    z, covariance = np.array([float(old[name]) for name in joint.names]), np.array(joint.covariance)
    by_joint = (
        stats.multivariate_t(joint.mean, covariance / 2, 4).logpdf(z)
        if df
        else stats.multivariate_normal(joint.mean, covariance).logpdf(z)
    )
    assert values[1] - values[0] == pytest.approx(by_joint - by_default, rel=1e-7, abs=1e-6)


@pytest.mark.parametrize("part", [DISTILLATION, SUPERVISED], ids=lambda law: law.name)
def test_draws_of_the_prior_alone_follow_it_about_any_centre(part: Law) -> None:
    """The loss that it expects at a run is the same whatever the table's centre."""
    joint = made(part)
    default = default_prior(DISTILLATION, typical_loss=2.5)
    rest = tuple(density for density in default.densities if density.name not in (*joint.names, "c_0"))
    rest = rest if part is DISTILLATION else (*rest, default["c_0"])
    run = {"N": 1e9, "D": 2e10}
    told = []
    for center in (HERE, THERE):
        prior = Prior(densities=rest, joint=joint)
        drawn = prior_draws(DISTILLATION, prior, center, draws=2000, seed=1)
        with jax.enable_x64(True):
            told.append(np.asarray(DISTILLATION.log_loss("supervised", drawn, run)))
    np.testing.assert_allclose(told[0], told[1], atol=1e-9)
    assert 0.05 < np.std(told[0]) < 1.0


def test_draws_have_the_stated_mean_and_covariance() -> None:
    for joint in (made(), made(family="student_t", df=9.0)):
        z = joint.draws(200_000, np.random.default_rng(1))
        np.testing.assert_allclose(z.mean(axis=0), joint.mean, atol=0.01)
        np.testing.assert_allclose(np.cov(z.T), joint.covariance, atol=0.005)


def test_a_part_of_it_is_its_marginal() -> None:
    joint = made(DISTILLATION, family="student_t", df=9.0)
    part = joint.marginal(SUPERVISED_NAMES)
    k = len(SUPERVISED_NAMES)
    whole = joint.draws(200_000, np.random.default_rng(2))[:, :k]
    np.testing.assert_allclose(np.cov(whole.T), part.covariance, atol=0.005)
    for column in range(k):
        scale = part.root[column] @ part.root[column]
        marginal = stats.t(9.0, part.mean[column], np.sqrt(scale))
        assert stats.kstest(whole[::20, column], marginal.cdf).pvalue > 1e-3
    # On another table of the distillation law it moves by the supervised law's own map.
    moved = part.moved(DISTILLATION, np.array(part.mean)[None], THERE)
    alone = part.moved(SUPERVISED, np.array(part.mean)[None], THERE)
    assert moved == alone and set(moved) == set(SUPERVISED_NAMES)


def test_inflating_widens_and_keeps_the_correlations() -> None:
    joint = made()
    wide = joint.inflated(3.0)
    np.testing.assert_allclose(wide.root, 3.0 * joint.root)
    assert wide.mean == joint.mean
    for factor in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match=r"prior from this test: inflate = .*a finite factor above 0"):
            joint.inflated(factor)


def test_it_is_a_value_that_survives_as_json() -> None:
    joint = replace(made(family="student_t", df=4.0), seen=(3, -7))
    back = Joint.from_record(json.loads(json.dumps(joint.to_record())), [3, -7])
    assert back == joint and hash(back) == hash(joint)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mean": (0.0,)}, "1 means, covariance"),
        ({"mean": (float("nan"),) * 5}, "singular or not finite"),
        ({"covariance": ((1.0,) * 5,) * 5}, "singular or not finite"),
        ({"family": "cauchy"}, "family = cauchy"),
        ({"family": "student_t", "df": 2.0}, "df above 2"),
    ],
)
def test_what_is_no_density_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        replace(made(), **change)


@pytest.mark.parametrize(("law", "names"), [(CHINCHILLA, SUPERVISED_NAMES), (DISTILLATION, ("logit_w",))])
def test_a_density_of_other_coordinates_is_refused(law: Law, names: tuple[str, ...]) -> None:
    joint = made(SUPERVISED).marginal(names)
    with pytest.raises(InputError, match=r"coordinates = .*or of all those of its supervised part"):
        joint.numbers(law, THERE)
