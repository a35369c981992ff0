"""One compiled sampler serves every table of one shape, and flat vectors split into sites in one order."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from bayes_dsl.inference.compiled import compiled_for, shapes_of, unflatten
from bayes_dsl.inference.observations import observe
from bayes_dsl.inference.priors import default_prior
from bayes_dsl.inference.settings import Settings
from bayes_dsl.laws.supervised import CHINCHILLA


def observed(table):
    prior = default_prior(CHINCHILLA, typical_loss=float(np.median(table.values("loss"))))
    return observe(table, law=CHINCHILLA, prior=prior)


def test_tables_of_one_shape_share_a_compiled_sampler(small_table):
    whole = observed(small_table)
    part, other = (observed(small_table.select(np.arange(first, first + 50))) for first in (0, 10))
    settings = Settings(chains=2, warmup=500, draws=250)
    with jax.enable_x64(True):
        tools = [
            compiled_for(known.structure, settings, shapes_of(jax.tree.map(jnp.asarray, known.data)))
            for known in (part, other, whole)
        ]
    assert tools[0] is tools[1]
    assert tools[0] is not tools[2]


def test_sites_are_split_in_the_order_of_the_flat_vector(small_table):
    structure = observed(small_table).structure
    flat = np.arange(structure.size, dtype=float)
    sites = unflatten(structure, flat)
    assert list(sites) == [name for name, _ in structure.sites]
    np.testing.assert_array_equal(np.concatenate([np.atleast_1d(v) for v in sites.values()]), flat)


def test_gradients_agree_with_differences(small_table):
    known = observed(small_table)
    structure = known.structure
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, known.data)
        tools = compiled_for(structure, Settings(chains=2, warmup=500, draws=250), shapes_of(data))
        center = np.zeros(structure.size)
        center[-1] = 1.0
        many = np.tile(center, (2 * structure.size + 1, 1))
        step = 1e-5
        for i in range(structure.size):
            many[1 + i, i] += step
            many[1 + structure.size + i, i] -= step
        values, slopes = (np.asarray(array) for array in tools.gradients(jnp.asarray(many), data))
    differences = (values[1 : structure.size + 1] - values[structure.size + 1 :]) / (2 * step)
    np.testing.assert_allclose(differences, slopes[0], rtol=1e-5, atol=1e-4)
