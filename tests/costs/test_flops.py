"""F(N) against the paper's figures and its own exact count; names, records, and ways of counting."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_dsl.costs.flops import (
    PAPER,
    RESERVED,
    SIX_ND,
    CostModel,
    at_fixed_aspect_ratio,
    at_fixed_depth,
    check_counting,
    cost_model,
    of_function,
)
from bayes_dsl.errors import CountingMismatch, InputError, UnknownName

MADE = st.builds(
    CostModel,
    name=st.just("made"),
    terms=st.lists(
        st.tuples(st.floats(1e-6, 1e9), st.floats(0, 1.9)).filter(lambda term: term[1] > 1e-3),
        min_size=1,
        max_size=4,
    ).map(tuple),
    counting=st.sampled_from([None, "non_embedding", "total"]),
    remark=st.sampled_from(["", "small runs"]),
)


@pytest.mark.parametrize(
    ("N", "F", "digits"), [(1e8, 3.34e8, 5e5), (1e9, 2.454e9, 5e5), (1e10, 2.175e10, 5e6)]
)
def test_the_paper_at_its_own_figures(N, F, digits):
    assert abs(PAPER.forward(N) - F) <= digits


def test_the_constants_of_the_paper():
    """c_1 = sigma_1 n_ctx, c_2 = sigma_2 n_vocab of F(N) = 2 N (1 + c_1 N^(-1/3) + c_2 N^(-2/3))."""
    assert [exponent for _, exponent in PAPER.terms] == [1, 2 / 3, 1 / 3]
    halves = [coefficient / 2 for coefficient, _ in PAPER.terms]
    np.testing.assert_allclose(halves, [1, 155.06, 72_132], rtol=3e-5)
    other = at_fixed_aspect_ratio(context=4096, vocabulary=32168)
    assert abs(other.terms[2][0] / 2 - 70_811) < 1


@pytest.mark.parametrize("depth", [1, 8, 24, 40])
def test_fixed_aspect_ratio_is_the_count_of_its_networks(depth):
    width, omega, context, vocabulary = 64 * depth, 11.0, 2048, 50_000
    N = omega * depth * width**2
    exact = 2 * N + 2 * depth * context * width + 2 * vocabulary * width
    model = at_fixed_aspect_ratio(context=context, vocabulary=vocabulary, aspect_ratio=64, omega=omega)
    assert model.forward(N) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("width", [64, 512, 4096])
def test_fixed_depth_is_the_count_of_its_networks(width):
    layers, omega, context, vocabulary = 6, 12.0, 512, 8_000
    N = omega * layers * width**2
    exact = 2 * N + 2 * layers * context * width + 2 * vocabulary * width
    model = at_fixed_depth(layers=layers, context=context, vocabulary=vocabulary)
    assert model.forward(N) == pytest.approx(exact, rel=1e-12)


def test_control_the_paper_is_wrong_for_small_runs_of_fixed_depth():
    small = at_fixed_depth(layers=6, context=512, vocabulary=8_000)
    assert PAPER.forward(1e6) / small.forward(1e6) > 2


def test_six_nd():
    assert SIX_ND.training(1e9, 2e10) == 6 * 1e9 * 2e10
    assert SIX_ND.logits(1e9, 2e10) == SIX_ND.serving(1e9, 2e10) == 2 * 1e9 * 2e10
    assert SIX_ND.counting is None and PAPER.counting == "non_embedding"


@settings(max_examples=200, deadline=None)
@given(model=MADE, N=st.floats(1e3, 1e16), factor=st.floats(1.001, 1e3), D=st.floats(1, 1e17))
def test_cost_increases_and_training_is_three_passes(model, N, factor, D):
    assert model.forward(N * factor) > model.forward(N) > 0
    assert model.training(N, D) == pytest.approx(3 * model.logits(N, D), rel=1e-14)
    assert model.logits(N, D) == model.serving(N, D) == model.forward(N) * D


@given(model=MADE)
def test_a_record_round_trips_through_json(model):
    again = CostModel.from_record(json.loads(json.dumps(model.record())))
    assert again == model and hash(again) == hash(model)
    assert again.describe() == model.describe()


@pytest.mark.parametrize("model", [PAPER, SIX_ND, at_fixed_depth(layers=4, context=256, vocabulary=8000)])
def test_arrays_of_every_kind(model):
    N = np.array([1e6, 1e9, 1e12])
    expected = [model.forward(float(n)) for n in N]
    np.testing.assert_allclose(model.forward(N), expected, rtol=1e-15)
    np.testing.assert_allclose(model.forward(N.astype(np.int64)), expected, rtol=1e-15)
    assert model.forward(N.astype(np.float32)).dtype == np.float32
    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.jit(model.forward)(jnp.asarray(N)), expected, rtol=1e-14)
        slope = jax.grad(model.forward)(1e9)
    assert slope == pytest.approx((model.forward(1e9 + 1e3) - model.forward(1e9 - 1e3)) / 2e3, rel=1e-6)
    assert model.training(N[:, None], np.array([1e9, 1e10])).shape == (3, 2)


def test_the_line_that_goes_with_every_answer():
    assert PAPER.describe() == (
        "paper: forward FLOPs per token 2 N + 310.1 N^0.6667 + 1.443e5 N^0.3333 (context 4096, aspect ratio "
        "128, vocabulary 32768); 3x that per trained token; N without embeddings"
    )
    assert SIX_ND.describe() == (
        "6ND: forward FLOPs per token 2 N (attention and vocabulary left out); 3x that per trained token"
    )
    mine = of_function("mine", lambda N: 2 * N)
    assert mine.describe() == (
        "mine: forward FLOPs per token by a function given at the call; 3x that per trained token"
    )


def test_a_model_is_found_by_its_name():
    assert cost_model("paper") is PAPER
    assert cost_model("6ND") is cost_model("6nd") is SIX_ND


@pytest.mark.parametrize("name", ["hoffmann", "", None, "a\nb"])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(
        UnknownName, match=r"no cost model has this name\. Choose one of paper, 6ND"
    ) as caught:
        cost_model(name)
    assert len(str(caught.value).splitlines()) == 1


def test_table_needs_numbers_beside_the_table():
    with pytest.raises(UnknownName, match=r"numbers beside the run table.*runs\.cost\.toml.*paper or 6ND"):
        cost_model("table")


def test_a_function_of_ones_own():
    mine = of_function("mine", lambda N: 2 * N + 1e5 * N**0.5)
    assert mine.training(1e8, 1e9) == 3 * (2e8 + 1e9) * 1e9
    assert mine.record() == {"name": "mine", "counting": None, "remark": "", "function": True}
    with jax.enable_x64(True):
        assert float(jax.jit(mine.forward)(1e8)) == pytest.approx(mine.forward(1e8), rel=1e-14)
    with pytest.raises(InputError, match=r"never saved\. Pass the function again, as of_function"):
        CostModel.from_record(mine.record())


@pytest.mark.parametrize("name", [*RESERVED, "6nd", "Paper"])
def test_a_function_has_a_name_of_its_own(name):
    with pytest.raises(InputError, match="belongs to another cost model"):
        of_function(name, lambda N: 2 * N)


def test_a_model_is_terms_or_a_function():
    with pytest.raises(InputError, match="made of terms or of a function"):
        CostModel(name="both", terms=((2.0, 1.0),), function=lambda N: N)
    with pytest.raises(InputError, match="at least one term"):
        CostModel(name="neither")


def test_every_fault_is_listed_at_once():
    with pytest.raises(InputError) as caught:
        CostModel(name="", terms=((-1.0, 1.0), (2.0, 5.0)), counting="all", remark="a\nb")
    assert [fault.what for fault in caught.value.faults] == [
        "name",
        "remark",
        "counting",
        "coefficient of term 1",
        "exponent of term 2",
    ]
    assert len(str(caught.value).splitlines()) == 5


@pytest.mark.parametrize(
    ("record", "whats"),
    [
        (3, ["record"]),
        ([], ["record"]),
        ({}, ["name", "terms"]),
        ({"name": "x", "terms": [[2, 1]], "price": 3}, ["key"]),
        ({"name": 3, "terms": {"a": 1}, "note": "", "counting": []}, ["key", "name", "counting", "terms"]),
        ({"name": "x", "terms": [[2, float("inf")]]}, ["exponent of term 1"]),
    ],
)
def test_a_record_that_is_none_is_refused(record, whats):
    with pytest.raises(InputError) as caught:
        CostModel.from_record(record)
    assert [fault.what for fault in caught.value.faults] == whats


@pytest.mark.parametrize("make", [at_fixed_aspect_ratio, at_fixed_depth])
def test_a_shape_is_positive(make):
    more = {"layers": float("nan")} if make is at_fixed_depth else {"aspect_ratio": "128"}
    with pytest.raises(InputError) as caught:
        make(context=0, vocabulary=-1, omega=float("inf"), **more)
    assert len(caught.value.faults) == 4


def test_the_paper_refuses_rows_that_count_total_parameters():
    with pytest.raises(CountingMismatch) as caught:
        check_counting(PAPER, "total")
    assert str(caught.value) == (
        "cost model paper: counting = total; its numbers are for params counted as non_embedding. "
        "Choose 6ND, or a cost model made for params counted as total."
    )


@pytest.mark.parametrize(
    ("model", "counting"),
    [(PAPER, None), (PAPER, "non_embedding"), (SIX_ND, "total"), (SIX_ND, "non_embedding"), (SIX_ND, None)],
)
def test_countings_that_agree(model, counting):
    check_counting(model, counting)


def test_a_counting_that_is_none():
    with pytest.raises(CountingMismatch, match="must be non_embedding or total"):
        check_counting(SIX_ND, "all")


def test_a_model_is_a_value():
    assert CostModel(name="x", terms=[[2, 1]]) == CostModel(name="x", terms=((2.0, 1.0),))
    with pytest.raises(FrozenInstanceError):
        PAPER.name = "mine"


def test_costs_load_neither_jax_nor_pandas():
    rooms = ("architecture", "beside", "flops", "scenarios")
    statement = "; ".join(f"import bayes_dsl.costs.{room}" for room in rooms)
    look = (
        f"import sys; {statement}; print(sorted({{'jax', 'pandas', 'xarray', 'arviz'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
