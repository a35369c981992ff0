"""What is believed and what is forecast go through one seam: the bare law, or the law under paths that only rise."""

from __future__ import annotations

import ast
import inspect
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_dsl.errors import InputError, TableError
from bayes_dsl.forecast import expected
from bayes_dsl.inference import program
from bayes_dsl.inference.misfit import (
    BARE_LAW,
    EDGE,
    Misfit,
    axes_of,
    expected_log_loss,
    grids_of,
    with_misfit,
)
from bayes_dsl.inference.paths import Drift, beyond, paths
from bayes_dsl.inference.priors import Density, Prior, default_prior
from bayes_dsl.laws.base import Law, Parameter, Role
from bayes_dsl.laws.registry import law, registered
from tests.inference.by_hand import distilled_loss, plain_rows, supervised_loss, table_of, truth

N, D, L_T = np.array([2e8, 3e9]), np.array([[1e10], [4e11]]), 2.2


@pytest.mark.parametrize("law", registered(), ids=lambda law: law.name)
def test_the_bare_law_is_the_law(law: Any) -> None:
    p = truth(law.name)
    with jax.enable_x64(True):
        found = np.asarray(expected_log_loss(law, "supervised", p, {"N": N, "D": D, "U": D}))
        np.testing.assert_allclose(found, np.log(supervised_loss(p, N, D)), rtol=1e-12)
        if law.explains("distilled"):
            found = np.asarray(expected_log_loss(law, "distilled", p, {"N_S": N, "D_S": D, "L_T": L_T}))
            np.testing.assert_allclose(found, np.log(distilled_loss(p, N, D, L_T)), rtol=1e-12)
    assert BARE_LAW == "none"


@pytest.mark.parametrize("room", [program, expected], ids=lambda room: room.__name__)
def test_program_and_forecast_ask_the_seam_and_never_the_law(room: Any) -> None:
    tree = ast.parse(inspect.getsource(room))
    called = [
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]
    assert called.count("expected_log_loss") == 1
    assert not {"log_loss", "loss"} & set(called)


SIZE_ONLY = Law(
    name="size only",
    parameters=(Parameter(name="k", symbol="k", support="positive", unit="1", meaning="exponent"),),
    roles=(
        Role(
            name="supervised",
            inputs=("N",),
            log_loss=lambda p, x: jnp.log1p(jnp.exp(5.0 - p["k"] * jnp.log(x["N"]))),
        ),
    ),
    source="a test",
)
WITHOUT_SIZE = Law(
    name="flat",
    parameters=SIZE_ONLY.parameters,
    roles=(Role(name="supervised", inputs=("L_T",), log_loss=lambda p, x: p["k"] * x["L_T"]),),
    source="a test",
)


@cache
def worlds(name: str) -> tuple[Drift, Any]:
    """300 paths that wander wildly, and the expected loss under them as a function of N and D, (draw, candidate)."""
    known = SIZE_ONLY if name == "size only" else law(name)
    p = {"k": 0.3} if name == "size only" else truth(name)
    grids = grids_of(Misfit(), known, table_of(plain_rows("supervised")).used)
    rng = np.random.default_rng(5)
    sampled = {axis: rng.standard_normal((300, grid.sampled)) for axis, grid in grids.items()}
    drawn = {axis: rng.standard_normal((300, grid.below + grid.above)) for axis, grid in grids.items()}
    rho = {axis: np.exp(rng.normal(np.log(0.2), 1.0, 300)) for axis in grids}
    with jax.enable_x64(True):
        drift = paths(grids, rho=rho, edge={"L": np.full(300, 0.3)}, sampled=sampled, drawn=drawn)
        drift = jax.tree.map(lambda array: array[:, None] if array.ndim else array, drift)
        asked = jax.jit(lambda x, drift: expected_log_loss(known, "supervised", p, x, drift))

    def evaluate(N: Any, D: Any) -> np.ndarray:
        inputs = {"N": N, "D": D} if "D" in known.role("supervised").inputs else {"N": N}
        with jax.enable_x64(True):
            found = asked({k: jnp.asarray(v, float) for k, v in inputs.items()}, drift)
        return np.asarray(found)

    return drift, evaluate


@pytest.mark.parametrize("name", ["supervised", "chinchilla", "distillation", "size only"])
@settings(max_examples=40)
@given(log_N=st.floats(4, 16), log_D=st.floats(5, 18), more=st.floats(1e-3, 4), tokens=st.booleans())
def test_more_parameters_or_tokens_never_raise_the_expected_loss(
    name: str, log_N: float, log_D: float, more: float, tokens: bool
) -> None:
    _, evaluate = worlds(name)
    more_N, more_D = (0.0, more) if tokens else (more, 0.0)
    N, D = 10 ** np.array([log_N, log_N + more_N]), 10 ** np.array([log_D, log_D + more_D])
    loss = evaluate(N, D)
    assert np.isfinite(loss).all()
    # Far out a loss may stand at its floor to the last bit.
    assert np.all(loss[:, 1] <= loss[:, 0] + 1e-13)
    if not (name == "size only" and tokens) and 7 < log_N < 11 and 8 < log_D < 12 and more > 0.1:
        assert np.mean(loss[:, 1] < loss[:, 0]) > 0.99


@pytest.mark.parametrize("name", ["supervised", "size only"])
def test_paths_leave_the_middle_of_the_data_alone_and_wander_from_there(name: str) -> None:
    _, evaluate = worlds(name)
    rows = plain_rows("supervised")
    N = np.exp(np.mean([np.log(row["params"]) for row in rows]))
    D = np.exp(np.mean([np.log(row["tokens"]) for row in rows]))
    spread = evaluate(N * np.array([1.0, 10.0, 1e3]), D * np.ones(3)).std(axis=0)
    assert spread[0] < spread[1] < spread[2]


def test_no_scale_is_the_bare_law() -> None:
    known, p = law("supervised"), truth("supervised")
    grids = grids_of(Misfit(), known, table_of(plain_rows("supervised")).used)
    none = {axis: np.zeros((1, grid.sampled)) for axis, grid in grids.items()}
    far = {axis: np.zeros((1, grid.below + grid.above)) for axis, grid in grids.items()}
    with jax.enable_x64(True):
        drift = paths(
            grids, rho=dict.fromkeys(grids, np.ones(1)), edge={"L": np.ones(1)}, sampled=none, drawn=far
        )
        found = expected_log_loss(known, "supervised", p, {"N": N, "D": D[0]}, drift)
        np.testing.assert_allclose(found, np.log(supervised_loss(p, N, D[0])), rtol=1e-12)


def test_a_law_that_cannot_drift_is_refused_in_a_sentence() -> None:
    assert axes_of(SIZE_ONLY) == ("N", "L") and axes_of(law("chinchilla")) == ("N", "D", "L")
    with pytest.raises(InputError, match="law has neither") as refusal:
        axes_of(WITHOUT_SIZE)
    assert len(str(refusal.value).splitlines()) == 1 and "--no-misfit" in str(refusal.value)
    rows = [{**row, "role": "distilled", "teacher_loss": 2.2} for row in plain_rows("supervised")]
    with pytest.raises(TableError, match="learnt from supervised rows"):
        grids_of(Misfit(), law("distillation"), table_of(rows).used)


def test_the_prior_has_reasons_and_yields_to_densities_of_the_same_name() -> None:
    prior = default_prior(law("supervised"), typical_loss=2.5)
    own = Density(name="log_drift_N", loc=-2.0, scale=0.1, reason="known")
    both = with_misfit(Prior(densities=(*prior.densities, own)), Misfit(edge=0.2))
    assert both["log_drift_N"] == own and both[EDGE].loc == np.log(0.2)
    assert [d.name for d in Misfit().densities()] == ["log_drift_N", "log_drift_D", "log_drift_L", EDGE]
    assert all(len(d.reason) > 20 for d in Misfit().densities())


def test_constants_out_of_range_are_all_named() -> None:
    with pytest.raises(InputError) as refusal:
        Misfit(size=0.0, edge=float("nan"), reach=9.0)
    assert [fault.what for fault in refusal.value.faults] == ["size", "edge", "reach"]


def test_what_lies_beyond_the_data_is_drawn_once_from_the_seed() -> None:
    grids = grids_of(Misfit(), law("supervised"), table_of(plain_rows("supervised")).used)
    one, again, other = (beyond(grids, shape=(2, 50), seed=seed) for seed in (3, 3, 4))
    for axis, grid in grids.items():
        assert one[axis].shape == (2, 50, grid.below + grid.above)
        assert one[axis].tobytes() == again[axis].tobytes() != other[axis].tobytes()
