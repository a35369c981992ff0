"""Calibration: replications are reproducible, campaigns resume to the same, fingerprints tell densities apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bayes_dsl.campaign import Campaign
from bayes_dsl.inference.misfit import Misfit
from bayes_dsl.inference.settings import Settings
from bayes_dsl.validation import calibration
from bayes_dsl.validation.calibration import (
    ENOUGH,
    calibrate,
    campaign_of,
    fingerprint,
    gathered,
    make,
    replication,
    settings_of,
)
from bayes_dsl.validation.worlds import Study, study_of

HOW = Settings(chains=2, warmup=500, draws=250, most_draws=500, retry=False)


@pytest.fixture(scope="module")
def study() -> Study:
    return study_of("supervised")


@pytest.fixture(scope="module", autouse=True)
def short() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "settings_of", lambda law, misfit: HOW)
        patch.setattr(calibration, "BATCH", 2)
        yield


def test_a_replication_is_the_same_each_time_and_finds_planted_faults(study: Study) -> None:
    first = replication(study, HOW, seed=(0, 1))
    assert first == replication(study, HOW, seed=(0, 1))
    assert set(first["positions"]) == {
        *study.structure.law.names,
        *("sigma", "nu", "log_likelihood", "target_loss", "best_params"),
    }
    assert all(0 < value < 1 for value in first["positions"].values())
    wrong = [replication(study, HOW, seed=(0, n), wrong="prior", retry=False) for n in range(4)]
    assert np.mean([one["positions"]["sigma"] for one in wrong]) < 0.2
    shuffled = [replication(study, HOW, seed=(0, n), wrong="shuffled", retry=False) for n in range(4)]
    assert np.mean([one["positions"]["log_likelihood"] for one in shuffled]) < 0.1


def test_units_are_gathered_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = campaign_of("supervised", replications=3, folder=tmp_path, seed=5)
    assert [dict(unit.payload) for unit in campaign.units] == [
        {"first": 0, "count": 2},
        {"first": 2, "count": 1},
    ]
    made = {unit.name: make(unit.payload, campaign.settings, tmp_path, {}) for unit in campaign.units}
    ran: list[tuple[Campaign, bool]] = []
    monkeypatch.setattr(calibration, "run", lambda given, **how: ran.append((given, how["retry_failed"])))
    monkeypatch.setattr(
        calibration,
        "results",
        lambda given, partial=False: tuple((unit, made[unit.name], tmp_path) for unit in given.units),
    )
    found = calibrate(campaign)
    assert ran == [(campaign, True)] and found.replications == 3
    one = replication(study_of("supervised"), HOW, seed=(5, 2))
    assert found.positions["gamma"][2] == one["positions"]["gamma"]
    assert gathered(campaign).to_record() == found.to_record()
    assert found.to_record()["fingerprint"] == fingerprint(study_of("supervised"))
    assert found.lines()[0].startswith("3 replications; ")
    assert set(found.verdicts().table.columns) >= {"coverage", "p_coverage_holm", "p_ecdf_holm"}


def test_a_fingerprint_tells_densities_apart_and_not_the_hour(study: Study) -> None:
    assert fingerprint(study) == fingerprint(study_of("supervised")) != fingerprint(study_of("chinchilla"))
    assert fingerprint(study) != fingerprint(study_of("supervised", misfit=Misfit()))
    moved = study.prior.replace(replace(study.prior["log_gamma"], scale=0.56))
    data = study.observed(np.asarray(study.observations.data["log_loss"]), prior=moved)
    assert fingerprint(replace(study, prior=moved, observations=data)) != fingerprint(study)


def test_settings_ask_for_enough() -> None:
    for law, misfit in (("supervised", False), ("distillation", False), ("supervised", True)):
        how = settings_of(law, misfit=misfit)
        assert how.most_draws * how.chains >= 10 * ENOUGH
