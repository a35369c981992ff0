"""Worlds come from the prior that is sampled: their coordinates, losses and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bayes_dsl.errors import InputError
from bayes_dsl.laws.base import Law
from bayes_dsl.laws.registry import registered
from bayes_dsl.validation import worlds
from bayes_dsl.validation.worlds import Study, draw_world, possible_draws, study_of


@pytest.fixture(scope="module")
def study() -> Study:
    return study_of("supervised")


@pytest.fixture(scope="module")
def drawn(study: Study) -> list[worlds.World]:
    return [draw_world(study, np.random.default_rng((3, number))) for number in range(300)]


def test_the_design_is_what_the_docstring_says(study: Study) -> None:
    assert study.structure.rows == (24,) and study.structure.effects == ()


@pytest.mark.parametrize("law", registered(), ids=lambda law: law.name)
def test_every_registered_law_can_be_calibrated(law: Law) -> None:
    structure = study_of(law.name).structure
    assert structure.law is law and structure.rows == ((24, 30) if law.explains("distilled") else (24,))


def test_truths_follow_the_prior(study: Study, drawn: list[worlds.World]) -> None:
    for name, _ in study.structure.sites:
        density = study.prior[name]
        z = (np.array([world.sites[name] for world in drawn]) - density.loc) / density.scale
        assert stats.kstest(z, "norm").pvalue > 1e-4


def test_losses_scatter_about_the_law_as_the_truth_says(drawn: list[worlds.World]) -> None:
    levels = [
        stats.t.cdf(world.log_loss, world.parameters["nu"], world.mean, world.parameters["sigma"])
        for world in drawn
    ]
    assert stats.kstest(np.concatenate(levels), "uniform").pvalue > 1e-4
    # Negative control: twice the scatter would be seen.
    wider = [
        stats.t.cdf(world.log_loss, world.parameters["nu"], world.mean, 2 * world.scale) for world in drawn
    ]
    assert stats.kstest(np.concatenate(wider), "uniform").pvalue < 1e-10


def test_what_no_law_could_have_made_is_refused_by_its_parameters(study: Study) -> None:
    fine = {name: np.ones(6) for name in study.structure.law.names}
    wrong = {
        **fine,
        "A": np.array([1.0, np.inf, 0.0, 1.0, 1.0, np.nan]),
        "B": np.array([1.0] * 4 + [-1.0, 1.0]),
        "beta": np.array([5.0, 1.0, 1.0, 5.1, 1.0, 1.0]),
    }
    assert possible_draws(study.structure, fine).all()
    assert possible_draws(study.structure, wrong).tolist() == [True, *[False] * 5]


def test_about_one_draw_in_seven_is_refused(drawn: list[worlds.World]) -> None:
    assert 0.08 * len(drawn) < sum(world.refused for world in drawn) < 0.25 * len(drawn)


def test_a_prior_without_a_law_is_said(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "possible_draws", lambda *_: np.array(False))
    monkeypatch.setattr(worlds, "MOST_REFUSED", 3)
    with pytest.raises(InputError, match="3 draws in a row"):
        draw_world(study, np.random.default_rng(0))


def test_a_power_stands_in_for_its_coordinate() -> None:
    joint = study_of("distillation")
    assert joint.structure.rows == (24, 30)
    assert dict(joint.structure.effects) == {"teacher": 5, "student": 6}
    rng = np.random.default_rng(5)
    powers = [float(draw_world(joint, rng).parameters["c_0"]) for _ in range(40)]
    assert stats.kstest((np.array(powers) - 2.0) / 1.5, "norm").pvalue > 1e-4
