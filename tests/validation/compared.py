"""Laws compared without sampling: posteriors made by hand around a truth that both supervised laws hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_dsl.inference.design import supervised_grid
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.priors import Density, prior_of_your_own
from bayes_dsl.inference.simulate import Noise, simulate
from bayes_dsl.laws.base import Law, Parameter, Role
from bayes_dsl.laws.published import published
from bayes_dsl.laws.supervised import CHINCHILLA, SUPERVISED
from bayes_dsl.runs.table import RunTable
from bayes_dsl.validation import left_out
from tests.posteriors import posterior_around

LAWS = (SUPERVISED, CHINCHILLA)


def _floor_and_power(p: Mapping[str, jax.Array], x: Mapping[str, jax.Array]) -> jax.Array:
    compute = jnp.log(x["N"]) + jnp.log(x["D"]) - 43.0
    return jnp.asarray(jnp.log(p["floor"] + p["K"] * jnp.exp(-p["k"] * compute)))


MINE = Law(
    name="mine",
    parameters=(
        Parameter(name="floor", symbol="E", support="positive", unit="nats/token", meaning="floor"),
        Parameter(name="K", symbol="K", support="positive", unit="nats/token", meaning="scale"),
        Parameter(name="k", symbol="k", support="positive", unit="1", meaning="power of compute"),
    ),
    roles=(Role(name="supervised", inputs=("N", "D"), log_loss=_floor_and_power),),
    source="a law of these tests, of compute alone",
)
MY_TRUTH = {"floor": 1.7, "K": 1.2, "k": 0.2}
SIZES, TOKENS = np.geomspace(5e7, 5e9, 10), np.geomspace(1e9, 1e11, 6)
MY_PRIOR = prior_of_your_own(
    Density(name="log_floor", loc=0.5, scale=0.5, reason="a loss of 1 to 3"),
    Density(name="log_K", loc=0.0, scale=1.0, reason="the same above it"),
    Density(name="log_k", loc=-1.5, scale=0.7, reason="a power of .05 to 1"),
)


def my_table(*, seed: int = 4) -> RunTable:
    """60 runs of a world that holds this law, with noise of .3 percent."""
    design = supervised_grid(SIZES.tolist(), tokens=TOKENS.tolist())
    return simulate(MINE, MY_TRUTH, design, noise=Noise(scale=0.003, degrees_of_freedom=np.inf), seed=seed)


TRUTH = {**published("besiroglu").parameters, "gamma": 1.0, "delta": 1.0}


@contextmanager
def made_by_hand(*, off: float = 1.0, spread: float = 1e-3) -> Iterator[list[RunTable]]:
    """Every posterior of a comparison is made by hand; gives the tables that they were conditioned on.

    `off` multiplies Chinchilla's E, so that its law can be made a worse one.
    """
    seen: list[RunTable] = []

    def fit(
        table: RunTable, *, law: Law, prior: None, misfit: None, seed: int, settings: object
    ) -> Posterior:
        assert prior is None  # what is given is looked at in test_given_priors
        seen.append(table)
        truth = TRUTH | {"E": TRUTH["E"] * (off if law is CHINCHILLA else 1.0)}
        return posterior_around(law, truth, table, spread=spread, seed=seed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(left_out, "fit", fit)
        yield seen
