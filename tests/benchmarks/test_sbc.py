"""The record of calibration meets what is asked of it, belongs to today's program, and its gate can fail."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from bayes_dsl.inference.misfit import Misfit
from bayes_dsl.validation.calibration import Calibration, fingerprint
from bayes_dsl.validation.ranks import verdicts
from bayes_dsl.validation.worlds import study_of
from benchmarks import sbc

RECORDED = [case for case in sbc.CASES if (sbc.RESULTS / f"{case.name}.json").is_file()]


@pytest.fixture(params=RECORDED, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> sbc.Case:
    return request.param


def test_a_record_covers_as_often_as_it_says(case: sbc.Case) -> None:
    told = sbc.recorded(case.name)
    positions = {name: np.array(values) for name, values in told["positions"].items()}
    judged = verdicts(positions)
    assert judged.wrong(sbc.RECORD_LEVEL) == ()
    assert judged.wrong(sbc.RECORD_LEVEL, test="ecdf") == ()
    assert {"log_likelihood", "target_loss", "best_params", "sigma", "E", "gamma"} <= set(positions)
    for name, row in told["quantities"].items():
        assert row["coverage"] == pytest.approx(judged.table.loc[name, "coverage"])


def test_hardly_any_world_keeps_a_divergence(case: sbc.Case) -> None:
    told = sbc.recorded(case.name)
    assert told["diverged"] <= 0.01 * told["replications"]
    assert told["replications"] == told["asked"] == 1000


def test_a_record_is_of_today_s_program(case: sbc.Case) -> None:
    now = fingerprint(study_of(case.law, misfit=Misfit() if case.misfit else None))
    if sbc.recorded(case.name)["fingerprint"] != now:
        warnings.warn(
            f"benchmarks/results/sbc/{case.name}.json is of another program: run `make sbc`", stacklevel=1
        )


def test_a_calibration_that_covers_too_little_is_no_record() -> None:
    rng = np.random.default_rng(0)
    judged = verdicts({"fine": rng.random(1000), "narrow": rng.beta(0.6, 0.6, 1000)})
    assert judged.wrong(sbc.RECORD_LEVEL) == ("narrow",)


def fake(wrong: bool) -> Calibration:
    values = np.random.default_rng(1).random(100)
    return Calibration(
        law="supervised",
        misfit=False,
        wrong="",
        seed=0,
        positions={"E": values**4 if wrong else values},
        effective=np.full(100, 200.0),
        divergences=np.zeros(100, int),
        again=0,
        refused=1,
        dropped=0,
        fingerprint="",
    )


@pytest.mark.parametrize(("cases", "faults", "passes"), [(0, 1, True), (1, 1, False), (0, 0, False)])
def test_the_gate_wants_right_cases_to_pass_and_faults_to_fail(
    monkeypatch: pytest.MonkeyPatch, cases: int, faults: int, passes: bool
) -> None:
    def found(case: sbc.Case, **_: Any) -> Calibration:
        return fake(bool(faults if case.wrong else cases))

    monkeypatch.setattr(sbc, "found", found)
    assert sbc.gate(workers=1) is passes
