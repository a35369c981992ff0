"""The network's own arrays against Table 13 and the cost model's formulas, and FLOPs against the traced program."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_dsl.costs.architecture import TABLE_13, Architecture
from models import transformer
from models.accounting import count
from models.config import SMALL_WIDTHS, Network, paper, small

# N and N_total in billions, as the paper's Table 13 prints them.
PRINTED = """
103M 0.1028 0.1363
143M 0.1434 0.1811
198M 0.1983 0.2402
266M 0.2657 0.3118
340M 0.3398 0.3901
435M 0.4348 0.4893
546M 0.546 0.6047
664M 0.6636 0.7265
810M 0.8096 0.8767
975M 0.9755 1.047
1.15B 1.147 1.222
1.35B 1.355 1.434
1.59B 1.586 1.67
1.82B 1.821 1.909
2.1B 2.102 2.194
2.41B 2.41 2.506
2.72B 2.718 2.819
3.08B 3.082 3.187
3.48B 3.478 3.587
3.87B 3.87 3.983
4.33B 4.329 4.446
4.82B 4.823 4.944
5.31B 5.309 5.434
5.87B 5.873 6.003
6.48B 6.476 6.611
7.07B 7.066 7.204
7.75B 7.747 7.889
8.47B 8.47 8.617
9.17B 9.173 9.324
10B 10.05 10.2
10.8B 10.84 11
11.7B 11.66 11.83
12.6B 12.61 12.78
"""
ROWS = [tuple(line.split()) for line in PRINTED.strip().splitlines()]
SHAPES = st.builds(
    lambda kv, group, half, **more: Architecture(heads=kv * group, kv_heads=kv, head_size=2 * half, **more),
    kv=st.integers(1, 4),
    group=st.integers(1, 3),
    half=st.integers(1, 40),
    layers=st.integers(1, 4),
    width=st.integers(1, 600),
    ffn_width=st.integers(1, 2000),
    vocabulary=st.integers(1, 50_000),
    context=st.integers(1, 5000),
)


def agrees(shape: Architecture) -> None:
    counted = count(Network(architecture=shape))
    assert counted.params == shape.params
    assert counted.params_total == shape.params_total
    assert counted.forward_flops == shape.forward_flops


def test_all_33_rows_are_there():
    assert [name for name, _, _ in ROWS] == [shape.name for shape in TABLE_13]


@pytest.mark.parametrize(("name", "params", "params_total"), ROWS, ids=[row[0] for row in ROWS])
def test_the_papers_networks_hold_what_table_13_prints(name, params, params_total):
    counted = count(paper(name))
    assert f"{counted.params / 1e9:.4g}" == params
    assert f"{counted.params_total / 1e9:.4g}" == params_total
    agrees(paper(name).architecture)


def test_control_the_printed_width_of_row_10b_misses_it():
    shape = dataclasses.replace(paper("10B").architecture, ffn_width=12672)
    assert f"{count(Network(architecture=shape)).params / 1e9:.4g}" == "9.982"


@settings(max_examples=25)
@given(SHAPES)
def test_any_shape_agrees_with_the_cost_model_exactly(shape):
    agrees(shape)


@pytest.mark.parametrize("width", SMALL_WIDTHS[::3])
def test_what_is_counted_is_what_is_made(width):
    network = small(width)
    params = jax.jit(transformer.init, static_argnums=1)(jax.random.key(0), network)
    assert sum(x.size for x in jax.tree.leaves(params)) == count(network).params_total


@pytest.mark.parametrize("width", SMALL_WIDTHS)
def test_the_small_family_agrees_with_the_cost_model_exactly(width):
    agrees(small(width).architecture)


def products(jaxpr) -> int:
    """FLOPs of the matrix products in a traced program."""
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            inner = math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
            total += 2 * inner * math.prod(equation.outvars[0].aval.shape)
        total += sum(products(inner.jaxpr) for inner in equation.params.values() if hasattr(inner, "jaxpr"))
    return total


GROUPED = Network(architecture=dataclasses.replace(small(64).architecture, heads=4, kv_heads=2))


@pytest.mark.parametrize("network", [small(16), small(192), GROUPED, paper("103M")])
def test_flops_are_those_of_the_traced_program(network):
    shape, counted = network.architecture, count(network)
    tokens = jax.ShapeDtypeStruct((1, shape.context), jnp.int32)
    program = jax.make_jaxpr(lambda p, x: transformer.logits(p, x, network))(
        transformer.shapes(network), tokens
    )
    # The program takes no product for an embedding or a softmax, and multiplies by the zeros of what comes later.
    looks = shape.layers * shape.heads * shape.context
    expected = counted.forward_flops - 2 * shape.width - 2.5 * looks + 2 * looks * shape.head_size
    assert products(program.jaxpr) == expected * shape.context


def test_groups_add_up():
    counted = count(small(32))
    assert list(counted.groups) == ["embedding", "attention", "ffn", "norms", "readout"]
    assert counted.embedding.params == 128 * 32 and counted.readout.params == 0
    assert counted.norms.params == 2 * (2 * 32 + 2 * 32) + 32 and counted.norms.forward_flops == 0
    assert counted.params == counted.attention.params + counted.ffn.params + counted.norms.params
