"""A world says what a forecast says, draw by draw, and its draws can be chosen."""

import jax
import numpy as np

from bayes_dsl.decisions.world import World, of_draws
from bayes_dsl.laws.distillation import DISTILLATION
from tests.decisions.worlds import distillation_basis, wandering

INPUTS = {"N": np.float64(3e10), "D": np.float64(1e12)}


def test_without_paths_the_world_is_the_law() -> None:
    basis = distillation_basis(draws=5)
    with jax.enable_x64(True):
        found = World(basis.parameters).log_loss(DISTILLATION, "supervised", INPUTS)
        np.testing.assert_array_equal(found, DISTILLATION.log_loss("supervised", basis.parameters, INPUTS))
        moved = World(basis.parameters, wandering(5)).log_loss(DISTILLATION, "supervised", INPUTS)
    assert (np.abs(np.asarray(moved - found)) > 1e-5).all()


def test_chosen_draws_keep_their_own_paths() -> None:
    basis, drift, chosen = distillation_basis(draws=5), wandering(5), np.array([3, 1])
    parameters = {name: draws[chosen] for name, draws in basis.parameters.items()}
    with jax.enable_x64(True):
        every = World(basis.parameters, drift).log_loss(DISTILLATION, "supervised", INPUTS)
        some = World(parameters, of_draws(drift, chosen)).log_loss(DISTILLATION, "supervised", INPUTS)
    np.testing.assert_allclose(some, np.asarray(every)[chosen], rtol=1e-14)
    assert of_draws(None, chosen) is None
