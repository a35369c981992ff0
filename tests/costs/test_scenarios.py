"""The bill of each scenario against Eq. 9, its parts, and what sharing and storing change."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_dsl.costs.flops import PAPER, SIX_ND
from bayes_dsl.costs.scenarios import (
    BEST_CASE,
    PRETRAINING_AND_INFERENCE,
    SCENARIOS,
    TEACHER_INFERENCE,
    TEACHER_PRETRAINING,
    Scenario,
    scenario,
)
from bayes_dsl.errors import InputError, UnknownName

RUNS = {"student_params": 1e9, "student_tokens": 2e10, "teacher_params": 3e9, "teacher_tokens": 6e10}
SIZES = st.fixed_dictionaries(
    {
        "student_params": st.floats(1e6, 1e12),
        "student_tokens": st.floats(1e6, 1e17),
        "teacher_params": st.floats(1e6, 1e12),
        "teacher_tokens": st.floats(1e6, 1e17),
    }
)
SHARE = st.floats(0, 1)
ANY = st.builds(
    Scenario,
    name=st.just("made"),
    logits=SHARE,
    pretraining=SHARE,
    students=st.floats(1, 1e4),
    stored_logits=st.booleans(),
    serving_tokens=st.floats(0, 1e16),
)
MODEL = st.sampled_from([PAPER, SIX_ND])


@pytest.mark.parametrize(
    ("named", "logits", "pretraining"),
    [
        (BEST_CASE, 0, 0),
        (TEACHER_INFERENCE, 1, 0),
        (TEACHER_PRETRAINING, 0, 1),
        (PRETRAINING_AND_INFERENCE, 1, 1),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_the_named_scenarios_are_equation_9(named, logits, pretraining):
    F = PAPER.forward
    bill = 3 * F(1e9) * 2e10 + F(3e9) * (logits * 2e10 + pretraining * 3 * 6e10)
    assert named.cost(PAPER, **RUNS) == pytest.approx(bill, rel=1e-14)


def test_their_names_are_the_command_lines():
    assert [one.name for one in SCENARIOS] == [
        "best-case",
        "teacher-inference",
        "teacher-pretraining",
        "pretraining-and-inference",
    ]
    assert all(scenario(one.name) is one or scenario(one.name) == one for one in SCENARIOS)


@given(made=ANY, model=MODEL, sizes=SIZES)
def test_the_parts_sum_to_the_cost(made, model, sizes):
    parts = made.parts(model, **sizes)
    assert list(parts) == ["student_training", "teacher_logits", "teacher_training", "serving"]
    assert made.cost(model, **sizes) == pytest.approx(sum(parts.values()), rel=1e-14)
    assert all(part >= 0 for part in parts.values())
    # Written out once more, from the equation.
    F = model.forward
    logits = made.logits / (made.students if made.stored_logits else 1)
    assert made.cost(model, **sizes) == pytest.approx(
        F(sizes["student_params"]) * (3 * sizes["student_tokens"] + made.serving_tokens)
        + F(sizes["teacher_params"])
        * (logits * sizes["student_tokens"] + 3 * made.pretraining / made.students * sizes["teacher_tokens"]),
        rel=1e-12,
    )


@given(sizes=SIZES, model=MODEL, first=SHARE, second=SHARE, other=SHARE)
def test_a_larger_share_costs_more(sizes, model, first, second, other):
    less, more = sorted((first, second))

    def cost(logits, pretraining):
        return Scenario(name="made", logits=logits, pretraining=pretraining).cost(model, **sizes)

    assert cost(less, other) <= cost(more, other)
    assert cost(other, less) <= cost(other, more)
    assert BEST_CASE.cost(model, **sizes) <= cost(first, second)
    assert cost(first, second) <= PRETRAINING_AND_INFERENCE.cost(model, **sizes)


@given(sizes=SIZES, model=MODEL, k=st.integers(1, 1000), stored=st.booleans(), logits=SHARE)
def test_k_students_pay_for_one_teacher(sizes, model, k, stored, logits):
    alone = Scenario(name="alone", logits=logits, pretraining=1)
    shared = Scenario(name="shared", logits=logits, pretraining=1, students=k, stored_logits=stored)
    one, each = alone.parts(model, **sizes), shared.parts(model, **sizes)
    assert k * each["teacher_training"] == pytest.approx(one["teacher_training"], rel=1e-12)
    times = k if stored else 1
    assert times * each["teacher_logits"] == pytest.approx(one["teacher_logits"], rel=1e-12)
    assert each["student_training"] == one["student_training"]


def test_one_student_gains_nothing_from_storing():
    stored = scenario("pretraining-and-inference", stored_logits=True)
    assert stored.cost(PAPER, **RUNS) == PRETRAINING_AND_INFERENCE.cost(PAPER, **RUNS)


def test_serving_is_a_forward_pass_a_token():
    served = scenario("best-case", serving_tokens=1e12)
    parts = served.parts(PAPER, **RUNS)
    assert parts["serving"] == PAPER.forward(1e9) * 1e12
    assert served.cost(PAPER, **RUNS) - BEST_CASE.cost(PAPER, **RUNS) == pytest.approx(parts["serving"])


@pytest.mark.parametrize("made", SCENARIOS, ids=lambda made: made.name)
def test_arrays_broadcast_in_numpy_and_jax(made):
    grid = {
        "student_params": np.array([1e8, 1e9])[:, None, None],
        "student_tokens": np.array([1e9, 1e10, 1e11])[:, None],
        "teacher_params": np.array([1e9, 1e10, 3e10, 1e11]),
        "teacher_tokens": 2e11,
    }
    cost = made.cost(PAPER, **grid)
    assert cost.shape == (2, 3, 4)
    alone = {"student_params": 1e9, "student_tokens": 1e11, "teacher_params": 3e10, "teacher_tokens": 2e11}
    assert cost[1, 2, 2] == pytest.approx(made.cost(PAPER, **alone), rel=1e-14)
    with jax.enable_x64(True):
        traced = jax.jit(lambda values: made.cost(PAPER, **values))(grid)
        np.testing.assert_allclose(traced, cost, rtol=1e-14)


def test_a_teacher_that_costs_nothing_need_not_be_known():
    student = {"student_params": 1e9, "student_tokens": 2e10}
    assert BEST_CASE.cost(PAPER, **student) == BEST_CASE.cost(PAPER, **RUNS) == PAPER.training(1e9, 2e10)
    one = TEACHER_INFERENCE.cost(PAPER, **student, teacher_params=3e9)
    assert one == TEACHER_INFERENCE.cost(PAPER, **RUNS)


@pytest.mark.parametrize(
    ("made", "teacher", "missing"),
    [
        (TEACHER_INFERENCE, {}, ["teacher_params"]),
        (TEACHER_PRETRAINING, {}, ["teacher_params", "teacher_tokens"]),
        (TEACHER_PRETRAINING, {"teacher_params": 1e9}, ["teacher_tokens"]),
        (PRETRAINING_AND_INFERENCE, {"teacher_params": 1e9}, ["teacher_tokens"]),
    ],
)
def test_a_teacher_that_is_charged_must_be_known(made, teacher, missing):
    with pytest.raises(InputError) as caught:
        made.cost(PAPER, student_params=1e9, student_tokens=2e10, **teacher)
    assert [fault.what for fault in caught.value.faults] == missing
    assert "choose best-case" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"logits": 1.1}, "logits = 1.1; the share that is charged must be a number from 0 to 1"),
        ({"logits": -0.1}, "logits = -0.1"),
        ({"pretraining": float("nan")}, "pretraining = nan; the share"),
        ({"pretraining": "half"}, "pretraining = 'half'; the share"),
        ({"students": 0.5}, "students = 0.5; at least one student"),
        ({"students": float("inf")}, "students = inf"),
        ({"stored_logits": "yes"}, "stored_logits = 'yes'; must be True or False"),
        ({"serving_tokens": -1}, "serving_tokens = -1; must be a finite number of tokens"),
        ({"name": ""}, "name = ''; must be one line"),
    ],
)
def test_a_value_out_of_range_is_refused(change, said):
    with pytest.raises(InputError) as caught:
        scenario("teacher-inference", **change)
    (fault,) = caught.value.faults
    assert said in str(fault) and str(fault).startswith("scenario ")


def test_every_fault_is_listed_at_once():
    with pytest.raises(InputError) as caught:
        Scenario(name="", logits=2, pretraining=-1, students=0, stored_logits=0, serving_tokens=-1)
    assert len(caught.value.faults) == 6


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownName) as caught:
        scenario("worst-case")
    assert str(caught.value) == (
        "scenario: name = worst-case; no scenario has this name. Choose one of best-case, "
        "teacher-inference, teacher-pretraining, pretraining-and-inference, supervised."
    )
    with pytest.raises(
        UnknownName, match=r"field = kids.*\. Choose from name, logits, pretraining, students"
    ):
        scenario("best-case", kids=3)


def test_without_a_teacher_nothing_of_it_can_be_charged():
    with pytest.raises(InputError, match="teacher = logits 1, pretraining 0; nothing can be charged"):
        Scenario(name="odd", logits=1, pretraining=0, teacher=False)
    supervised = scenario("supervised", serving_tokens=1e12)
    assert not supervised.teacher
    assert supervised.describe() == "supervised: the run's own training; serving 1e+12 tokens"
    assert supervised.cost(SIX_ND, student_params=1e9, student_tokens=1e10) == 6e19 + 2e21


def test_a_named_scenario_with_changes():
    half = scenario("pretraining-and-inference", name="half", logits=0.5, students=4, stored_logits=True)
    assert (half.name, half.logits_weight, half.pretraining_weight) == ("half", 0.125, 0.25)
    assert scenario("pretraining-and-inference").students == 1.0


def test_one_line_says_what_is_charged():
    assert TEACHER_INFERENCE.describe() == (
        "teacher-inference: the student's training, all of the teacher's logits, none of the teacher's training"
    )
    made = scenario("teacher-pretraining", logits=0.25, students=4, stored_logits=True, serving_tokens=1e12)
    assert made.describe() == (
        "teacher-pretraining: the student's training, 25 % of the teacher's logits, all of the teacher's "
        "training; 4 students share the teacher's training and its stored logits; serving 1e+12 tokens"
    )
    assert "though not its logits" in scenario("teacher-pretraining", students=2).describe()
