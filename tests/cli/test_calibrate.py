"""`calibrate` asks for the campaign that was meant, and says what is calibrated and what is not."""

import json
from pathlib import Path

import numpy as np
import pytest

from bayes_dsl.campaign import Campaign
from bayes_dsl.cli import calibrate as verb
from bayes_dsl.cli.calibrate_keys import CalibrateKeys
from bayes_dsl.validation.calibration import Calibration

RNG = np.random.default_rng(0)


def found(campaign: Campaign, *, workers: int, progress: object) -> Calibration:
    assert workers == 2 and callable(progress)
    return Calibration(
        law=campaign.settings["law"],
        misfit=campaign.settings["misfit"],
        wrong=campaign.settings["wrong"],
        seed=campaign.settings["seed"],
        positions={"E": RNG.random(200), "sigma": RNG.beta(0.3, 0.3, 200)},
        effective=np.full(200, 250.0),
        divergences=np.array([1] + [0] * 199),
        again=3,
        refused=4,
        dropped=0,
        fingerprint=campaign.settings["program"],
    )


def test_from_a_shell(bayes_dsl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "calibrate", found)
    asked = ("calibrate", "--law", "supervised", "--reps", "200", "--workers", "2", "-o", tmp_path / "sbc")
    ran = bayes_dsl(*asked)
    assert (ran.code, ran.err) == (0, "")
    assert "Simulation-based calibration of the supervised law" in ran.out
    assert "Not calibrated (p at most 0.01): sigma." in ran.out
    assert "4 draws of the prior were no law" in ran.out
    printed = json.loads(bayes_dsl(*asked, "--json").out)
    assert list(printed) == list(CalibrateKeys.model_fields)
    assert (printed["replications"], printed["refused"], printed["diverged"]) == (200, 4, 1)
    assert [one["quantity"] for one in printed["quantities"]] == ["E", "sigma"]


def test_too_few_are_refused(bayes_dsl, tmp_path: Path) -> None:
    ran = bayes_dsl("calibrate", "--reps", "5", "-o", tmp_path)
    assert ran.code == 2 and ran.err.count("\n") == 1 and "--reps" in ran.err
