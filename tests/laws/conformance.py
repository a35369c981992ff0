"""The questions that every law must answer: functions of a law and one set of its parameters.

A user's law passes the same ones: `for check in CHECKS: check(law, parameters)`.
"""

from __future__ import annotations

import dataclasses
import keyword
from collections.abc import Callable, Mapping
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_dsl.errors import InputError
from bayes_dsl.laws.base import INPUT_COLUMNS, Law
from bayes_dsl.laws.distillation import DISTILLATION
from bayes_dsl.laws.supervised import SUPERVISED

Parameters = Mapping[str, float]
Check = Callable[[Law, Parameters], None]

SIZES = ("N", "D", "N_S", "D_S")
POINTS = 2_000
FLOAT32_TOLERANCE = 2e-6
"""Of ln(loss), absolute, at published coefficients: two millionths of the loss."""

WIDE = {
    "E": (0.3, 3.0),
    **dict.fromkeys(("A", "B"), (1.0, 5e8)),
    **dict.fromkeys(("A_prime", "B_prime"), (1.0, 1e11)),
    **dict.fromkeys(("alpha", "beta", "alpha_prime", "beta_prime"), (0.05, 1.5)),
    **dict.fromkeys(("gamma", "gamma_prime"), (0.05, 3.0)),
    "f_1": (0.01, 1.0),
    "c_1": (0.5, 1e9),
    "s": (1.0, 100.0),
    "r_0": (0.7, 1.3),
}


def inputs_within(law: Law, role: str, parameters: Mapping, n: int = POINTS) -> dict[str, np.ndarray]:
    """Inputs spread over everything that a law must bear; every tenth teacher is at E exactly."""
    rng = np.random.default_rng(11)
    E = np.broadcast_to(np.asarray(parameters.get("E", 1.0), np.float64), (n,))
    L_T = E * np.exp(rng.uniform(size=n) * np.log(11 / E))
    L_T[::10] = E[::10]
    every = {
        "N": 10 ** rng.uniform(3, 13, n),
        "D": 10 ** rng.uniform(5, 18, n),
        "N_S": 10 ** rng.uniform(3, 13, n),
        "D_S": 10 ** rng.uniform(5, 18, n),
        "L_T": L_T,
        "U": 10 ** rng.uniform(5, 18, n),
    }
    return {name: every[name].astype(np.float32) for name in law.role(role).inputs}


def wide_parameters(law: Law, n: int = POINTS) -> dict[str, np.ndarray]:
    """Coefficients far wider than any prior, up to the limit c_1 to infinity at a fixed transition."""
    rng = np.random.default_rng(12)
    drawn = {}
    for parameter in law.parameters:
        if parameter.support == "real":
            drawn[parameter.name] = rng.uniform(-3, 8, n)
        else:
            low, high = WIDE.get(parameter.name, (0.05, 3.0))
            drawn[parameter.name] = np.exp(rng.uniform(np.log(low), np.log(high), n))
    if "d_1" in drawn:
        r_0 = rng.uniform(0.7, 1.3, n)
        drawn["d_1"] = r_0 * (drawn["c_1"] * drawn["f_1"]) ** drawn["f_1"]
    return {name: values.astype(np.float32) for name, values in drawn.items()}


@cache
def compiled(law: Law, role: str, x64: bool):
    """ln(loss) and its derivatives at many points at once, compiled once for each law, role and precision."""
    derive = jax.value_and_grad(lambda p, x: law.log_loss(role, p, x), argnums=(0, 1))
    return jax.jit(jax.vmap(derive))


def value_and_gradients(law: Law, role: str, parameters: Mapping, inputs: Mapping, *, x64: bool):
    """ln(loss) at each point, and its derivatives by every parameter and input, as float64 NumPy arrays."""
    with jax.enable_x64(x64):
        dtype = jnp.float64 if x64 else jnp.float32
        n = next(iter(inputs.values())).shape
        p = {name: jnp.broadcast_to(jnp.asarray(parameters[name], dtype), n) for name in law.names}
        x = {name: jnp.asarray(values, dtype) for name, values in inputs.items()}
        value, (by_parameter, by_input) = compiled(law, role, x64)(p, x)
        assert value.dtype == dtype
        gradients = {**by_parameter, **by_input}
        return np.asarray(value, float), {name: np.asarray(g, float) for name, g in gradients.items()}


def float64_log_loss(law: Law, role: str, parameters: Mapping, inputs: Mapping) -> np.ndarray:
    with jax.enable_x64(True):
        x = {name: np.asarray(values, np.float64) for name, values in inputs.items()}
        return np.asarray(law.log_loss(role, parameters, x))


def check_names_are_unique_and_valid(law: Law, parameters: Parameters) -> None:
    assert len(set(law.names)) == len(law.names) > 0
    assert set(parameters) == set(law.names)
    for name in law.names:
        assert name.isidentifier() and not keyword.iskeyword(name)
        assert not name.startswith("_")
    for role in law.roles:
        assert role.name in {"supervised", "distilled"}
        assert set(role.inputs) <= set(INPUT_COLUMNS), "each input is a column of the run table"
        assert not set(role.inputs) & set(law.names)
    for parameter in law.parameters:
        assert parameters[parameter.name] > 0 or parameter.support == "real"


def check_it_is_a_value(law: Law, parameters: Parameters) -> None:
    assert dataclasses.replace(law) == law and hash(dataclasses.replace(law)) == hash(law)
    assert dataclasses.replace(law, name="another") != law
    with pytest.raises(dataclasses.FrozenInstanceError):
        law.name = "another"


def check_it_is_documented(law: Law, parameters: Parameters) -> None:
    assert law.name and law.source and law.limits
    for parameter in law.parameters:
        assert parameter.symbol and parameter.unit and parameter.meaning
    for role in law.roles:
        assert role.log_loss.__doc__, "the equation stands in the docstring"


def check_it_can_be_closed_over_and_static(law: Law, parameters: Parameters) -> None:
    for role in law.roles:
        x = inputs_within(law, role.name, parameters, 7)
        plain = law.log_loss(role.name, parameters, x)
        closed = jax.jit(lambda p, x, role=role: law.log_loss(role.name, p, x))(dict(parameters), x)
        static = jax.jit(lambda law, p, x, role=role: law.log_loss(role.name, p, x), static_argnums=0)
        np.testing.assert_allclose(plain, closed, rtol=0, atol=3e-6)
        np.testing.assert_array_equal(closed, static(law, dict(parameters), x))


def check_draws_broadcast_against_candidates(law: Law, parameters: Parameters) -> None:
    for role in law.roles:
        x = inputs_within(law, role.name, parameters, 5)
        draws = {name: np.linspace(0.9, 1.1, 3)[:, None] * parameters[name] for name in law.names}
        both = float64_log_loss(law, role.name, draws, x)
        assert both.shape == (3, 5)
        one = {name: float(values[2, 0]) for name, values in draws.items()}
        np.testing.assert_allclose(both[2], float64_log_loss(law, role.name, one, x), rtol=1e-13)
        assert float64_log_loss(law, role.name, one, {name: v[4] for name, v in x.items()}).shape == ()


def check_the_loss_falls_with_size_and_tokens(law: Law, parameters: Parameters) -> None:
    for role in law.roles:
        middle = {"N": 1e9, "D": 2e10, "U": 1e12, "N_S": 1e9, "D_S": 2e10, "L_T": 2.1}
        for name in set(role.inputs) & set(SIZES):
            x = {other: middle[other] for other in role.inputs} | {name: np.geomspace(1e5, 1e13, 200)}
            steps = np.diff(float64_log_loss(law, role.name, parameters, x))
            assert (steps <= 0).all() and (steps < 0).mean() > 0.9, f"{role.name} loss against {name}"


def check_the_loss_has_a_floor(law: Law, parameters: Parameters) -> None:
    for role in law.roles:
        x = inputs_within(law, role.name, parameters)
        loss = np.exp(float64_log_loss(law, role.name, parameters, x))
        floor = x["L_T"].astype(float) if "L_T" in x else parameters.get("E", 0.0)
        assert (loss >= floor * (1 - 1e-14)).all()
        assert (loss > floor).mean() > 0.3


def check_values_and_gradients_are_finite(law: Law, parameters: Parameters) -> None:
    for role in law.roles:
        for given in (parameters, wide_parameters(law)):
            x = inputs_within(law, role.name, given)
            for x64 in (False, True):
                value, gradients = value_and_gradients(law, role.name, given, x, x64=x64)
                assert np.isfinite(value).all()
                for name, gradient in gradients.items():
                    assert np.isfinite(gradient).all(), f"d ln {role.name} loss / d {name}, x64={x64}"


def check_float32_agrees_with_float64(law: Law, parameters: Parameters) -> None:
    for role in law.roles:
        rounded = {name: np.float32(value) for name, value in parameters.items()}
        x = inputs_within(law, role.name, parameters)
        single, single_gradients = value_and_gradients(law, role.name, rounded, x, x64=False)
        double, double_gradients = value_and_gradients(law, role.name, rounded, x, x64=True)
        np.testing.assert_allclose(single, double, rtol=0, atol=FLOAT32_TOLERANCE)
        for name, gradient in double_gradients.items():
            np.testing.assert_allclose(
                single_gradients[name], gradient, rtol=2e-2, atol=1e-4 * np.abs(gradient).max()
            )


def check_it_is_pure(law: Law, parameters: Parameters) -> None:
    for role in law.roles:
        p, x = dict(parameters), inputs_within(law, role.name, parameters, 9)
        copies = dict(p), {name: values.copy() for name, values in x.items()}
        first = np.asarray(law.log_loss(role.name, p, x))
        second = np.asarray(law.log_loss(role.name, p, x))
        assert first.tobytes() == second.tobytes()
        assert first.dtype == np.float32, "calling a law switches nothing"
        assert p == copies[0]
        assert all((x[name] == copies[1][name]).all() for name in x)
        np.testing.assert_allclose(np.log(law.loss(role.name, p, x)), first, atol=3e-6)


def check_integers_are_taken_and_gaps_refused(law: Law, parameters: Parameters) -> None:
    for role in law.roles:
        whole = {name: np.array([3_000_000_000, 2], np.int64) for name in role.inputs}
        real = {name: values.astype(float) for name, values in whole.items()}
        np.testing.assert_array_equal(
            law.log_loss(role.name, parameters, whole), law.log_loss(role.name, parameters, real)
        )
        one = dict.fromkeys(role.inputs, 10**12)
        assert np.isfinite(law.log_loss(role.name, parameters, one))
        with pytest.raises(InputError, match=f"{law.names[0]} missing"):
            law.log_loss(role.name, {name: parameters[name] for name in law.names[1:]}, real)
        with pytest.raises(InputError, match=f"{role.inputs[0]} missing"):
            law.log_loss(role.name, parameters, {name: real[name] for name in role.inputs[1:]})
    with pytest.raises(InputError, match="explains"):
        law.log_loss("no such role", parameters, {})


CHECKS: tuple[Check, ...] = (
    check_names_are_unique_and_valid,
    check_it_is_a_value,
    check_it_is_documented,
    check_it_can_be_closed_over_and_static,
    check_draws_broadcast_against_candidates,
    check_the_loss_falls_with_size_and_tokens,
    check_the_loss_has_a_floor,
    check_values_and_gradients_are_finite,
    check_float32_agrees_with_float64,
    check_it_is_pure,
    check_integers_are_taken_and_gaps_refused,
)


def limit_infinite_size_and_tokens_leave_E(law: Law, parameters: Parameters) -> None:
    x = dict.fromkeys(law.role("supervised").inputs, 1e200)
    assert float64_log_loss(law, "supervised", parameters, x) == pytest.approx(
        np.log(parameters["E"]), abs=1e-9
    )
    near = dict.fromkeys(law.role("supervised").inputs, 1e9)
    assert float64_log_loss(law, "supervised", parameters, near) > np.log(parameters["E"]) + 0.1


def limit_gamma_one_is_chinchilla(law: Law, parameters: Parameters) -> None:
    x = inputs_within(law, "supervised", parameters)
    p = dict(parameters) | {"gamma": 1.0}
    N, D = x["N"].astype(float), x["D"].astype(float)
    direct = p["E"] + p["A"] / N ** p["alpha"] + p["B"] / D ** p["beta"]
    np.testing.assert_allclose(np.exp(float64_log_loss(law, "supervised", p, x)), direct, rtol=1e-12)


def limit_size_and_tokens_trade_places(law: Law, parameters: Parameters) -> None:
    x = inputs_within(law, "supervised", parameters)
    p = dict(parameters) | {"B": parameters["A"]}
    there = float64_log_loss(law, "supervised", p, x)
    np.testing.assert_allclose(
        float64_log_loss(law, "supervised", p, {"N": x["D"], "D": x["N"]}), there, rtol=1e-12
    )
    assert np.ptp(there) > 0.1


def limit_nothing_repeated_is_supervised(law: Law, parameters: Parameters) -> None:
    x = inputs_within(law, "supervised", parameters)
    p = {name: parameters[name] for name in SUPERVISED.names}
    for unique in (x["D"], 3.0 * x["D"]):
        found = float64_log_loss(law, "supervised", parameters, {**x, "U": unique})
        np.testing.assert_allclose(found, float64_log_loss(SUPERVISED, "supervised", p, x), rtol=1e-12)
    repeated = float64_log_loss(law, "supervised", parameters, {"N": 1e9, "D": 2e10, "U": 1e9})
    assert repeated > float64_log_loss(law, "supervised", parameters, {"N": 1e9, "D": 2e10, "U": 2e10}) + 1e-3


def limit_lasting_repetition_is_supervised(law: Law, parameters: Parameters) -> None:
    x = inputs_within(law, "supervised", parameters) | {"U": np.float64(1e9)}
    p = {name: parameters[name] for name in SUPERVISED.names}
    fresh = float64_log_loss(SUPERVISED, "supervised", p, x)
    apart = [
        np.abs(float64_log_loss(law, "supervised", dict(parameters) | {"R_D": R_D}, x) - fresh).max()
        for R_D in (15.0, 1e14)
    ]
    assert apart[1] < 1e-6 < 1e-3 < apart[0]


def limit_endless_repetition_has_a_worth(law: Law, parameters: Parameters) -> None:
    p = {name: parameters[name] for name in SUPERVISED.names}
    for unique in (1e8, 1e11):
        x = {"N": 1e9, "D": 1e16, "U": unique}
        worth = {"N": 1e9, "D": unique * (1.0 + parameters["R_D"])}
        found = float64_log_loss(law, "supervised", parameters, x)
        assert found == pytest.approx(float64_log_loss(SUPERVISED, "supervised", p, worth), rel=1e-12)


def limit_delta_one_is_chinchilla(law: Law, parameters: Parameters) -> None:
    limit_gamma_one_is_chinchilla(law, dict(parameters) | {"delta": 1.0})


def limit_plenty_of_one_is_chinchilla(law: Law, parameters: Parameters) -> None:
    for plenty in ("N", "D"):
        x = inputs_within(law, "supervised", parameters) | {plenty: np.float64(1e60)}
        found = [float64_log_loss(law, "supervised", dict(parameters) | {"delta": d}, x) for d in (0.1, 1, 9)]
        np.testing.assert_allclose(found[0], found[1], rtol=1e-9)
        np.testing.assert_allclose(found[2], found[1], rtol=1e-9)
    near = {"N": 1e9, "D": 2e10}
    low, high = (float64_log_loss(law, "supervised", dict(parameters) | {"delta": d}, near) for d in (0.1, 9))
    assert high > low + 0.01


def limit_an_infinite_student_reaches_its_teacher(law: Law, parameters: Parameters) -> None:
    x = {"N_S": 1e60, "D_S": 1e60, "L_T": np.array([parameters["E"], 1.7, 2.5])}
    loss = np.exp(float64_log_loss(law, "distilled", parameters, x))
    np.testing.assert_allclose(loss, x["L_T"], rtol=1e-9)
    near = np.exp(float64_log_loss(law, "distilled", parameters, x | {"N_S": 1e9, "D_S": 2e10}))
    assert near[0] > x["L_T"][0] + 0.3


def limit_a_random_teacher_makes_a_random_student(law: Law, parameters: Parameters) -> None:
    student = {"N_S": 1e9, "D_S": 2e10}
    for L_T in (11.0, 1e3):
        log_loss = float64_log_loss(law, "distilled", parameters, student | {"L_T": L_T})
        assert log_loss == pytest.approx(np.log(L_T), abs=1e-9)


def limit_the_student_is_u_shaped_in_its_teacher(law: Law, parameters: Parameters) -> None:
    L_T = np.linspace(parameters["E"], 3.5, 2_000)
    x = {"N_S": 1.434e8, "D_S": 2.9e9, "L_T": L_T}
    slope = np.sign(np.diff(float64_log_loss(law, "distilled", parameters, x)))
    turns = np.flatnonzero(np.diff(slope))
    assert slope[0] < 0 < slope[-1]
    assert len(turns) == 1, "falls, then rises, once"


def limit_the_student_stays_above_its_teacher(law: Law, parameters: Parameters) -> None:
    x = {"N_S": np.geomspace(1e6, 1e12, 60)[:, None], "D_S": 2e10, "L_T": np.linspace(1.3, 2.4, 40)}
    log_loss = float64_log_loss(law, "distilled", parameters, x)
    assert (log_loss >= np.log(x["L_T"]) * (1 - 1e-15)).all()
    x = {"N_S": 1e8, "D_S": 2e9, "L_T": np.linspace(1.3, 2.4, 40)}
    assert (float64_log_loss(law, "distilled", parameters, x) > np.log(x["L_T"]) + 1e-3).all()


def limit_of_the_distillation_law(law: Law, parameters: Parameters) -> None:
    x = inputs_within(law, "distilled", parameters)
    there = float64_log_loss(law, "distilled", parameters, x)
    apart = []
    for eta in (1e-3, 1e-6):
        s, d_1 = parameters["s"], parameters["r_0"] * eta ** (-1 / parameters["s"])
        p = {**parameters, "c_1": s / eta, "d_1": d_1, "f_1": 1 / s}
        near = float64_log_loss(DISTILLATION, "distilled", {name: p[name] for name in DISTILLATION.names}, x)
        apart.append(np.abs(near - there).max())
    assert apart[1] < 1e-6 < 30 * apart[1] < apart[0]


LIMITS: Mapping[str, Check] = {
    "N and D to infinity: the loss falls to E": limit_infinite_size_and_tokens_leave_E,
    "the loss falls with N and with D": check_the_loss_falls_with_size_and_tokens,
    "N, D and U to infinity: the loss falls to E": limit_infinite_size_and_tokens_leave_E,
    "D at most U: the supervised law": limit_nothing_repeated_is_supervised,
    "R_D to infinity: the supervised law, repeated tokens being as good as new": (
        limit_lasting_repetition_is_supervised
    ),
    "D to infinity at one U: the supervised law of U (1 + R_D) tokens": limit_endless_repetition_has_a_worth,
    "gamma = 1: the Chinchilla law": limit_gamma_one_is_chinchilla,
    "A = B: size and tokens can trade places": limit_size_and_tokens_trade_places,
    "delta = 1: the Chinchilla law": limit_delta_one_is_chinchilla,
    "N or D alone to infinity: the Chinchilla law, whatever delta is": limit_plenty_of_one_is_chinchilla,
    "N_S and D_S to infinity: the student reaches its teacher, L_S falls to L_T": (
        limit_an_infinite_student_reaches_its_teacher
    ),
    "L_T far above the student's supervised loss: a random teacher makes a random student, L_S is L_T": (
        limit_a_random_teacher_makes_a_random_student
    ),
    "L_S as a function of L_T is U-shaped: the capacity gap": limit_the_student_is_u_shaped_in_its_teacher,
    "c_1 f_1 to infinity: the distillation law falls to this one": limit_of_the_distillation_law,
    "L_S stays above L_T (the law's gap is positive; a measured one need not be)": (
        limit_the_student_stays_above_its_teacher
    ),
}
"""The check of each limit that a law may state, by the law's own words."""
