"""Coordinates and parameters are one thing said twice, and a coordinate means what its name says."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_dsl.inference.coordinates import CENTER_NAMES, coordinates_of
from bayes_dsl.inference.priors import default_prior
from bayes_dsl.laws.base import Law, Parameter, Role
from bayes_dsl.laws.distillation import gap_inputs, log_gap
from bayes_dsl.laws.registry import law, registered
from tests.inference.by_hand import parameters_by_hand, truth

CENTER = dict(zip(CENTER_NAMES, np.log([9e8, 3e10, 6e8, 5e10, 2.25]).tolist(), strict=True))
LAWS = [known.name for known in registered()]


@cache
def maps(name: str) -> tuple[Any, Any]:
    coordinates = coordinates_of(law(name))
    forth = jax.jit(lambda z, c: coordinates.to_parameters(z, c))
    return forth, jax.jit(lambda p, c: coordinates.from_parameters(p, c))


def to_parameters(name: str, z: dict[str, Any], center: dict[str, float] = CENTER) -> dict[str, np.ndarray]:
    with jax.enable_x64(True):
        found = maps(name)[0]({n: jnp.asarray(v, float) for n, v in z.items()}, center)
        return {n: np.asarray(v) for n, v in found.items()}


def from_parameters(name: str, p: dict[str, Any]) -> dict[str, np.ndarray]:
    with jax.enable_x64(True):
        found = maps(name)[1]({n: jnp.asarray(v, float) for n, v in p.items()}, CENTER)
        return {n: np.asarray(v) for n, v in found.items()}


def prior_of(name: str) -> dict[str, tuple[float, float]]:
    """Location and scale by coordinate; the slope in ln L_T takes those of c_0."""
    coordinates = coordinates_of(law(name))
    stand_in = {coordinate: prior for prior, coordinate in coordinates.replaces}
    prior = default_prior(law(name), typical_loss=2.5)
    densities = {n: prior[stand_in.get(n, n)] for n in coordinates.names}
    return {n: (density.loc, density.scale) for n, density in densities.items()}


def random_coordinates(name: str, points: int, sds: float = 1.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {n: loc + sds * scale * rng.standard_normal(points) for n, (loc, scale) in prior_of(name).items()}


def within_floats(name: str, z: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The 200 first points whose A and B, extrapolated to one parameter and one token, are floats at all."""
    p = to_parameters(name, z)
    sizes = [p[n] for n in ("A", "B", "A_prime", "B_prime") if n in p]
    kept = np.all([(size > 1e-290) & (size < 1e290) for size in sizes], axis=0)
    assert kept.sum() >= 200
    return {n: values[kept][:200] for n, values in z.items()}


@pytest.mark.parametrize("name", LAWS)
def test_published_coefficients_survive_the_way_there_and_back(name: str) -> None:
    back = to_parameters(name, from_parameters(name, truth(name)))
    for parameter in law(name).names:
        np.testing.assert_allclose(back[parameter], truth(name)[parameter], rtol=1e-9, err_msg=parameter)


@pytest.mark.parametrize("name", LAWS)
def test_random_coordinates_survive_the_way_there_and_back(name: str) -> None:
    z = within_floats(name, random_coordinates(name, 210))
    back = from_parameters(name, to_parameters(name, z))
    assert set(back) == set(coordinates_of(law(name)).names)
    for coordinate, values in z.items():
        np.testing.assert_allclose(back[coordinate], values, rtol=1e-9, atol=1e-9, err_msg=coordinate)


@pytest.mark.parametrize("name", LAWS)
def test_parameters_equal_those_worked_out_by_hand(name: str) -> None:
    z = within_floats(name, random_coordinates(name, 210))
    by_hand = parameters_by_hand(z, CENTER)
    found = to_parameters(name, z)
    assert set(found) == set(law(name).names) | set(coordinates_of(law(name)).derived)
    for parameter, values in found.items():
        np.testing.assert_allclose(values, by_hand[parameter], rtol=1e-8, err_msg=parameter)


def test_supervised_coordinates_are_the_loss_and_its_slopes_at_the_centre() -> None:
    p = truth("supervised")
    z = {n: float(v) for n, v in from_parameters("supervised", p).items()}

    def loss(log_N: Any, log_D: Any) -> Any:
        inputs = {"N": jnp.exp(log_N), "D": jnp.exp(log_D)}
        return law("supervised").loss("supervised", p, inputs)

    with jax.enable_x64(True):
        at = (CENTER["log_N"], CENTER["log_D"])
        by_N, by_D = jax.grad(loss, argnums=(0, 1))(*at)
        assert float(jnp.log(loss(*at))) == pytest.approx(z["log_L_center"], rel=1e-12)
    assert float(by_N) == pytest.approx(-np.exp(z["log_slope_N"]), rel=1e-10)
    assert float(by_D) == pytest.approx(-np.exp(z["log_slope_D"]), rel=1e-10)


def test_distilled_coordinates_are_the_gap_and_its_slopes_at_the_centre() -> None:
    p = truth("distillation")
    z = {n: float(v) for n, v in from_parameters("distillation", p).items()}

    def gap(log_N: Any, log_D: Any, log_L_T: Any) -> Any:
        inputs = {"N_S": jnp.exp(log_N), "D_S": jnp.exp(log_D), "L_T": jnp.exp(log_L_T)}
        values = {n: jnp.asarray(v) for n, v in p.items()}
        return log_gap(values, gap_inputs(values, inputs))

    at = tuple(CENTER[n] for n in ("log_N_S", "log_D_S", "log_L_T"))
    with jax.enable_x64(True):
        assert float(gap(*at)) == pytest.approx(z["log_gap_center"], rel=1e-10)
        assert float(-jax.grad(gap, argnums=2)(*at)) == pytest.approx(z["slope_L_T"], rel=1e-9)
        # Without its transition (d_1 beyond any teacher) the gap falls by the two slopes.
        p["d_1"] = 1e3
        assert float(-jax.grad(gap)(*at)) == pytest.approx(np.exp(z["log_slope_N_S"]), rel=1e-9)
        assert float(-jax.grad(gap, argnums=1)(*at)) == pytest.approx(np.exp(z["log_slope_D_S"]), rel=1e-9)


def test_the_transition_costs_one_e_fold_at_r_1_and_is_as_steep_there_as_s_1_says() -> None:
    z = {n: float(v) for n, v in from_parameters("distillation", truth("distillation")).items()}
    p = {n: float(v) for n, v in to_parameters("distillation", z).items()}

    def cost(q: float) -> float:
        return p["c_1"] * p["f_1"] * np.log1p((np.exp(q) / p["d_1"]) ** (1 / p["f_1"]))

    at = z["log_r_1"]
    assert cost(at) == pytest.approx(1.0, rel=1e-9)
    assert (cost(at + 1e-5) - cost(at - 1e-5)) / 2e-5 == pytest.approx(np.exp(z["log_s_1"]), rel=1e-7)


def test_a_shift_of_the_slope_in_the_teachers_loss_shifts_c_0_by_as_much_and_nothing_else() -> None:
    z = random_coordinates("distillation", 50)
    for h in (-2.0, 1e-3, 0.7):
        before = to_parameters("distillation", z)
        after = to_parameters("distillation", {**z, "slope_L_T": z["slope_L_T"] + h})
        np.testing.assert_allclose(after["c_0"] - before["c_0"], h, atol=1e-12)
        # The gap is given at the centre, so A' and B' carry c_0 from there to L_T = 1 and no other does.
        for parameter in set(before) - {"c_0", "A_prime", "B_prime"}:
            np.testing.assert_array_equal(after[parameter], before[parameter], err_msg=parameter)
        carried = np.exp(h * CENTER["log_L_T"] / before["gamma_prime"])
        for parameter in ("A_prime", "B_prime"):
            np.testing.assert_allclose(after[parameter] / before[parameter], carried, rtol=1e-9)
    at_one = {**CENTER, "log_L_T": 0.0}
    before = to_parameters("distillation", z, at_one)
    after = to_parameters("distillation", {**z, "slope_L_T": z["slope_L_T"] + 0.3}, at_one)
    changed = {n for n in before if not np.array_equal(before[n], after[n])}
    assert changed == {"c_0"}


@pytest.mark.parametrize("eta", [1e-100, 1e-12, 1e-3, 1.0, 100.0, 600.0, 1e5])
def test_small_and_large_eta_stay_finite(eta: float) -> None:
    z = from_parameters("distillation", truth("distillation")) | {"log_eta": np.log(eta)}

    def gap(z: Any) -> Any:
        p = coordinates_of(law("distillation")).to_parameters(z, CENTER)
        inputs = {"N_S": jnp.asarray(2e8), "D_S": jnp.asarray(4e9), "L_T": jnp.asarray(3.0)}
        return log_gap(p, gap_inputs(p, inputs)) + p["r_0"] + p["c_0"]

    with jax.enable_x64(True):
        value, slopes = jax.value_and_grad(gap)({n: jnp.asarray(v, float) for n, v in z.items()})
        assert np.isfinite(value) and all(np.isfinite(slope) for slope in slopes.values())


def test_as_eta_vanishes_the_transition_becomes_exponential() -> None:
    z = from_parameters("distillation", truth("distillation")) | {"log_eta": np.log(1e-9)}
    p = to_parameters("distillation", z)
    # (1 + eta r^s)^(-1 / eta) -> exp(-r^s), r = L_T / (L~ r_0), whose first e-fold is at r_1 = r_0.
    assert p["r_0"] == pytest.approx(np.exp(z["log_r_1"]), rel=1e-6)
    assert p["s"] == pytest.approx(np.exp(z["log_s_1"]), rel=1e-6)


@pytest.mark.parametrize("name", LAWS)
def test_losses_and_gradients_are_finite_at_the_priors_extremes(name: str) -> None:
    coordinates, prior = coordinates_of(law(name)), prior_of(name)
    names = coordinates.names
    loc, scale = np.array(list(prior.values())).T
    steps = np.concatenate([sds * np.eye(len(names)) for sds in (-5, -3, -1, 0, 1, 3, 5)])
    grid = {
        "supervised": {
            "N": jnp.asarray([1e6, 1e9, 1e12]),
            "D": jnp.asarray([1e8, 1e10, 1e14]),
            "U": jnp.asarray([1e8, 1e9, 1e9]),
        },
        "distilled": {
            "N_S": jnp.asarray([1e6, 1e9, 1e12, 1e9]),
            "D_S": jnp.asarray([1e8, 1e10, 1e14, 1e10]),
            "L_T": jnp.asarray([4.0, 2.2, 1.5, 10.0]),
        },
    }

    def total(flat: Any) -> Any:
        p = coordinates.to_parameters(dict(zip(names, flat, strict=True)), CENTER)
        return sum(law(name).log_loss(role.name, p, grid[role.name]).sum() for role in law(name).roles)

    with jax.enable_x64(True):
        values, slopes = jax.jit(jax.vmap(jax.value_and_grad(total)))(jnp.asarray(loc + scale * steps))
    finite = np.isfinite(np.asarray(values)) & np.isfinite(np.asarray(slopes)).all(axis=1)
    z = dict(zip(names, (loc + scale * steps).T, strict=True))
    p = to_parameters(name, z)
    # A share of size or tokens below 1 % makes its exponent so large that A or B is no float: moving one
    # coordinate at a time, only the share itself does so, 3 sds out at the soonest.
    beyond = np.any([(p[n] == 0) | ~np.isfinite(p[n]) for n in law(name).names], axis=0)
    assert not [steps[i] for i in np.flatnonzero(~finite & ~beyond)]
    assert np.all(np.abs(steps[beyond]).sum(axis=1) >= 3)
    assert {names[i] for i in np.flatnonzero(steps[beyond].any(axis=0))} <= {"logit_w", "logit_w_prime"}


def test_a_law_of_ones_own_is_sampled_in_logarithms_of_what_is_positive() -> None:
    floor = Parameter(name="floor", symbol="E", support="positive", unit="nats/token", meaning="floor")
    tilt = Parameter(name="tilt", symbol="t", support="real", unit="1", meaning="power of tokens")
    role = Role(
        name="supervised",
        inputs=("N", "D"),
        log_loss=lambda p, x: jnp.log(p["floor"]) + p["tilt"] * jnp.log(x["D"] / x["N"]),
    )
    coordinates = coordinates_of(Law(name="tilted", parameters=(floor, tilt), roles=(role,), source="here"))
    assert coordinates.names == ("log_floor", "tilt")
    assert coordinates.derived == () and coordinates.replaces == ()
    with jax.enable_x64(True):
        z = {"log_floor": jnp.log(jnp.asarray([2.0, 3.0])), "tilt": jnp.asarray([-0.1, 0.2])}
        p = coordinates.to_parameters(z, {})
        back = coordinates.from_parameters(p, {})
    np.testing.assert_allclose(p["floor"], [2.0, 3.0], rtol=1e-12)
    np.testing.assert_array_equal(p["tilt"], [-0.1, 0.2])
    np.testing.assert_allclose(back["log_floor"], z["log_floor"], rtol=1e-12)
    assert tuple(back) == coordinates.names
