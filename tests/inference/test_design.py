"""A design holds runs that can be made, and its teachers are runs of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bayes_dsl.errors import InputError
from bayes_dsl.inference.design import (
    Design,
    PlannedRun,
    busbridge_study_design,
    isoflop_design,
    supervised_grid,
)


def test_a_grid_is_a_product():
    design = supervised_grid([1e8, 1e9], tokens=[5e9], tokens_per_param=[20, 40], group_by_size=True)
    assert [(run.params, run.tokens) for run in design.runs] == [
        (1e8, 5e9), (1e8, 2e9), (1e8, 4e9), (1e9, 5e9), (1e9, 2e10), (1e9, 4e10)
    ]  # fmt: skip
    assert len({run.group for run in design.runs}) == 2
    assert not any(run.group for run in supervised_grid([1e8], tokens=[1e9]).runs)


def test_isoflop_profiles_spend_their_budget():
    design = isoflop_design([1e19, 1e20], np.geomspace(1e7, 1e11, 40).tolist(), tokens_per_param=(5, 200))
    compute = np.array([6 * run.params * run.tokens for run in design.runs])
    np.testing.assert_allclose(compute, np.repeat([1e19, 1e20], np.bincount(compute > 5e19)))
    ratios = np.array([run.tokens / run.params for run in design.runs])
    assert ratios.min() >= 5 and ratios.max() <= 200 and len(design) > 15


def test_students_meet_every_teacher():
    design = supervised_grid([1e8, 1e9], tokens=[2e10]).distil(
        teachers=[1, 0], students=[(1e8, 2e9), (2e8, 4e9)]
    )
    assert design.positions() == (0, 1) and design.positions("distilled") == (2, 3, 4, 5)
    assert [run.teacher for run in design.runs[2:]] == [1, 1, 0, 0]


def test_teachers_follow_their_runs_into_a_larger_design():
    one = supervised_grid([1e8, 1e9], tokens=[2e10]).distil(teachers=[1], students=[(1e8, 2e9)])
    both = one + one
    assert both.runs[5].teacher == 4 and both.runs[both.runs[5].teacher].params == 1e9
    seeds = one.replicated(3)
    assert len(seeds) == 9 and {run.seed for run in seeds.runs} == {"0", "1", "2"}
    assert {seeds.runs[run.teacher].params for run in seeds.runs if run.teacher is not None} == {1e9}


def test_the_study_has_the_papers_protocols():
    design = busbridge_study_design()
    assert len(design.positions()) == 120 and len(design.positions("distilled")) == 254
    teachers = {run.teacher for run in design.runs} - {None}
    assert len(teachers) == 28 and teachers <= set(design.positions())
    supervised = [design.runs[row] for row in design.positions()]
    assert sum(run.tokens == 512e9 for run in supervised) == 6
    assert sum(math.isclose(run.tokens, 20 * run.params) for run in supervised) == 11
    students = {(run.params, run.tokens) for run in design.runs if run.role == "distilled"}
    assert len(students) == 24 + 4 + 6
    assert design == busbridge_study_design()


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ({"params": 0.0}, "params = 0.0; it is a finite number above zero"),
        ({"tokens": math.inf}, "tokens = inf"),
        ({"tokens": math.nan}, "tokens = nan"),
        ({"role": "distil"}, "a run is supervised or distilled"),
        ({"teacher": 0}, "a supervised run none"),
        ({"role": "distilled"}, "teachers = 0; a distilled run has one teacher"),
        ({"role": "distilled", "teacher": 0, "teacher_loss": 2.0}, "teachers = 2"),
        ({"role": "distilled", "teacher": 1}, "teacher = 1; it is the position of a supervised run"),
        ({"role": "distilled", "teacher": 9}, "teacher = 9"),
        ({"role": "distilled", "teacher": -2}, "teacher = -2"),
        ({"role": "distilled", "teacher_params": 1e9}, "go together"),
        ({"role": "distilled", "teacher_loss": -1.0}, "teacher_loss = -1.0"),
    ],
)
def test_an_impossible_run_is_refused(run, said):
    with pytest.raises(InputError) as caught:
        Design(runs=(PlannedRun(params=1e9, tokens=1e10), PlannedRun(**{"params": 1e8, "tokens": 1e9} | run)))
    assert said in str(caught.value) and str(caught.value).startswith("design, run 1: ")


def test_every_impossible_run_is_listed():
    with pytest.raises(InputError) as caught:
        Design(runs=tuple(PlannedRun(params=-1, tokens=0) for _ in range(3)))
    assert len(caught.value.faults) == 6
    with pytest.raises(InputError, match="at least one run"):
        Design(runs=())
