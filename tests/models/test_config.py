"""The small family and the paper's shapes; every fault of a network told at once."""

from __future__ import annotations

import dataclasses

import pytest

from bayes_dsl.costs.architecture import TABLE_13
from bayes_dsl.errors import InputError, UnknownName
from models.config import SMALL_WIDTHS, Network, paper, small


@pytest.mark.parametrize("width", SMALL_WIDTHS)
def test_the_small_family(width):
    shape = small(width, vocabulary=128, context=64).architecture
    assert (shape.layers, shape.width, shape.vocabulary, shape.context) == (2, width, 128, 64)
    assert shape.heads * shape.head_size == width
    assert shape.head_size == 32 or width % 32
    assert shape.ffn_width % 8 == 0 and abs(shape.ffn_width - 8 * width / 3) <= 4
    assert shape.kv_heads == shape.heads


def test_the_small_family_spans_two_decades_of_parameters():
    sizes = [small(width).architecture.params for width in SMALL_WIDTHS]
    assert sizes == sorted(sizes)
    assert 5_000 < sizes[0] < 7_000 and 880_000 < sizes[-1] < 900_000


@pytest.mark.parametrize("width", [0, -8, 12, 20.5, True, "64"])
def test_other_widths_are_refused(width):
    with pytest.raises(InputError, match="must be a multiple of 8"):
        small(width)


def test_the_papers_networks_have_its_shapes():
    for shape in TABLE_13:
        assert paper(shape.name).architecture == shape
    with pytest.raises(UnknownName, match="no architecture of this name"):
        paper("7B")


def test_networks_are_keys():
    assert {small(64): 1}[small(64)] == 1
    assert hash(small(64)) != hash(small(32))
    assert small(64) != dataclasses.replace(small(64), compute="bfloat16")


def test_every_fault_of_a_network_is_told_at_once():
    shape = dataclasses.replace(small(64).architecture, head_size=7, ffn_matrices=2)
    with pytest.raises(InputError) as failure:
        Network(architecture=shape, rope_base=1.0, base_width=0, norm_epsilon=float("nan"), compute="float16")
    told = [fault.what for fault in failure.value.faults]
    assert told == ["head_size", "ffn_matrices", "base_width", "rope_base", "norm_epsilon", "compute"]
