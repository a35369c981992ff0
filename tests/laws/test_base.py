"""A law checks itself when it is made, and says what is missing when it is called."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_dsl.errors import InputError
from bayes_dsl.laws.base import INPUT_COLUMNS, ROLES, Law, Parameter, Role
from bayes_dsl.laws.supervised import SUPERVISED
from bayes_dsl.runs import schema


def parameter(name: str) -> Parameter:
    return Parameter(name=name, symbol=name, support="positive", unit="1", meaning="a test")


def make(*, names=("E",), inputs=("N",), roles=("supervised",)) -> Law:
    return Law(
        name="made",
        parameters=tuple(parameter(name) for name in names),
        roles=tuple(Role(name=r, inputs=inputs, log_loss=lambda p, x: jnp.log(p["E"])) for r in roles),
        source="a test",
    )


def test_a_sound_law_is_made():
    assert make().names == ("E",)
    assert make().explains("supervised") and not make().explains("distilled")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"names": ("E", "A", "E")}, "parameter = E; each parameter has a name of its own"),
        ({"roles": ("supervised", "supervised")}, "role = supervised; each role has a name of its own"),
        ({"roles": ()}, "a law explains the runs of at least one role"),
        ({"names": ("A'",)}, "a Python name"),
        ({"names": ("lambda",)}, "'lambda'"),
        (
            {"inputs": ("N", "width")},
            "input = width; the run table has no such input. Choose from N, D, U, N_S",
        ),
        ({"roles": ("distil",)}, "role = distil; the run table has no such role"),
    ],
)
def test_an_unsound_law_is_refused(made, said):
    with pytest.raises(InputError) as caught:
        make(**made)
    assert said in str(caught.value)
    assert str(caught.value).startswith("law made: ")


def test_every_fault_is_listed_at_once():
    with pytest.raises(InputError) as caught:
        make(names=("E", "E", "A'"), roles=())
    assert len(caught.value.faults) == 3


def test_an_unknown_role_lists_those_that_are_explained():
    with pytest.raises(InputError, match="explains supervised runs only"):
        SUPERVISED.role("distilled")


def test_a_missing_value_is_named():
    with pytest.raises(InputError) as caught:
        SUPERVISED.log_loss("supervised", {"E": 1.0, "A": 1.0}, {"N": 1e9, "D": 1e10})
    assert str(caught.value) == (
        "law supervised: parameters = A, E; B, alpha, beta, gamma missing. Give E, A, B, alpha, beta, gamma."
    )
    with pytest.raises(InputError, match="inputs = none; N, D missing"):
        SUPERVISED.log_loss("supervised", dict.fromkeys(SUPERVISED.names, 1.0), {})


def test_large_integers_keep_their_value():
    p = {"E": 1.2, "A": 3355.0, "B": 18186.0, "alpha": 0.408, "beta": 0.431, "gamma": 0.452}
    tokens = np.array([20_000_000_000, 15_000_000_000_000])
    whole = SUPERVISED.loss("supervised", p, {"N": 10**9, "D": tokens})
    real = SUPERVISED.loss("supervised", p, {"N": 1e9, "D": tokens.astype(float)})
    np.testing.assert_array_equal(whole, real)
    # The control: JAX's default mode cuts such integers to 32 bits, without a word.
    assert np.isnan(jnp.log(tokens[:1])).all()


def test_values_beyond_the_laws_own_are_ignored():
    p = dict.fromkeys(SUPERVISED.names, 0.5)
    x = {"N": 1e9, "D": 1e10}
    assert SUPERVISED.loss("supervised", p | {"sigma": "no number"}, x) == SUPERVISED.loss(
        "supervised", p, x | {"L_T": 2.0}
    )


def test_precision_follows_the_scope():
    p = dict.fromkeys(SUPERVISED.names, 0.5)
    with jax.enable_x64(True):
        assert SUPERVISED.loss("supervised", p, {"N": 1e9, "D": np.array(1e10)}).dtype == jnp.float64
    assert SUPERVISED.loss("supervised", p, {"N": 1e9, "D": np.array(1e10)}).dtype == jnp.float32


def test_roles_and_inputs_are_the_run_tables():
    assert ROLES == schema.ROLES
    assert all(schema.COLUMN[column].numeric for column in INPUT_COLUMNS.values())


def test_input_columns_cannot_be_changed():
    with pytest.raises(TypeError):
        INPUT_COLUMNS["N"] = "loss"
